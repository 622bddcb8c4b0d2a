"""Fingers on the page, in a real browser: what they do in the picture, as on a trackpad, and to the picture itself."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright import sync_api as playwright

from kvmd.access.grant import UserRole
from kvmd.contract.hid import AbsoluteMouseReport, Capability, RelativeMouseReport, Report
from kvmd_drivers.virtual import VirtualHid
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import is_at, log_in, on_screen, open_panel, opened, pointer, text_of, wait_for_stream
from tests.waiting import eventually

LONG = 700
"""Milliseconds after which a press is long."""
SHORT = 500
"""Milliseconds before which it is not."""
LOOKS = 3500
"""Milliseconds in which the jiggler looks more than once."""
MOUSE = (AbsoluteMouseReport, RelativeMouseReport)
PHONE: playwright.ViewportSize = {"width": 390, "height": 844}

Place = tuple[float, float]


class Hand:
    """Fingers on the page, as a touchscreen tells of them."""

    def __init__(self, page: playwright.Page) -> None:
        self._page = page
        self._tool = page.context.new_cdp_session(page)
        self._tool.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
        self._down: list[Place] = []

    def press(self, *places: Place) -> None:
        """Put fingers down, one after the other."""
        for place in places:
            self._down.append(place)
            self._send("touchStart")

    def move(self, *places: Place, steps: int = 1) -> None:
        """Move all fingers to these places."""
        starts = self._down
        for step in range(1, steps + 1):
            self._down = [
                (x + (to_x - x) * step / steps, y + (to_y - y) * step / steps)
                for (x, y), (to_x, to_y) in zip(starts, places, strict=True)
            ]
            self._send("touchMove")

    def lift(self) -> None:
        """Lift all fingers; the protocol has no way to lift one of them."""
        self._down = []
        self._send("touchEnd")

    def drag(self, start: Place, to: Place, steps: int) -> None:
        """Put a finger down and move it, again until this machine is fast enough for that not to be a long press."""

        def begins() -> bool:
            began = time.monotonic()
            self.press(start)
            self.wait(150)
            self.move((start[0] + (to[0] - start[0]) / steps, start[1] + (to[1] - start[1]) / steps))
            if is_short := (time.monotonic() - began) * 1000 < SHORT:
                self.move(to, steps=steps - 1)
            else:
                self.cancel()
            return is_short

        eventually(begins, "a drag that this machine is fast enough for")

    def tap(self, *places: Place) -> None:
        self.press(*places)
        self.lift()

    def wait(self, milliseconds: int) -> None:
        self._page.wait_for_timeout(milliseconds)

    def cancel(self) -> None:
        """Have the system take the fingers for itself."""
        self._down = []
        self._send("touchCancel")

    def _send(self, kind: str) -> None:
        points: list[dict[str, Any]] = [{"id": number, "x": x, "y": y} for number, (x, y) in enumerate(self._down)]
        self._tool.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def hand(console: playwright.Page) -> Hand:
    return Hand(console)


@pytest.fixture
def reports(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """What the computer takes from now on."""
    taken: list[Report] = []
    take = daemon.computer.take

    def note(report: Report) -> None:
        taken.append(report)
        take(report)

    monkeypatch.setattr(daemon.computer, "take", note)
    return taken


@pytest.fixture
def trackpad(console: playwright.Page, daemon: Daemon) -> Iterator[None]:
    """Have the screen be a trackpad, and the pointer in the middle."""
    console.mouse.move(*on_screen(console, 640, 360))
    eventually(lambda: is_at(daemon, 640, 360), "the middle")
    set_pref(console, "trackpad", True)
    yield
    set_pref(console, "trackpad", False)


def set_pref(page: playwright.Page, name: str, value: object) -> None:
    page.evaluate(
        "async ([name, value]) => (await import('/static/prefs.js')).setPref(name, value)",
        [name, value],
    )


def buttons(reports: list[Report]) -> list[int]:
    """The buttons that are down, each time that they change."""
    masks = [report.buttons for report in reports if isinstance(report, MOUSE)]
    return [mask for mask, before in zip(masks, [0, *masks], strict=False) if mask != before]


def await_buttons(reports: list[Report], *masks: int) -> None:
    eventually(lambda: buttons(reports) == list(masks), f"the buttons {masks}")


def after_all(page: playwright.Page, daemon: Daemon) -> None:
    """Wait until everything before has arrived: a key comes after it."""
    letter = "B" if daemon.computer.state().keys[-1:] == ("A",) else "A"
    page.keyboard.press(f"Key{letter}")
    eventually(lambda: daemon.computer.state().keys[-1:] == (letter,), "the key after it")
    eventually(lambda: daemon.down() == (0, ()), "its release")


def picture(page: playwright.Page) -> tuple[float, float, float, float]:
    box = page.locator("#stream").bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def test_a_tap_clicks_where_it_is(console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]) -> None:
    hand.tap(on_screen(console, 300, 200))
    eventually(lambda: buttons(reports) == [1, 0], "the click")
    assert is_at(daemon, 300, 200)
    assert next(report.buttons for report in reports if isinstance(report, MOUSE)) == 0, "it moves before it clicks"


def test_two_taps_click_at_the_same_place(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    x, y = on_screen(console, 300, 200)

    def tap_twice() -> bool:
        reports.clear()
        hand.wait(LONG)
        hand.tap((x, y))
        hand.tap((x + 8, y + 5))
        eventually(lambda: buttons(reports) == [1, 0, 1, 0], "both clicks")
        return is_at(daemon, 300, 200)

    eventually(tap_twice, "two taps that this machine is fast enough for")


def test_a_long_press_is_the_right_button(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    hand.press(on_screen(console, 500, 300))
    eventually(lambda: buttons(reports) == [2, 0], "the right button, while the finger is still down")
    assert is_at(daemon, 500, 300)
    hand.move(on_screen(console, 560, 360), steps=4)
    eventually(lambda: is_at(daemon, 560, 360), "the pointer to go along, in the menu")
    hand.lift()
    after_all(console, daemon)
    assert buttons(reports) == [2, 0], "no click follows"


def test_a_drag_drags(console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]) -> None:
    hand.drag(on_screen(console, 100, 100), on_screen(console, 900, 500), steps=10)
    eventually(lambda: pointer(daemon).buttons == 1 and is_at(daemon, 900, 500), "the drag")
    hand.lift()
    eventually(lambda: buttons(reports)[-2:] == [1, 0], "its end")
    first = next(report for report in reports if isinstance(report, AbsoluteMouseReport) and report.buttons == 1)
    assert abs(first.x / 32767 * 1279 - 100) <= 1, "the button goes down where the finger did"


def test_a_fast_drag_is_one_too(console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]) -> None:
    hand.press(on_screen(console, 100, 100))
    hand.move(on_screen(console, 700, 400))
    hand.lift()
    eventually(lambda: buttons(reports) == [1, 0] and is_at(daemon, 700, 400), "the drag")


def test_a_second_finger_leaves_no_button_pressed(console: playwright.Page, hand: Hand, daemon: Daemon) -> None:
    hand.drag(on_screen(console, 300, 300), on_screen(console, 400, 300), steps=3)
    eventually(lambda: pointer(daemon).buttons == 1 and is_at(daemon, 400, 300), "the drag")
    hand.press(on_screen(console, 700, 300))
    hand.move(on_screen(console, 400, 300), on_screen(console, 800, 500), steps=3)
    after_all(console, daemon)
    assert pointer(daemon).buttons == 1
    assert is_at(daemon, 400, 300), "the drag is the first finger's"
    hand.lift()
    eventually(lambda: not pointer(daemon).buttons, "the release")


def test_what_the_system_takes_for_itself_lets_go(console: playwright.Page, hand: Hand, daemon: Daemon) -> None:
    hand.drag(on_screen(console, 300, 300), on_screen(console, 400, 300), steps=3)
    eventually(lambda: pointer(daemon).buttons == 1, "the drag")
    hand.cancel()
    eventually(lambda: not pointer(daemon).buttons, "the release")


def test_two_fingers_scroll_both_ways(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    before = pointer(daemon)
    (x, y), (x2, y2) = on_screen(console, 300, 300), on_screen(console, 400, 300)
    hand.press((x, y), (x2, y2))
    hand.move((x, y - 120), (x2, y2 - 120), steps=6)
    hand.lift()
    hand.press((x, y), (x2, y2))
    hand.move((x - 80, y), (x2 - 80, y2), steps=6)
    hand.lift()
    eventually(lambda: pointer(daemon).hwheel - before.hwheel == 2, "to the right, as the fingers go to the left")
    assert pointer(daemon).wheel - before.wheel == -3, "down, as the fingers go up"
    assert buttons(reports) == []
    assert 300 <= pointer(daemon).x <= 400, "what is scrolled is beneath the fingers"


def test_taps_of_several_fingers(console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]) -> None:
    for fingers, mask in ((2, 2), (3, 4)):
        reports.clear()
        hand.tap(*(on_screen(console, 300 + 100 * number, 300) for number in range(fingers)))
        await_buttons(reports, mask, 0)
        assert is_at(daemon, 300, 300)


def test_a_pinch_zooms_and_places_stay_right(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    _, _, width, _ = picture(console)
    place = on_screen(console, 640, 360)
    left, right = (place[0] - 60, place[1]), (place[0] + 60, place[1])
    hand.press(left, right)
    hand.move((left[0] - 120, left[1]), (right[0] + 120, right[1]), steps=6)
    hand.lift()
    eventually(lambda: 2.5 < picture(console)[2] / width < 3.2, "the picture three times as large")
    assert reports == [], "which is none of the computer's business"
    middle = on_screen(console, 640, 360)
    assert abs(middle[0] - place[0]) < 12, "what was between the fingers is there still"
    hand.tap(on_screen(console, 600, 340))
    eventually(lambda: buttons(reports) == [1, 0] and is_at(daemon, 600, 340), "the tap in the larger picture")
    x, y, *_ = picture(console)
    hand.press(left, right)
    hand.move((left[0] + 50, left[1] + 30), (right[0] + 50, right[1] + 30), steps=5)
    hand.lift()
    eventually(lambda: picture(console)[:2] == pytest.approx((x + 50, y + 30), abs=2), "the pan")
    console.get_by_role("button", name="Whole picture").click()
    assert picture(console)[2] == width


def test_a_pan_ends_at_the_pictures_edge(console: playwright.Page, hand: Hand) -> None:
    place = on_screen(console, 640, 360)
    box = console.locator("#screen").bounding_box()
    assert box is not None
    left, right = (place[0] - 60, place[1]), (place[0] + 60, place[1])
    hand.press(left, right)
    hand.move((left[0] - 60, left[1]), (right[0] + 60, right[1]), steps=6)
    hand.move((left[0] + 540, left[1]), (right[0] + 660, right[1]), steps=6)
    eventually(lambda: picture(console)[0] == pytest.approx(box["x"] + 2, abs=1), "the edge of both")
    hand.lift()


def test_a_pinch_on_a_trackpad_zooms_and_ctrl_with_the_wheel_is_the_computers(
    console: playwright.Page, daemon: Daemon
) -> None:
    _, _, width, _ = picture(console)
    console.mouse.move(*on_screen(console, 1200, 700))
    turn = (
        "(ctrlKey) => document.getElementById('stream').dispatchEvent(new WheelEvent('wheel',"
        " {deltaY: -100, ctrlKey, clientX: 700, clientY: 400, bubbles: true, cancelable: true}))"
    )
    before = pointer(daemon).wheel
    assert console.evaluate(turn, True) is False, "the page does not zoom"
    assert picture(console)[2] > 2 * width
    box = console.locator("#screen").bounding_box()
    assert box is not None
    for x, y in ((0, 0), (1279, 719)):
        right, down = x and box["width"] - 6, y and box["height"] - 6
        console.mouse.move(box["x"] + 3 + right, box["y"] + 3 + down)
        await_near(daemon, x, y)
    console.keyboard.down("ControlLeft")
    console.evaluate(turn, True)
    eventually(lambda: pointer(daemon).wheel - before == 1, "the wheel, with Ctrl")
    console.keyboard.up("ControlLeft")


def await_near(daemon: Daemon, x: int, y: int) -> None:
    eventually(
        lambda: abs(pointer(daemon).x - x) <= 8 and abs(pointer(daemon).y - y) <= 8,
        f"the pointer to come near {(x, y)}",
    )


@pytest.mark.usefixtures("trackpad")
def test_a_trackpad_moves_from_where_the_pointer_is(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    console.set_viewport_size(PHONE)
    _, top, width, height = picture(console)
    below = (150.0, top + height + 120)
    before = pointer(daemon)
    hand.press(below)
    hand.move((below[0] + 60, below[1] + 30), steps=6)
    hand.lift()
    far = 60 * 1280 / width
    eventually(lambda: abs(pointer(daemon).x - before.x - far) <= 2, "the pointer as far as the finger")
    assert abs(pointer(daemon).y - before.y - far / 2) <= 2
    assert all(isinstance(report, RelativeMouseReport) for report in reports)
    hand.tap(below)
    hand.tap(below, (below[0] + 60, below[1]))
    eventually(lambda: buttons(reports) == [1, 0, 2, 0], "a tap, and one of two fingers")


@pytest.mark.usefixtures("trackpad")
def test_a_trackpad_drags_after_a_long_press(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    x, y = on_screen(console, 600, 300)
    hand.press((x, y))
    eventually(lambda: pointer(daemon).buttons == 1, "the button, after a while")
    before = pointer(daemon).x
    hand.move((x + 50, y), steps=4)
    eventually(lambda: pointer(daemon).x > before, "the drag")
    assert pointer(daemon).buttons == 1
    hand.lift()
    eventually(lambda: not pointer(daemon).buttons, "its end")
    assert set(buttons(reports)) == {0, 1}


@pytest.mark.usefixtures("trackpad")
def test_a_finger_that_moves_on_a_trackpad_may_still_be_one_of_two(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    (x, y), (x2, y2) = on_screen(console, 500, 500), on_screen(console, 600, 500)
    before = pointer(daemon).wheel
    hand.press((x, y))
    hand.move((x, y - 30), steps=3)
    hand.press((x2, y2 - 30))
    hand.move((x, y - 150), (x2, y2 - 150), steps=6)
    hand.lift()
    eventually(lambda: pointer(daemon).wheel - before == -3, "the scrolling")
    after_all(console, daemon)
    assert buttons(reports) == []


@pytest.mark.usefixtures("trackpad")
def test_without_a_relative_mouse_a_trackpad_has_a_place_of_its_own(
    console: playwright.Page, hand: Hand, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.mouse.move(*on_screen(console, 400, 300))
    eventually(lambda: is_at(daemon, 400, 300), "the start")
    monkeypatch.setattr(VirtualHid, "capabilities", Capability.KEYBOARD | Capability.ABSOLUTE_MOUSE)
    open_panel(console, "Mouse")
    console.locator("#capture-mouse").wait_for(state="hidden")
    (x, y), (to_x, to_y) = on_screen(console, 800, 500), on_screen(console, 900, 550)
    hand.press((x, y))
    hand.move((to_x, to_y), steps=5)
    hand.lift()
    eventually(lambda: is_at(daemon, 500, 350), f"as far from there, it is at {pointer(daemon)}")


def test_the_buttons_below_the_screen_are_held_while_a_finger_is_on_them(
    console: playwright.Page, hand: Hand, reports: list[Report]
) -> None:
    console.set_viewport_size(PHONE)
    for name, mask in (("Left", 1), ("Middle", 4), ("Right", 2)):
        box = console.locator("#mouse-buttons").get_by_text(name, exact=True).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40
        reports.clear()
        hand.press((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
        await_buttons(reports, mask)
        assert console.evaluate("document.activeElement.id") == "screen"
        hand.lift()
        await_buttons(reports, mask, 0)
    console.locator("#trackpad").click()
    assert console.locator("#trackpad").get_attribute("aria-pressed") == "true"
    console.locator("#hint", has_text="Trackpad").wait_for()


@pytest.mark.usefixtures("trackpad")
def test_a_button_below_and_a_finger_above_drag_together(
    console: playwright.Page, hand: Hand, daemon: Daemon, reports: list[Report]
) -> None:
    console.set_viewport_size(PHONE)
    box = console.locator("#mouse-buttons").get_by_text("Left", exact=True).bounding_box()
    assert box is not None
    _, top, _, height = picture(console)
    left, above = (box["x"] + 20, box["y"] + 20), (150.0, top + height + 60)
    hand.press(left)
    eventually(lambda: pointer(daemon).buttons == 1, "the button")
    before = pointer(daemon).x
    hand.press(above)
    hand.move(left, (above[0] + 80, above[1]), steps=5)
    eventually(lambda: pointer(daemon).x > before, "the drag")
    assert pointer(daemon).buttons == 1
    hand.lift()
    eventually(lambda: not pointer(daemon).buttons, "its end")
    assert set(buttons(reports)) == {0, 1}


def test_a_viewer_zooms_and_points_at_nothing(
    browser: playwright.Browser, daemon: Daemon, reports: list[Report]
) -> None:
    daemon.kvm.auth.credentials.add_user("victor", PASSWORD, UserRole.VIEWER)
    with opened(browser, daemon) as page:
        page.locator("input[name=username]").fill("victor")
        log_in(page, PASSWORD)
        wait_for_stream(page)
        hand = Hand(page)
        _, _, width, _ = picture(page)
        (x, y), (x2, y2) = on_screen(page, 600, 300), on_screen(page, 700, 300)
        hand.tap((x, y))
        hand.press((x, y), (x2, y2))
        hand.move((x - 100, y), (x2 + 100, y2), steps=5)
        hand.lift()
        eventually(lambda: picture(page)[2] > 1.5 * width, "the larger picture")
        assert page.locator("#mouse-buttons").is_hidden()
        assert text_of(page, "#problem") == ""
    assert reports == []


def option(page: playwright.Page, label: str) -> playwright.Locator:
    return page.locator("#panel-body").get_by_label(label)


@pytest.fixture
def _as_before(console: playwright.Page) -> Iterator[None]:
    yield
    console.evaluate("localStorage.clear()")


@pytest.mark.usefixtures("_as_before")
def test_the_wheels_speed_and_direction_are_options(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Mouse")
    console.locator("input[name=scroll_speed]").fill("1")
    option(console, "The other way round").check()
    console.mouse.move(*on_screen(console, 200, 200))
    before = pointer(daemon).wheel
    console.mouse.wheel(0, 100)
    eventually(lambda: pointer(daemon).wheel - before == 2, "twice as far, and up")


@pytest.mark.usefixtures("_as_before")
def test_the_local_pointer_is_an_option_that_is_kept(console: playwright.Page) -> None:
    cursor = "getComputedStyle(document.getElementById('stream')).cursor"
    assert console.evaluate(cursor) == "crosshair"
    open_panel(console, "Mouse")
    for name, wanted in (("hidden", "none"), ("arrow", "default")):
        option(console, "Pointer of this browser").select_option(name)
        assert console.evaluate(cursor) == wanted
    console.reload()
    console.locator("#console").wait_for(state="visible")
    assert console.evaluate(cursor) == "default"


@pytest.mark.usefixtures("_as_before")
def test_a_relative_mouse_is_a_choice_where_there_are_both(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Mouse")
    option(console, "Mode").select_option("relative")
    console.locator("#hint", has_text="capture the mouse").wait_for()
    before = pointer(daemon)
    console.mouse.move(*on_screen(console, 900, 600))
    after_all_focused(console, daemon)
    assert pointer(daemon) == before, "it does not follow"
    console.mouse.click(*on_screen(console, 640, 360))
    console.wait_for_function("document.pointerLockElement?.id === 'screen'")
    console.locator("input[name=mouse_speed]").fill("1")
    console.evaluate(
        "document.getElementById('screen').dispatchEvent(new PointerEvent('pointermove',"
        " {movementX: 30, movementY: -20, bubbles: true, cancelable: true}))"
    )
    eventually(lambda: pointer(daemon).x - before.x == 60, "twice the way")
    console.evaluate("document.exitPointerLock()")


def after_all_focused(page: playwright.Page, daemon: Daemon) -> None:
    page.locator("#screen").focus()
    after_all(page, daemon)


@pytest.mark.usefixtures("_as_before")
def test_the_jiggler_moves_when_nobody_has_for_a_while(console: playwright.Page, reports: list[Report]) -> None:
    open_panel(console, "Mouse")
    assert console.locator("#jiggles").is_hidden()
    option(console, "Move the mouse by a pixel and back").select_option("300")
    console.locator("#jiggles", has_text="Jiggler is on").wait_for()
    console.wait_for_timeout(LOOKS)
    assert reports == [], "nobody has been away for that long"
    set_pref(console, "jiggle", 1)
    eventually(lambda: len(reports) >= 2, "there and back")
    assert reports[:2] == [RelativeMouseReport(0, 1, 0), RelativeMouseReport(0, -1, 0)]


@pytest.mark.usefixtures("_as_before")
def test_the_jiggler_does_not_move_what_is_held(
    console: playwright.Page, daemon: Daemon, reports: list[Report]
) -> None:
    console.mouse.move(*on_screen(console, 300, 300))
    console.mouse.down()
    eventually(lambda: pointer(daemon).buttons == 1 and is_at(daemon, 300, 300), "the press")
    count = len(reports)
    set_pref(console, "jiggle", 1)
    console.wait_for_timeout(LOOKS)
    assert len(reports) == count, "the drag is left alone"
    console.mouse.up()
    eventually(lambda: isinstance(reports[-1], RelativeMouseReport), "the jiggle, once it has ended")
