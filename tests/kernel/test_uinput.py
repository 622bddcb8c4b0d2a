"""The uinput driver on the real /dev/uinput: what it sends comes out of evdev, and lamps come back."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kvmd import (
    AbsoluteMouseReport,
    ConsumerReport,
    DeviceLost,
    DriverOptions,
    Key,
    KeyboardReport,
    Leds,
    Page,
    RelativeMouseReport,
    Report,
    SystemReport,
    keys_of,
)
from kvmd.testing import HidConformance
from kvmd_drivers.uinput import BUTTONS, Uinput

from .daemon import Daemon
from .host_input import EV_REL, INPUTS, HostKeyboard, HostMouse, Input
from .units import kvmd_in_group
from .waiting import eventually, patience, run, settle

KEYBOARD = "kvmd keyboard"
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0, 1, 6, 8
LED_NUML, LED_CAPSL, LED_SCROLLL = 0, 1, 2
ALT, DELETE = 56, 111

Host = Callable[..., HostKeyboard]
Mouse = Callable[..., HostMouse]


def new() -> Uinput:
    return Uinput(DriverOptions(), None)


class TestUinput(HidConformance):
    lock_key = 0x39  # the guest's own console answers it
    # host and device are the machine that the driver runs on; None is how pytest is told of no test
    test_host_lost_and_back = test_host_is_waited_for = None  # type: ignore[assignment]
    test_open_without_the_device = test_device_lost_and_back = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self) -> Uinput:
        return new()


@pytest.fixture
def driver() -> Iterator[Uinput]:
    """The driver, open."""
    uinput = new()
    uinput.open()
    yield uinput
    uinput.close()


@pytest.fixture
def keyboard(driver: Uinput, host_keyboard: Host) -> HostKeyboard:  # noqa: ARG001  # it makes the keyboard
    return host_keyboard(KEYBOARD, grab=True)


def names() -> set[str]:
    return {path.read_text().strip() for path in INPUTS.glob("input*/name")}


def test_it_makes_three_devices_and_takes_them_away(driver: Uinput) -> None:
    made = {"kvmd keyboard", "kvmd absolute mouse", "kvmd relative mouse"}
    assert made <= names()
    marks = {path.read_text().strip() for path in INPUTS.glob("input*/phys")}
    assert {"kvmd/keyboard", "kvmd/absolute mouse", "kvmd/relative mouse"} <= marks
    driver.close()
    assert not made & names()
    with pytest.raises(DeviceLost):
        driver.send(KeyboardReport())


def test_every_key_of_the_keyboard_page_arrives(driver: Uinput, keyboard: HostKeyboard) -> None:
    arrive(
        driver, keyboard, Page.KEYBOARD, lambda key: KeyboardReport(key.modifier, () if key.modifier else (key.usage,))
    )


def test_every_media_key_arrives(driver: Uinput, keyboard: HostKeyboard) -> None:
    arrive(driver, keyboard, Page.CONSUMER, lambda key: ConsumerReport((key.usage,)))


def test_every_power_key_arrives(driver: Uinput, keyboard: HostKeyboard) -> None:
    arrive(driver, keyboard, Page.SYSTEM, lambda key: SystemReport(key.usage))


def arrive(driver: Uinput, keyboard: HostKeyboard, page: Page, report: Callable[[Key], Report]) -> None:
    """Tap each key of a page, a few at a time: the kernel keeps no more than 64 events for who reads them."""
    keys = list(keys_of(page).values())
    for first in range(0, len(keys), 8):
        some = keys[first : first + 8]
        keyboard.clear()
        for pressed in map(report, some):
            driver.send(pressed)
            driver.send(type(pressed)())
        keyboard.wait_for(*((key.evdev, value) for key in some for value in (1, 0)))


def test_modifiers_are_down_first_and_up_last(driver: Uinput, keyboard: HostKeyboard) -> None:
    driver.send(KeyboardReport(modifiers=0x04, keys=(0x4C,)))
    driver.send(KeyboardReport())
    keyboard.wait_for((ALT, 1), (DELETE, 1), (DELETE, 0), (ALT, 0))


def test_closing_releases_what_is_held(driver: Uinput, keyboard: HostKeyboard) -> None:
    driver.send(KeyboardReport(keys=(4,)))
    eventually(lambda: keyboard.held() == {30}, "A down")
    driver.close()
    assert keyboard.gone.wait(patience())


def is_at(mouse: HostMouse, place: tuple[int, int]) -> bool:
    return mouse.place() == place


def test_absolute_mouse(driver: Uinput, host_mouse: Mouse) -> None:
    mouse = host_mouse("kvmd absolute mouse", absolute=True)
    for place in [(0, 0), (32767, 0), (32767, 32767), (0, 32767), (1, 16384)]:
        driver.send(AbsoluteMouseReport(0, *place))
        eventually(partial(is_at, mouse, place), f"the pointer at {place}")
    driver.send(AbsoluteMouseReport(0, 1, 16384, wheel=-3, hwheel=2))
    mouse.wait_for_all(Input(EV_REL, REL_WHEEL, -3), Input(EV_REL, REL_HWHEEL, 2))


def test_relative_mouse(driver: Uinput, host_mouse: Mouse) -> None:
    mouse = host_mouse("kvmd relative mouse", absolute=False)
    driver.send(RelativeMouseReport(dx=-127, dy=127))
    driver.send(RelativeMouseReport(dx=5))
    driver.send(RelativeMouseReport(wheel=1, hwheel=-1))
    wanted = [(REL_X, -127), (REL_Y, 127), (REL_X, 5), (REL_WHEEL, 1), (REL_HWHEEL, -1)]
    eventually(lambda: len(mouse.events()) >= len(wanted), "all moves")
    assert mouse.events() == [Input(EV_REL, *each) for each in wanted]


@pytest.mark.parametrize(("name", "report"), [("absolute", AbsoluteMouseReport), ("relative", RelativeMouseReport)])
def test_five_buttons(driver: Uinput, host_mouse: Mouse, name: str, report: type) -> None:
    mouse = host_mouse(f"kvmd {name} mouse", absolute=name == "absolute")
    for bit in range(5):
        driver.send(report(buttons=1 << bit))
    driver.send(report())
    eventually(lambda: len(mouse.presses()) >= 10, "ten button events")
    # One report lets go of a button and presses the next.
    changes = [press for old, new in itertools.pairwise(BUTTONS) for press in ((old, 0), (new, 1))]
    assert mouse.presses() == [(BUTTONS[0], 1), *changes, (BUTTONS[-1], 0)]


def test_lamps_come_back(driver: Uinput, keyboard: HostKeyboard) -> None:
    # The guest's console has set the lamps as it sees fit.
    while driver.watch(0.5):
        pass
    for code, name in {LED_NUML: "num", LED_CAPSL: "caps", LED_SCROLLL: "scroll"}.items():
        lit = getattr(driver.status().leds, name)
        keyboard.set_led(code, not lit)
        assert driver.watch(20)
        assert driver.status().leds == Leds(**{**_lamps(keyboard), name: not lit})
        assert not driver.watch(0)


def _lamps(keyboard: HostKeyboard) -> dict[str, bool]:
    return {name: code in keyboard.leds() for code, name in enumerate(("num", "caps", "scroll"))}


def test_the_daemon_types_here_without_being_root_once_it_may(daemon: Daemon, host_keyboard: Host) -> None:
    node = Path("/dev/uinput")
    run("modprobe", "uinput")
    settle()
    assert (node.group(), node.stat().st_mode & 0o777) == ("kvmd-uinput", 0o660)
    daemon.start('[hid]\ndriver = "uinput"\n')
    status = eventually(lambda: _refused(daemon), "HID to have been refused")
    assert "be in the group kvmd-uinput" in status["reason"]
    with kvmd_in_group("kvmd-uinput"):
        daemon.start()
        types(daemon, host_keyboard)


def types(daemon: Daemon, host_keyboard: Host) -> None:
    status = eventually(lambda: _online(daemon), "HID to be online")
    assert status["host_connected"] is True
    keyboard = host_keyboard(KEYBOARD, grab=True)
    assert daemon.request("POST", "/keyboard", {"keycodes": ["KeyA"]}).code == 200
    keyboard.wait_for((30, 1), (30, 0))
    assert daemon.request("POST", "/mouse", {"x": 1, "y": 1, "click": "left"}).code == 200


def _refused(daemon: Daemon) -> dict[str, Any] | None:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["hid"]
    return status if "uinput" in status["reason"] else None


def _online(daemon: Daemon) -> dict[str, Any] | None:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["hid"]
    return status if status["state"] == "online" else None
