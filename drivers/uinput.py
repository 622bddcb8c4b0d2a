"""Keyboard and mouse of the very machine that the daemon runs on: for kiosks, tests, and a KVM of itself.

Devices: /dev/uinput, through which three input devices are made: "kvmd keyboard" with media and power keys and lamps,
"kvmd absolute mouse" and "kvmd relative mouse". The driver has to be named in the settings: on a KVM nobody wants to
type on the KVM itself.

Works: all keys of kvmd, five buttons, both wheels, lamps. Does not: key repeat on the text console with python-evdev
before 2.0, which cannot ask the kernel for it; graphical desktops repeat keys themselves.

Needs python-evdev. Documented in the kernel: Documentation/input/uinput.rst and event-codes.rst.
"""

from __future__ import annotations

import contextlib
import importlib.util
import select
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kvmd import (
    COORDINATE_MAX,
    OWN_INPUT,
    AbsoluteMouseReport,
    Capability,
    ConsumerReport,
    Device,
    DeviceLost,
    DriverError,
    DriverOptions,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Leds,
    Page,
    RelativeMouseReport,
    Report,
    hookimpl,
    keys_of,
)

if TYPE_CHECKING:
    from evdev import UInput

NODE: Final = "/dev/uinput"

# linux/input-event-codes.h
EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED, EV_REP = 0x00, 0x01, 0x02, 0x03, 0x11, 0x14
SYN_REPORT: Final = 0
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0x00, 0x01, 0x06, 0x08
ABS_X, ABS_Y = 0x00, 0x01
LEDS: Final = ("num", "caps", "scroll")
"""LED_NUML, LED_CAPSL and LED_SCROLLL are 0, 1 and 2."""
BUTTONS: Final = (0x110, 0x111, 0x112, 0x113, 0x114)
"""BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE and BTN_EXTRA, as the kernel's HID driver calls a mouse's five buttons."""
KEY_UNKNOWN: Final = 240
BUS_VIRTUAL: Final = 0x06

_CODES: Final = {page: {key.usage: key.evdev for key in keys_of(page).values()} for page in Page}
_KEYS: Final = sorted({code for codes in _CODES.values() for code in codes.values()})
# The value at the start, the least and the greatest; at the start the middle, so that going to a corner is a change.
_AXIS: Final = (COORDINATE_MAX // 2, 0, COORDINATE_MAX)

KEYBOARD, ABSOLUTE, RELATIVE = "keyboard", "absolute mouse", "relative mouse"
DEVICES: Final[Mapping[str, Mapping[int, Sequence[Any]]]] = {
    KEYBOARD: {EV_KEY: _KEYS, EV_LED: range(len(LEDS)), EV_REP: ()},
    ABSOLUTE: {EV_KEY: BUTTONS, EV_ABS: ((ABS_X, _AXIS), (ABS_Y, _AXIS)), EV_REL: (REL_HWHEEL, REL_WHEEL)},
    RELATIVE: {EV_KEY: BUTTONS, EV_REL: (REL_X, REL_Y, REL_HWHEEL, REL_WHEEL)},
}
"""The input devices, and the events that each can send or, lamps, receive."""

Event = tuple[int, int, int]
"""Type, code and value."""


def events(before: Report, after: Report) -> list[Event]:
    """List what happened between two reports of one kind, to be followed by SYN_REPORT.

    The pointer moves first, then keys and buttons go up, the last one first, others go down, and the wheels turn.
    """
    were, are = _down(before), _down(after)
    up = [(EV_KEY, code, 0) for code in reversed(were) if code not in are]
    down = [(EV_KEY, code, 1) for code in are if code not in were]
    return [*_moves(after), *up, *down, *_turns(after)]


def _down(report: Report) -> list[int]:
    """List the keys or buttons that are down; modifiers first."""
    if isinstance(report, KeyboardReport):
        usages = [0xE0 + bit for bit in range(8) if report.modifiers >> bit & 1]
        return _codes(Page.KEYBOARD, [*usages, *report.keys])
    if isinstance(report, ConsumerReport):
        return _codes(Page.CONSUMER, report.usages)
    if isinstance(report, AbsoluteMouseReport | RelativeMouseReport):
        return [code for bit, code in enumerate(BUTTONS) if report.buttons >> bit & 1]
    return _codes(Page.SYSTEM, [report.usage] if report.usage else [])


def _codes(page: Page, usages: Iterable[int]) -> list[int]:
    """Translate usages; one that Linux has no key for is what its HID driver makes of such."""
    return list(dict.fromkeys(_CODES[page].get(usage, KEY_UNKNOWN) for usage in usages))


def _moves(report: Report) -> list[Event]:
    if isinstance(report, AbsoluteMouseReport):
        return [(EV_ABS, ABS_X, report.x), (EV_ABS, ABS_Y, report.y)]
    if isinstance(report, RelativeMouseReport):
        steps = {REL_X: report.dx, REL_Y: report.dy}
        return [(EV_REL, code, value) for code, value in steps.items() if value]
    return []


def _turns(report: Report) -> list[Event]:
    if isinstance(report, AbsoluteMouseReport | RelativeMouseReport):
        turns = {REL_WHEEL: report.wheel, REL_HWHEEL: report.hwheel}
        return [(EV_REL, code, value) for code, value in turns.items() if value]
    return []


def _device_of(report: Report) -> str:
    if isinstance(report, AbsoluteMouseReport):
        return ABSOLUTE
    return RELATIVE if isinstance(report, RelativeMouseReport) else KEYBOARD


class Uinput(HidDriver):
    """Types on the machine that the daemon runs on."""

    name = "uinput"
    capabilities = ~Capability(0)

    def __init__(self, options: DriverOptions, device: Device | None) -> None:  # noqa: ARG002  # there are none
        self._outputs: dict[str, UInput] = {}
        self._last: dict[type[Report], Report] = {}
        self._leds = Leds()
        self._told = self._leds
        self._lock = threading.Lock()
        self._resources = contextlib.ExitStack()

    @classmethod
    def problem(cls) -> str | None:
        """Say that python-evdev is missing."""
        if importlib.util.find_spec("evdev"):
            return None
        return "python-evdev is not installed: apt install python3-evdev, or pip install 'kvmd-hal[evdev]'"

    def open(self) -> None:
        """Make the input devices."""
        if problem := self.problem():
            raise DriverError(problem)
        self._last = {}
        self._leds = self._told = Leds()
        with contextlib.ExitStack() as stack:
            outputs = {
                name: stack.enter_context(contextlib.closing(_make_device(name, kinds)))
                for name, kinds in DEVICES.items()
            }
            self._resources = stack.pop_all()
        self._outputs = outputs

    def send(self, report: Report) -> None:
        """Make the events of a report; the kernel has them when this returns."""
        kind = type(report)
        with self._lock:
            output = self._output(_device_of(report))
            try:
                for event in events(self._last.get(kind, kind()), report):
                    output.write(*event)
                output.syn()
            except OSError as error:
                raise DeviceLost(f"{NODE}: {error.strerror}") from error
            self._last[kind] = report

    def watch(self, timeout: float) -> bool:
        """Wait for the lamps."""
        keyboard = self._output(KEYBOARD)
        until = time.monotonic() + timeout
        poll = select.poll()
        poll.register(keyboard.fd, select.POLLIN)
        while self._leds == self._told and poll.poll(max(0.0, until - time.monotonic()) * 1000):
            self._read_leds(keyboard)
        before, self._told = self._told, self._leds
        return self._told != before

    def status(self) -> HidStatus:
        """Tell how the lamps are; the host is always there."""
        is_open = bool(self._outputs)
        return HidStatus(f"this machine ({NODE})", is_open, self._leds if is_open else None)

    def close(self) -> None:
        """Take the input devices away; the kernel lets go of what they hold."""
        with self._lock:
            self._outputs = {}
            self._resources.close()

    def _output(self, name: str) -> UInput:
        if name not in self._outputs:
            raise DeviceLost("the input devices are not there: the driver is closed")
        return self._outputs[name]

    def _read_leds(self, keyboard: UInput) -> None:
        try:
            for event in keyboard.read():
                if event.type == EV_LED and event.code < len(LEDS):
                    self._leds = msgspec.structs.replace(self._leds, **{LEDS[event.code]: bool(event.value)})
        except OSError as error:
            raise DeviceLost(f"{NODE}: {error.strerror}") from error


def _make_device(name: str, kinds: Mapping[int, Sequence[Any]]) -> UInput:
    """Make an input device, marked as ours."""
    from evdev import UInput, UInputError  # noqa: PLC0415  # it may not be installed

    class Output(UInput):  # type: ignore[misc]  # evdev has types only where it is installed
        """Does not open its own node in /dev/input, which it would only need for asking what it can do."""

        def _find_device(self, *_: object) -> None:
            return None

    try:
        return Output(dict(kinds), name=f"kvmd {name}", bustype=BUS_VIRTUAL, phys=f"{OWN_INPUT}{name}")
    except (UInputError, OSError) as error:
        way_out = "load the module uinput, see that udev has 72-kvmd-uinput.rules, and be in the group kvmd-uinput"
        raise DriverError(f"{NODE} cannot be used: {way_out} ({error})") from error


@hookimpl
def kvmd_drivers() -> Iterable[type[HidDriver]]:
    """Offer the driver."""
    return [Uinput]
