"""The uinput driver without a kernel: reports become exactly these events, and a bare machine is told what it lacks."""

import sys
from pathlib import Path

import pytest

from kvmd import (
    AbsoluteMouseReport,
    ConsumerReport,
    DeviceLost,
    DriverError,
    DriverOptions,
    KeyboardReport,
    RelativeMouseReport,
    SystemReport,
)
from kvmd.contract.hid import Report
from kvmd.contract.roles import HID
from kvmd.contract.settings import RoleSettings
from kvmd.plugins.registry import Registry
from kvmd_drivers.uinput import Uinput, events

KEY, REL, ABS = 1, 2, 3
CTRL, ALT, DELETE, A, B, UNKNOWN = 29, 56, 111, 30, 48, 240
LEFT, RIGHT, EXTRA = 0x110, 0x111, 0x114


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (KeyboardReport(), KeyboardReport(), []),
        (KeyboardReport(keys=(4,)), KeyboardReport(keys=(4,)), []),
        (
            KeyboardReport(),
            KeyboardReport(modifiers=0x05, keys=(0x4C,)),
            [(KEY, CTRL, 1), (KEY, ALT, 1), (KEY, DELETE, 1)],
        ),
        (
            KeyboardReport(modifiers=0x05, keys=(0x4C,)),
            KeyboardReport(),
            [(KEY, DELETE, 0), (KEY, ALT, 0), (KEY, CTRL, 0)],
        ),
        (KeyboardReport(keys=(4,)), KeyboardReport(keys=(5,)), [(KEY, A, 0), (KEY, B, 1)]),
        (KeyboardReport(keys=(4, 5)), KeyboardReport(keys=(5, 4)), []),
        (KeyboardReport(), KeyboardReport(keys=(0x9B, 0xA4)), [(KEY, UNKNOWN, 1)]),
        (ConsumerReport(), ConsumerReport((0xE2, 0xE9)), [(KEY, 113, 1), (KEY, 115, 1)]),
        (ConsumerReport((0xE2, 0xE9)), ConsumerReport((0xE9,)), [(KEY, 113, 0)]),
        (SystemReport(), SystemReport(0x82), [(KEY, 142, 1)]),
        (SystemReport(0x82), SystemReport(0x81), [(KEY, 142, 0), (KEY, 116, 1)]),
        (SystemReport(0x81), SystemReport(), [(KEY, 116, 0)]),
        (
            AbsoluteMouseReport(),
            AbsoluteMouseReport(0x01, 32767, 0, wheel=-1, hwheel=2),
            [(ABS, 0, 32767), (ABS, 1, 0), (KEY, LEFT, 1), (REL, 8, -1), (REL, 6, 2)],
        ),
        (RelativeMouseReport(), RelativeMouseReport(), []),
        (
            RelativeMouseReport(0x01),
            RelativeMouseReport(0x12, -127, 0),
            [(REL, 0, -127), (KEY, LEFT, 0), (KEY, RIGHT, 1), (KEY, EXTRA, 1)],
        ),
        (RelativeMouseReport(), RelativeMouseReport(0, 0, 7, hwheel=-3), [(REL, 1, 7), (REL, 6, -3)]),
    ],
)
def test_events(before: Report, after: Report, expected: list[tuple[int, int, int]]) -> None:
    assert events(before, after) == expected


def test_auto_never_chooses_it() -> None:
    assert Uinput.matches == ()
    registry = Registry()
    assert registry.drivers_of(HID)["uinput"] is Uinput
    assert "uinput" not in [driver.name for driver, _ in registry.choose(HID, RoleSettings(), "kvmd.toml")._drivers]


def test_without_evdev_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    assert "apt install python3-evdev" in str(Uinput.problem())
    driver = Uinput(DriverOptions(), None)
    with pytest.raises(DriverError, match=r"pip install 'kvmd-hal\[evdev\]'"):
        driver.open()
    driver.close()


def test_with_evdev_there_is_no_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "evdev.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert Uinput.problem() is None


def test_a_closed_driver_says_so() -> None:
    driver = Uinput(DriverOptions(), None)
    for call in (lambda: driver.send(KeyboardReport()), lambda: driver.watch(0)):
        with pytest.raises(DeviceLost, match="the driver is closed"):
            call()
    assert (driver.status().host_connected, driver.status().leds) == (False, None)
