"""From HTTP to the computer: what /mouse is asked for, and media and power keys, at the host of a real USB gadget."""

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kvmd.input.keymap import MEDIA_KEYS, POWER_KEYS

from .daemon import Answer, Daemon
from .dummy_hcd import DummyHcd
from .host_input import EV_ABS, EV_KEY, HostInput, HostKeyboard, HostMouse, Input, has_media_keys, has_power_keys
from .typist import NAME, hid, presses, tap, wait_until_online
from .waiting import eventually, patience, run

FAR = 32767
# linux/input-event-codes.h
ABS_X, ABS_Y, REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0, 1, 0, 1, 6, 8
BUTTONS = {"left": 0x110, "right": 0x111, "middle": 0x112, "back": 0x113, "forward": 0x114}
USBHID = Path("/sys/bus/usb/drivers/usbhid")
RELATIVE_MOUSE = "02"
"""bInterfaceProtocol of the relative mouse, which is the only mouse that firmware would ask."""

Mouse = Callable[[str, bool], HostMouse]
Keyboard = Callable[..., HostKeyboard]
Keys = Callable[..., HostInput]


def ask(daemon: Daemon, **event: Any) -> Answer:
    return daemon.request("POST", "/mouse", event)


def point(daemon: Daemon, **event: Any) -> None:
    answer = ask(daemon, **event)
    assert answer.code == 200, (event, answer)
    assert answer.json == {"status": 1, "info": "mouse input success", "data": []}


def edges(*buttons: tuple[str, int]) -> list[tuple[int, int]]:
    return [(BUTTONS[name], value) for name, value in buttons]


@pytest.fixture
def absolute(typist: Daemon, host_mouse: Mouse) -> HostMouse:
    """The absolute mouse, in use and at a place where no test begins."""
    mouse = host_mouse(NAME, True)
    point(typist, x=0.125, y=0.375)
    eventually(lambda: mouse.place() == (4096, 12288), "the pointer at its place")
    mouse.clear()
    return mouse


@pytest.fixture
def relative(typist: Daemon, host_mouse: Mouse) -> HostMouse:
    """The relative mouse, in use."""
    mouse = host_mouse(NAME, False)
    point(typist, dx=1)
    eventually(mouse.events, "the first step")
    mouse.clear()
    return mouse


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.25), (1 / 3, 2 / 3), (0.99999, 0.00001)])
def test_places_arrive_within_one_step(typist: Daemon, absolute: HostMouse, place: tuple[float, float]) -> None:
    point(typist, x=place[0], y=place[1])
    eventually(absolute.events, "the move")
    assert absolute.device.absinfo(ABS_X).max == absolute.device.absinfo(ABS_Y).max == FAR
    for value, fraction in zip(absolute.place(), place, strict=True):
        assert abs(value - fraction * FAR) <= 1


@pytest.mark.parametrize(("dx", "dy"), [(-5, 7), (1000, -700), (-127, 128), (FAR, 0), (3, -FAR)])
def test_steps_arrive_and_those_larger_than_a_report_sum_up(
    typist: Daemon, relative: HostMouse, dx: int, dy: int
) -> None:
    point(typist, dx=dx, dy=dy)
    eventually(lambda: (relative.travelled(REL_X), relative.travelled(REL_Y)) == (dx, dy), f"{dx}, {dy} steps")
    assert all(abs(event.value) <= 127 for event in relative.events())


def holds(mouse: HostMouse, code: int) -> bool:
    return mouse.held() == {code}


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_five_buttons(typist: Daemon, request: pytest.FixtureRequest, kind: str) -> None:
    mouse: HostMouse = request.getfixturevalue(kind)
    for name, code in BUTTONS.items():
        mouse.clear()
        point(typist, buttons=[name])
        eventually(partial(holds, mouse, code), f"{name} down")
        point(typist, buttons=[])
        mouse.wait_for((code, 1), (code, 0))
    point(typist, buttons=list(BUTTONS))
    eventually(lambda: mouse.held() == set(BUTTONS.values()), "all five down")
    point(typist, buttons=["middle"])
    eventually(lambda: mouse.held() == {BUTTONS["middle"]}, "all but the middle one up")
    point(typist, buttons=[])
    eventually(lambda: not mouse.held(), "all up")


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_both_wheels(typist: Daemon, request: pytest.FixtureRequest, kind: str) -> None:
    mouse: HostMouse = request.getfixturevalue(kind)
    for wheel, hwheel in ((1, 0), (-3, 0), (0, 1), (0, -2), (300, -200)):
        mouse.clear()
        point(typist, wheel=wheel, hwheel=hwheel)
        eventually(partial(_turned, mouse, wheel, hwheel), f"{wheel}, {hwheel} notches")
    assert not [event for event in mouse.events() if event.type == EV_ABS], "a wheel moves no pointer"


def _turned(mouse: HostMouse, wheel: int, hwheel: int) -> bool:
    return (mouse.travelled(REL_WHEEL), mouse.travelled(REL_HWHEEL)) == (wheel, hwheel)


def test_a_click_comes_after_the_move_and_a_double_click_is_two(typist: Daemon, absolute: HostMouse) -> None:
    point(typist, x=0.5, y=0.75, click="right")
    absolute.wait_for(*edges(("right", 1), ("right", 0)))
    kinds = [event.type for event in absolute.events()]
    assert kinds == [EV_ABS, EV_ABS, EV_KEY, EV_KEY]
    absolute.clear()
    point(typist, double_click="left")
    absolute.wait_for(*edges(("left", 1), ("left", 0)) * 2)


def test_a_drag_moves_while_the_button_is_down(typist: Daemon, absolute: HostMouse) -> None:
    for event in ({"x": 0, "y": 0, "buttons": ["left"]}, {"x": 0.5, "y": 0.5}, {"x": 1, "y": 1, "buttons": []}):
        point(typist, **event)
    eventually(lambda: len(absolute.presses()) == 2, "the button's two edges")
    [down, up] = [index for index, event in enumerate(absolute.events()) if event.type == EV_KEY]
    places = [event.value for event in absolute.events()[down:up] if event.type == EV_ABS]
    assert places == [round(FAR / 2)] * 2 + [FAR] * 2


def test_a_hundred_random_moves_and_edges_arrive_complete_and_in_order(typist: Daemon, absolute: HostMouse) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    wanted: list[Input] = []
    place, held = [4096, 12288], set[str]()
    for _ in range(100):
        event: dict[str, Any] = {}
        if move := chance.random() < 0.6:
            event |= {"x": chance.random(), "y": chance.random()}
        if not move or chance.random() < 0.5:
            event["buttons"] = chance.sample(list(BUTTONS), chance.randrange(6))
        point(typist, **event)
        wanted += _expected(event, place, held)
    eventually(lambda: len(absolute.events()) >= len(wanted), f"{len(wanted)} events, seed {seed}")
    assert absolute.events() == wanted, f"seed {seed}"
    point(typist, buttons=[])
    eventually(lambda: not absolute.held(), "all up")


def _expected(event: dict[str, Any], place: list[int], held: set[str]) -> Iterator[Input]:
    """What the host makes of an event: first the pointer moves, then the buttons change; what stays is not told."""
    for axis, name in enumerate(("x", "y")):
        value = round(event[name] * FAR) if name in event else place[axis]
        if value != place[axis]:
            yield Input(EV_ABS, axis, value)
            place[axis] = value
    now = set(event.get("buttons", held))
    for name, code in BUTTONS.items():
        if (name in now) != (name in held):
            yield Input(EV_KEY, code, int(name in now))
    held.clear()
    held.update(now)


def test_clicks_are_not_lost_among_the_moves_of_another(typist: Daemon, absolute: HostMouse) -> None:
    stop = threading.Event()

    def wander() -> None:
        while not stop.is_set():
            point(typist, x=random.random(), y=random.random())

    others = [threading.Thread(target=wander) for _ in range(3)]
    for each in others:
        each.start()
    try:
        for name in BUTTONS:
            point(typist, double_click=name)
    finally:
        stop.set()
        for each in others:
            each.join()
    absolute.wait_for(*[edge for name in BUTTONS for edge in edges((name, 1), (name, 0)) * 2])


def test_logging_out_releases_the_buttons(typist: Daemon, absolute: HostMouse) -> None:
    key = typist.token
    typist.login()
    try:
        point(typist, buttons=["left", "back"])
        eventually(lambda: absolute.held() == {BUTTONS["left"], BUTTONS["back"]}, "both down")
        assert typist.request("POST", "/api/logout").code == 200
        eventually(lambda: not absolute.held(), "both up after log-out")
    finally:
        typist.token = key


def test_a_button_moves_from_one_mouse_to_the_other(typist: Daemon, absolute: HostMouse, host_mouse: Mouse) -> None:
    relative = host_mouse(NAME, False)
    point(typist, buttons=["left"])
    eventually(lambda: absolute.held() == {BUTTONS["left"]}, "left down")
    point(typist, dx=5)
    eventually(lambda: relative.held() == {BUTTONS["left"]} and not absolute.held(), "left down on the other")
    point(typist, buttons=[])
    eventually(lambda: not relative.held(), "left up")


@pytest.mark.parametrize(
    ("kind", "names"),
    [(has_media_keys, tuple(MEDIA_KEYS)), (has_power_keys, tuple(POWER_KEYS))],
    ids=["media", "power"],
)
def test_each_media_and_power_key_arrives(
    typist: Daemon, host_input: Keys, kind: Callable[[Path], bool], names: list[str]
) -> None:
    host = host_input(NAME, kind, grab=True)
    for name in names:
        host.clear()
        tap(typist, name)
        host.wait_for(*presses(name))


def test_four_media_keys_and_a_letter_at_once(typist: Daemon, host_input: Keys, host_keyboard: Keyboard) -> None:
    media, keyboard = host_input(NAME, has_media_keys, grab=True), host_keyboard(NAME, grab=True)
    names = list(MEDIA_KEYS)[:4]
    assert typist.request("POST", "/api/keyboard", {"press": [*names, "KeyA"]}).code == 200
    eventually(lambda: media.held() == {MEDIA_KEYS[name].evdev for name in names}, "four media keys down")
    eventually(lambda: keyboard.held() == {30}, "A down")
    assert typist.request("POST", "/api/keyboard", {"release_all": True}).code == 200
    eventually(lambda: not media.held() and not keyboard.held(), "all up")


def test_a_mouse_that_the_host_does_not_ask_leaves_the_keyboard_alone(
    typist: Daemon, relative: HostMouse, host_keyboard: Keyboard, host_mouse: Mouse
) -> None:
    keyboard = host_keyboard(NAME, grab=True)
    [name] = [each.name for each in USBHID.glob("*:*") if _protocol(each) == RELATIVE_MOUSE]
    (USBHID / "unbind").write_text(name)
    assert relative.gone.wait(patience())
    refused = eventually(lambda: _refusal(typist), "a refusal")
    assert "does not ask the relative mouse" in refused
    keyboard.clear()
    tap(typist, "KeyB")
    keyboard.wait_for((48, 1), (48, 0))
    assert hid(typist)["state"] == "online"
    (USBHID / "bind").write_text(name)
    host_mouse(NAME, False)  # a host asks the mice that a program has open
    eventually(lambda: ask(typist, dx=1).code == 200, "the mouse being asked again")


def _protocol(interface: Path) -> str:
    return (interface / "bInterfaceProtocol").read_text().strip()


def _refusal(daemon: Daemon) -> str:
    """Why a step is not taken; the controller has room for one that is never asked for."""
    answer = ask(daemon, dx=1)
    return str(answer.json["info"]) if answer.code == 503 else ""


def test_what_the_gadget_lacks_is_refused_with_the_reason(
    typist: Daemon, controller: DummyHcd, host_mouse: Mouse
) -> None:
    run("kvmd", "gadget", "up", "--without=relative", "--without=media")
    able = ["keyboard", "absolute_mouse", "leds"]
    eventually(lambda: hid(typist)["capabilities"] == able, "a gadget with less")
    wait_until_online(typist)
    answer = ask(typist, dx=1, dy=1)
    assert (answer.code, answer.json["status"]) == (409, 0)
    assert answer.json["info"] == "the device in use has no relative mouse; it has: keyboard, absolute mouse, leds"
    answer = typist.request("POST", "/keyboard", {"keycodes": ["MediaPlayPause"]})
    assert answer.code == 409
    assert answer.json["info"] == "MediaPlayPause cannot be pressed: the device in use has no media keys"
    remarks = [remark.partition(":")[0] for remark in hid(typist)["remarks"]]
    assert remarks == ["no relative mouse", "no media and power keys"]
    host_mouse(NAME, True)  # Linux asks a mouse only while somebody reads it
    point(typist, x=0.5, y=0.5, click="left")
    tap(typist, "AudioVolumeMute")
    assert controller.state() == "configured"
    run("kvmd", "gadget", "up")
    eventually(lambda: "relative_mouse" in hid(typist)["capabilities"], "the whole gadget again")
    wait_until_online(typist)
    assert hid(typist)["remarks"] == []


def test_a_silent_client_holds_neither_a_button_nor_a_media_key(
    typist: Daemon, host_mouse: Mouse, host_input: Keys
) -> None:
    typist.start("[hid]\nhold_timeout = 1\n")
    wait_until_online(typist)
    mouse, media = host_mouse(NAME, False), host_input(NAME, has_media_keys, grab=True)
    point(typist, dx=1, buttons=["right"])
    assert typist.request("POST", "/api/keyboard", {"press": ["MediaPlay"]}).code == 200
    mouse.wait_for(*edges(("right", 1), ("right", 0)))
    media.wait_for(*presses("MediaPlay"))
