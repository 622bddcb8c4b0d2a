"""What the gadget tells the host of itself, and how reports become bytes; no I/O.

HID 1.11 is "Device Class Definition for Human Interface Devices", HUT 1.5 "HID Usage Tables".
"""

from __future__ import annotations

import struct

import msgspec

from kvmd import (
    COORDINATE_MAX,
    MAX_KEYS,
    MAX_MEDIA_KEYS,
    STEP_MAX,
    AbsoluteMouseReport,
    Capability,
    ConsumerReport,
    KeyboardReport,
    RelativeMouseReport,
    Report,
    SystemReport,
)

BCD_DEVICE = 0x0101
"""The version of the descriptors below: hosts cache them, so it goes up whenever one of them changes."""

POWER_DOWN = 0x81
"""System Power Down, the first of the power keys (HUT 1.5, section 4.5)."""

ROLL_OVER = 0x01
"""Keyboard ErrorRollOver (HUT 1.5, section 10): more keys are down than the report has room for."""

# The boot keyboard of HID 1.11, appendix B.1, with more usages: firmware that ignores this text and assumes the boot
# layout reads the same report. A usage is told to the host as its number, so the logical maximum has to reach as far
# as the usages; 0xE7 in one byte would be -25 (HID 1.11, section 6.2.2.7), therefore two.
KEYBOARD = bytes.fromhex(
    "05 01"  # usage page: generic desktop
    "09 06"  # usage: keyboard
    "a1 01"  # collection: application
    "05 07"  # usage page: keyboard
    "19 e0 29 e7"  # usages: left control to right GUI
    "15 00 25 01"  # logical: 0 to 1
    "75 01 95 08"  # 8 fields of 1 bit
    "81 02"  # input: data, variable, absolute
    "75 08 95 01"  # 1 field of 8 bits
    "81 03"  # input: constant; reserved by the boot protocol
    "05 08"  # usage page: LEDs
    "19 01 29 05"  # usages: num lock to kana
    "75 01 95 05"  # 5 fields of 1 bit
    "91 02"  # output: data, variable, absolute
    "75 03 95 01"  # 1 field of 3 bits
    "91 03"  # output: constant; fills the byte
    "05 07"  # usage page: keyboard
    "19 00 29 e7"  # usages: none to right GUI, with F13 to F24, international and LANG keys
    "15 00 26 e7 00"  # logical: 0 to 231
    "75 08 95 06"  # 6 fields of 8 bits
    "81 00"  # input: data, array
    "c0"  # end of collection
)

# The Pointer usage and the physical collection follow HID 1.11, appendix B.2: some firmware looks for them.
_MOUSE_HEAD = bytes.fromhex(
    "05 01"  # usage page: generic desktop
    "09 02"  # usage: mouse
    "a1 01"  # collection: application
    "09 01"  # usage: pointer
    "a1 00"  # collection: physical
    "05 09"  # usage page: button
    "19 01 29 05"  # usages: button 1 to 5
    "15 00 25 01"  # logical: 0 to 1
    "75 01 95 05"  # 5 fields of 1 bit
    "81 02"  # input: data, variable, absolute
    "75 03 95 01"  # 1 field of 3 bits
    "81 03"  # input: constant; fills the byte
    "05 01"  # usage page: generic desktop
    "09 30 09 31"  # usages: X, Y
)
_MOUSE_TAIL = bytes.fromhex(
    "09 38"  # usage: wheel
    "15 81 25 7f"  # logical: -127 to 127
    "75 08 95 01"  # 1 field of 8 bits
    "81 06"  # input: data, variable, relative
    "05 0c"  # usage page: consumer
    "0a 38 02"  # usage: AC pan, the horizontal wheel (HUT 1.5, section 15)
    "95 01"  # 1 field
    "81 06"  # input: data, variable, relative
    "c0 c0"  # end of both collections
)
ABSOLUTE_MOUSE = (
    _MOUSE_HEAD
    + bytes.fromhex(
        "15 00 26 ff 7f"  # logical: 0 to 32767
        "75 10 95 02"  # 2 fields of 16 bits
        "81 02"  # input: data, variable, absolute
    )
    + _MOUSE_TAIL
)
RELATIVE_MOUSE = (
    _MOUSE_HEAD
    + bytes.fromhex(
        "15 81 25 7f"  # logical: -127 to 127
        "75 08 95 02"  # 2 fields of 8 bits
        "81 06"  # input: data, variable, relative
    )
    + _MOUSE_TAIL
)
CONSUMER_ID, SYSTEM_ID = 1, 2
"""Report ids of the media function: one interface for both, since endpoints are scarce, and Linux has four nodes for
HID functions (HIDG_MINORS in f_hid.c)."""

MEDIA = bytes.fromhex(
    "05 0c"  # usage page: consumer
    "09 01"  # usage: consumer control (HUT 1.5, section 15.1)
    "a1 01"  # collection: application
    "85 01"  # report id: 1
    "19 00 2a ff 03"  # usages: none to 0x3ff
    "15 00 26 ff 03"  # logical: 0 to 0x3ff
    "75 10 95 04"  # 4 fields of 16 bits
    "81 00"  # input: data, array
    "c0"  # end of collection
    "05 01"  # usage page: generic desktop
    "09 80"  # usage: system control (HUT 1.5, section 4.5)
    "a1 01"  # collection: application
    "85 02"  # report id: 2
    "19 81 29 83"  # usages: system power down, sleep, wake up
    "15 01 25 03"  # logical: 1 to 3; 0 is none of them
    "75 08 95 01"  # 1 field of 8 bits
    "81 00"  # input: data, array
    "c0"  # end of collection
)


class Function(msgspec.Struct, frozen=True):
    """One HID interface of the gadget.

    :param name: its name in configfs is ``hid.`` and this
    :param title: what a person calls it
    :param capability: what it is for
    :param protocol: bInterfaceProtocol, 1 keyboard, 2 mouse (HID 1.11, section 4.3)
    :param subclass: bInterfaceSubClass, 1 where firmware can use it (HID 1.11, section 4.2)
    :param report_length: bytes in its input report, the longest of several
    :param report_desc: its report descriptor
    :param leds: whether the host sends it reports
    """

    name: str
    title: str
    capability: Capability
    protocol: int
    subclass: int
    report_length: int
    report_desc: bytes
    leds: bool = False

    @property
    def folder(self) -> str:
        """Its folder below the gadget's ``functions``."""
        return f"hid.{self.name}"


FUNCTIONS = (
    Function("keyboard", "keyboard", Capability.KEYBOARD, 1, 1, 8, KEYBOARD, leds=True),
    Function("absolute", "absolute mouse", Capability.ABSOLUTE_MOUSE, 0, 0, 7, ABSOLUTE_MOUSE),
    Function("relative", "relative mouse", Capability.RELATIVE_MOUSE, 2, 1, 5, RELATIVE_MOUSE),
    Function("media", "media and power keys", Capability.CONSUMER_CONTROL | Capability.SYSTEM_CONTROL, 0, 0, 9, MEDIA),
)
"""The most important first: where not all fit, the last are left out."""


def capability_of(report: Report) -> Capability:
    """Tell which function a report is for."""
    return {
        KeyboardReport: Capability.KEYBOARD,
        AbsoluteMouseReport: Capability.ABSOLUTE_MOUSE,
        RelativeMouseReport: Capability.RELATIVE_MOUSE,
        ConsumerReport: Capability.CONSUMER_CONTROL,
        SystemReport: Capability.SYSTEM_CONTROL,
    }[type(report)]


def encode(report: Report) -> bytes:
    """Write a report as its descriptor says; values beyond the descriptor's bounds become the nearest within."""
    if isinstance(report, KeyboardReport):
        return _encode_keyboard(report)
    if isinstance(report, AbsoluteMouseReport):
        x, y = _clamp(report.x, 0, COORDINATE_MAX), _clamp(report.y, 0, COORDINATE_MAX)
        return struct.pack("<BHHbb", report.buttons & 0x1F, x, y, _step(report.wheel), _step(report.hwheel))
    if isinstance(report, RelativeMouseReport):
        return _encode_relative(report)
    if isinstance(report, ConsumerReport):
        usages = report.usages[:MAX_MEDIA_KEYS]
        return struct.pack("<B4H", CONSUMER_ID, *usages, *[0] * (MAX_MEDIA_KEYS - len(usages)))
    return struct.pack("<BB", SYSTEM_ID, report.usage - POWER_DOWN + 1 if report.usage else 0)


def _encode_keyboard(report: KeyboardReport) -> bytes:
    # HID 1.11, appendix C: with too many keys down, every place of the array says so.
    keys = report.keys if len(report.keys) <= MAX_KEYS else (ROLL_OVER,) * MAX_KEYS
    return bytes((report.modifiers & 0xFF, 0)) + bytes(keys).ljust(MAX_KEYS, b"\0")


def _encode_relative(report: RelativeMouseReport) -> bytes:
    steps = (_step(value) for value in (report.dx, report.dy, report.wheel, report.hwheel))
    return struct.pack("<Bbbbb", report.buttons & 0x1F, *steps)


def _step(value: int) -> int:
    return _clamp(value, -STEP_MAX, STEP_MAX)


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
