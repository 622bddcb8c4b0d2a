"""The mouse, seen from the reports that the hardware gets."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from kvmd.contract.hid import (
    COORDINATE_MAX,
    AbsoluteMouseReport,
    Button,
    Capability,
    MouseEvent,
    RelativeMouseReport,
    Report,
)
from kvmd.errors import HidOffline, RequestError, Unsupported
from kvmd.input.holders import Holders
from kvmd.input.mouse import Mouse
from kvmd.input.turn import Turn
from kvmd.input.writer import Writer

LEFT, RIGHT, MIDDLE, BACK, FORWARD = (button.mask for button in Button)
BOTH = Capability.ABSOLUTE_MOUSE | Capability.RELATIVE_MOUSE


class Host:
    """Records the reports it takes; refuses as many as it is told to."""

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.refusals = 0
        self.able = BOTH
        self.gone: set[str] = set()

    def send(self, report: Report) -> None:
        if self.refusals:
            self.refusals -= 1
            raise HidOffline("the host sleeps")
        self.reports.append(report)

    def buttons(self) -> int:
        """What is down: the host sees two mice."""
        last: dict[type, int] = {type(report): report.buttons for report in self.reports}
        return last.get(AbsoluteMouseReport, 0) | last.get(RelativeMouseReport, 0)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def mouse(host: Host) -> Iterator[Mouse]:
    writer = Writer(host.send)
    writer.start()
    yield Mouse(writer, lambda: host.able, Holders(lambda client: client not in host.gone, timeout=10, turn=Turn()))
    writer.close()


def act(mouse: Mouse, client: str = "me", **event: Any) -> None:
    mouse.act(client, msgspec.convert(event, MouseEvent))


def absolute(buttons: int, x: int, y: int, wheel: int = 0, hwheel: int = 0) -> AbsoluteMouseReport:
    return AbsoluteMouseReport(buttons, x, y, wheel, hwheel)


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        (0, 0, (0, 0)),
        (1, 1, (COORDINATE_MAX, COORDINATE_MAX)),
        (1.0, 0.0, (COORDINATE_MAX, 0)),
        (0.5, 0.25, (16384, 8192)),
    ],
)
def test_a_place_is_a_fraction_of_the_screen(
    host: Host, mouse: Mouse, x: float, y: float, place: tuple[int, int]
) -> None:
    act(mouse, x=x, y=y)
    assert host.reports == [absolute(0, *place)]


@pytest.mark.parametrize(
    ("dx", "dy", "steps"),
    [
        (-5, 7, [(-5, 7)]),
        (127, -127, [(127, -127)]),
        (128, 0, [(127, 0), (1, 0)]),
        (-300, 10, [(-127, 10), (-127, 0), (-46, 0)]),
        (0, 0, []),
    ],
)
def test_steps_are_split_into_reports(host: Host, mouse: Mouse, dx: int, dy: int, steps: list[tuple[int, int]]) -> None:
    act(mouse, dx=dx, dy=dy)
    assert host.reports == [RelativeMouseReport(0, *step) for step in steps]


def test_one_of_dx_and_dy_is_enough(host: Host, mouse: Mouse) -> None:
    act(mouse, dy=3)
    assert host.reports == [RelativeMouseReport(0, 0, 3)]


@pytest.mark.parametrize("button", Button)
def test_a_click_is_a_press_and_a_release(host: Host, mouse: Mouse, button: Button) -> None:
    act(mouse, click=button.value)
    assert [report.buttons for report in host.reports] == [button.mask, 0]


def test_a_double_click_is_two(host: Host, mouse: Mouse) -> None:
    act(mouse, x=0.5, y=0.5, double_click="left")
    assert [report.buttons for report in host.reports] == [0, LEFT, 0, LEFT, 0]
    assert {(report.x, report.y) for report in host.reports} == {(16384, 16384)}


def test_the_order_in_an_event(host: Host, mouse: Mouse) -> None:
    act(mouse, x=0, y=0, buttons=["left"], click="right", wheel=1, hwheel=-2)
    assert host.reports == [
        absolute(0, 0, 0),
        absolute(LEFT, 0, 0),
        absolute(LEFT | RIGHT, 0, 0),
        absolute(LEFT, 0, 0),
        absolute(LEFT, 0, 0, 1, -2),
    ]


def test_a_click_of_a_held_button_leaves_it_held(host: Host, mouse: Mouse) -> None:
    act(mouse, buttons=["left"])
    act(mouse, click="left")
    assert [report.buttons for report in host.reports] == [LEFT, LEFT, 0, LEFT]


def test_wheels_turn_further_than_a_report_holds(host: Host, mouse: Mouse) -> None:
    act(mouse, wheel=-200, hwheel=1)
    assert [(report.wheel, report.hwheel) for report in host.reports] == [(-127, 1), (-73, 0)]


def test_a_drag(host: Host, mouse: Mouse) -> None:
    act(mouse, x=0, y=0, buttons=["left"])
    act(mouse, x=1, y=1)
    act(mouse, buttons=[])
    end = (COORDINATE_MAX, COORDINATE_MAX)
    assert host.reports == [absolute(0, 0, 0), absolute(LEFT, 0, 0), absolute(LEFT, *end), absolute(0, *end)]


def test_what_does_not_move_is_for_the_mouse_that_moved_last(host: Host, mouse: Mouse) -> None:
    act(mouse, click="left")
    assert {type(report) for report in host.reports} == {RelativeMouseReport}, "it makes no pointer jump"
    act(mouse, x=0.5, y=0.5)
    act(mouse, wheel=1)
    assert host.reports[-1] == absolute(0, 16384, 16384, 1)
    act(mouse, dx=1)
    act(mouse, wheel=1)
    assert host.reports[-1] == RelativeMouseReport(wheel=1)


def test_a_button_that_is_held_goes_over_to_the_other_mouse_without_a_gap(host: Host, mouse: Mouse) -> None:
    act(mouse, x=0, y=0, buttons=["left"])
    act(mouse, dx=1)
    assert host.reports[2:] == [RelativeMouseReport(LEFT), absolute(0, 0, 0), RelativeMouseReport(LEFT, 1)]
    act(mouse, x=1, y=1)
    end = absolute(LEFT, COORDINATE_MAX, COORDINATE_MAX)
    assert host.reports[5:] == [end, RelativeMouseReport(0), end], "it jumps to no place where it was before"
    act(mouse, buttons=[])
    assert host.buttons() == 0


def test_holding_the_same_again_sends_nothing(host: Host, mouse: Mouse) -> None:
    act(mouse, buttons=["left"])
    act(mouse, buttons=["left"])
    assert len(host.reports) == 1


def test_a_button_that_two_hold_is_down_until_both_let_go(host: Host, mouse: Mouse) -> None:
    act(mouse, "one", buttons=["left"])
    act(mouse, "two", buttons=["left", "right"])
    act(mouse, "one", buttons=[])
    assert host.buttons() == LEFT | RIGHT
    mouse.release_all("two")
    assert host.buttons() == 0


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "nothing to do"),
        ({"x": 0.5}, "x and y go together"),
        ({"y": 0.5}, "x and y go together"),
        ({"x": 0, "y": 0, "dx": 1}, "one of them, not both"),
        ({"click": "left", "double_click": "left"}, "click or double_click, not both"),
    ],
)
def test_what_makes_no_sense_is_refused(host: Host, mouse: Mouse, event: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        act(mouse, **event)
    assert not host.reports


@pytest.mark.parametrize(
    ("able", "event", "message"),
    [
        (Capability.RELATIVE_MOUSE, {"x": 0, "y": 0}, "no absolute mouse; it has: relative mouse"),
        (Capability.ABSOLUTE_MOUSE, {"dx": 1}, "no relative mouse; it has: absolute mouse"),
        (Capability.KEYBOARD, {"click": "left"}, "no relative mouse; it has: keyboard"),
    ],
)
def test_what_the_hardware_lacks_is_told(
    host: Host, mouse: Mouse, able: Capability, event: dict[str, Any], message: str
) -> None:
    host.able = able
    with pytest.raises(Unsupported, match=message):
        act(mouse, **event)
    assert not host.reports


def test_an_absolute_mouse_alone_clicks_too(host: Host, mouse: Mouse) -> None:
    host.able = Capability.ABSOLUTE_MOUSE
    act(mouse, click="left")
    assert [report.buttons for report in host.reports] == [LEFT, 0]


def test_a_press_that_fails_is_not_held(host: Host, mouse: Mouse) -> None:
    host.refusals = 1
    with pytest.raises(HidOffline, match="the host sleeps"):
        act(mouse, buttons=["left"])
    mouse.expire()
    assert [report.buttons for report in host.reports] == [0], "the host may have seen it all the same"
    mouse.expire()
    assert len(host.reports) == 1


def test_a_release_that_fails_is_made_up_for(host: Host, mouse: Mouse) -> None:
    act(mouse, buttons=["left"])
    host.refusals = 2
    with pytest.raises(HidOffline):
        act(mouse, buttons=[])
    mouse.expire()
    assert host.buttons() == LEFT
    mouse.expire()
    assert host.buttons() == 0


def test_the_first_failure_is_told_and_the_rest_is_done(host: Host, mouse: Mouse) -> None:
    host.refusals = 1
    with pytest.raises(HidOffline):
        act(mouse, dx=200)
    assert host.reports == [RelativeMouseReport(0, 73)]


def test_the_buttons_of_clients_that_are_gone_are_released(
    host: Host, mouse: Mouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(mouse, "gone", buttons=["left"])
    act(mouse, "silent", buttons=["right"])
    host.gone.add("gone")
    mouse.expire()
    assert host.buttons() == RIGHT
    monkeypatch.setattr(mouse._holders, "_timeout", -1)
    mouse.expire()
    assert host.buttons() == 0


def test_reset_releases_what_is_held_and_sends_nothing_else(host: Host, mouse: Mouse) -> None:
    mouse.reset()
    assert not host.reports
    act(mouse, buttons=["left"])
    mouse.reset()
    assert host.buttons() == 0
    assert len(host.reports) == 2


def test_a_closed_mouse_releases_all_and_refuses_the_rest(host: Host, mouse: Mouse) -> None:
    act(mouse, buttons=["left"])
    mouse.close()
    assert host.buttons() == 0
    with pytest.raises(HidOffline, match="the daemon is stopping"):
        act(mouse, click="left")


@pytest.mark.parametrize("seed", range(10))
def test_what_is_down_is_always_the_union_of_what_clients_hold(host: Host, mouse: Mouse, seed: int) -> None:
    dice = random.Random(seed)
    held: dict[str, list[Button]] = {}
    place, travelled = (0.0, 0.0), [0, 0]
    for _ in range(200):
        client = dice.choice(["one", "two", "three"])
        event: dict[str, Any] = {}
        if dice.random() < 0.5:
            held[client] = dice.sample(list(Button), dice.randint(0, 3))
            event["buttons"] = [button.value for button in held[client]]
        if dice.random() < 0.5:
            place = dice.random(), dice.random()
            event |= {"x": place[0], "y": place[1]}
        else:
            dx, dy = dice.randint(-500, 500), dice.randint(-500, 500)
            event |= {"dx": dx, "dy": dy}
            travelled = [travelled[0] + dx, travelled[1] + dy]
        act(mouse, client, **event)
        assert host.buttons() == sum(button.mask for button in set().union(*held.values()))
    places = [report for report in host.reports if isinstance(report, AbsoluteMouseReport)]
    steps = [report for report in host.reports if isinstance(report, RelativeMouseReport)]
    assert (places[-1].x, places[-1].y) == tuple(round(part * COORDINATE_MAX) for part in place)
    assert [sum(step.dx for step in steps), sum(step.dy for step in steps)] == travelled


def test_buttons_have_the_bits_of_the_report() -> None:
    assert [button.mask for button in Button] == [1, 2, 4, 8, 16]
    assert COORDINATE_MAX == 32767
