"""What is in the frames: reports, and what the chip tells of itself, as pure functions; no I/O.

Source: WCH, "CH9329 serial communication protocol" V1.0, as public projects describe it; the usages behind the bits of
the media keys also from a public dump of a chip's HID descriptor. HUT 1.5 is "HID Usage Tables".
"""

from __future__ import annotations

import enum
import struct

import msgspec

from kvmd import (
    COORDINATE_MAX,
    MAX_KEYS,
    STEP_MAX,
    AbsoluteMouseReport,
    ConsumerReport,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    Report,
    SystemReport,
    Unsupported,
)

from .protocol import Command

PLACES = 4095
"""The far edge of the screen on the chip: 4096 is beyond its report's logical maximum."""

_MEDIA_BITS = (
    (0xE9, 0xEA, 0xE2, 0xCD, 0xB5, 0xB6, 0xB7, 0xB8),
    (0x18A, 0x221, 0x22A, 0x223, 0x224, 0x225, 0x226, 0x227),
    (0x183, 0x196, 0x192, 0x19E, 0x194, 0x206, 0xB2, 0xB4),
)
"""Usages of the consumer page behind the bits of each of the three bytes, from bit 0."""

_MEDIA = {usage: 1 << bit + 8 * at for at, usages in enumerate(_MEDIA_BITS) for bit, usage in enumerate(usages)}
_MEDIA[0x1B1] = _MEDIA[0x19E]  # both are screen savers (HUT 1.5, section 15.15); the chip has the one that locks, too

_POWER = {0: 0, 0x81: 1, 0x82: 2, 0x83: 4}
_BUTTONS = 0b111


def encode(report: Report) -> tuple[Command, bytes]:
    """Write a report as a command and its data; places and steps beyond the chip's bounds become the nearest within.

    :raises Unsupported: the chip has no such key, button or wheel
    """
    if isinstance(report, KeyboardReport):
        return Command.KEYBOARD, _encode_keyboard(report)
    if isinstance(report, ConsumerReport):
        return Command.MEDIA, b"\x02" + _media(report.usages).to_bytes(3, "little")
    if isinstance(report, SystemReport):
        return Command.MEDIA, bytes((1, _power(report.usage)))
    _check_mouse(report)
    if isinstance(report, AbsoluteMouseReport):
        places = (_place(report.x), _place(report.y))
        return Command.ABSOLUTE_MOUSE, struct.pack("<BBHHb", 2, report.buttons, *places, _step(report.wheel))
    steps = (_step(value) for value in (report.dx, report.dy, report.wheel))
    return Command.RELATIVE_MOUSE, struct.pack("<BBbbb", 1, report.buttons, *steps)


def without_steps(report: Report) -> Report:
    """Return what of a report may be sent twice: all but the steps of a mouse and its wheel."""
    if isinstance(report, RelativeMouseReport):
        return RelativeMouseReport(report.buttons)
    if isinstance(report, AbsoluteMouseReport):
        return AbsoluteMouseReport(report.buttons, report.x, report.y)
    return report


def _encode_keyboard(report: KeyboardReport) -> bytes:
    # HID 1.11, appendix C: with too many keys down, every place says Keyboard ErrorRollOver.
    keys = report.keys if len(report.keys) <= MAX_KEYS else (1,) * MAX_KEYS
    return bytes((report.modifiers & 0xFF, 0, *keys)).ljust(MAX_KEYS + 2, b"\0")


def _media(usages: tuple[int, ...]) -> int:
    unknown = [usage for usage in usages if usage not in _MEDIA]
    if unknown:
        names = ", ".join(f"0x{usage:X}" for usage in unknown)
        raise Unsupported(f"the CH9329 has no media key with the usage {names} of the consumer page")
    bits = 0
    for usage in usages:
        bits |= _MEDIA[usage]
    return bits


def _power(usage: int) -> int:
    if usage not in _POWER:
        raise Unsupported(f"the CH9329 has no power key with the usage 0x{usage:X}, only power, sleep and wake-up")
    return _POWER[usage]


def _check_mouse(report: AbsoluteMouseReport | RelativeMouseReport) -> None:
    if report.buttons & ~_BUTTONS:
        raise Unsupported("the CH9329's mouse has a left, a right and a middle button, and no others")
    if report.hwheel:
        raise Unsupported("the CH9329's mouse has no horizontal wheel")


def _place(value: int) -> int:
    return round(min(max(value, 0), COORDINATE_MAX) * PLACES / COORDINATE_MAX)


def _step(value: int) -> int:
    return min(max(value, -STEP_MAX), STEP_MAX)


class Info(msgspec.Struct, frozen=True):
    """What the chip tells of itself.

    :param version: 0x30 is V1.0
    :param enumerated: whether the target has accepted its keyboard and mouse
    :param leds: the lock lamps
    """

    version: int
    enumerated: bool
    leds: Leds

    SIZE = 8

    @classmethod
    def decode(cls, data: bytes) -> Info:
        """Read the reply to GET_INFO.

        :raises ValueError: it is none
        """
        if len(data) != cls.SIZE:
            raise ValueError(f"{len(data)} bytes instead of {cls.SIZE}")
        return cls(data[0], data[1] != 0, Leds.from_bits(data[2]))

    @property
    def version_text(self) -> str:
        """The version as WCH writes it."""
        return f"V1.{self.version - 0x30}"


class Text(enum.IntEnum):
    """A string that the target is told."""

    VENDOR = 0
    PRODUCT = 1
    SERIAL = 2


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration, with what the factory sets; to be changed by read, ``msgspec.structs.replace`` and write.

    :param work_mode: 0 keyboard, mouse and custom HID; 1 keyboard; 2 mouse by the protocol document, keyboard and mouse
        by the data sheet; 3 custom HID. 0x80 more: set by the chip's pins
    :param serial_mode: 0 this protocol, 1 ASCII, 2 transparent. 0x80 more: set by the chip's pins
    :param address: 0 answers to any
    :param baud: bits a second
    :param gap: milliseconds without a byte that end a frame
    :param vendor_id: that the target sees
    :param product_id: that the target sees
    :param string_flags: bit 7: use the strings set; bit 2 maker, 1 product, 0 serial number

    The others are of the ASCII mode, or reserved, and kept as they are.
    """

    work_mode: int = 0x80
    serial_mode: int = 0x80
    address: int = 0
    baud: int = 9600
    reserved: bytes = b"\x08\0"
    gap: int = 3
    vendor_id: int = 0x1A86
    product_id: int = 0xE129
    ascii_interval: int = 0
    ascii_release: int = 1
    auto_enter: int = 0
    enter: bytes = b"\x0d" + bytes(7)
    filter_start: bytes = bytes(4)
    filter_end: bytes = bytes(4)
    string_flags: int = 0
    fast_upload: int = 0
    rest: bytes = bytes(12)

    @classmethod
    def decode(cls, data: bytes) -> Config:
        """Read the 50 bytes.

        :raises ValueError: there are more or fewer, as on other variants of the chip
        """
        if len(data) != CONFIG_SIZE:
            raise ValueError(f"{len(data)} bytes instead of {CONFIG_SIZE}")
        values = (*_HEAD.unpack_from(data), *_IDS.unpack_from(data, 11), *_TAIL.unpack_from(data, 15))
        return cls(**dict(zip(cls.__struct_fields__, values, strict=True)))

    def encode(self) -> bytes:
        """Write the 50 bytes as the chip takes them: a mode set by pins cannot be written."""
        writable = msgspec.structs.replace(self, work_mode=self.work_mode & 3, serial_mode=self.serial_mode & 3)
        values = msgspec.structs.astuple(writable)
        return _HEAD.pack(*values[:6]) + _IDS.pack(*values[6:8]) + _TAIL.pack(*values[8:])

    def uses_text(self, kind: Text) -> bool:
        """Tell whether the target is told a string of ours."""
        return bool(self.string_flags & 0x80 and self.string_flags & 4 >> kind)

    def with_text(self, kind: Text) -> Config:
        """Return a configuration by which the target is told it."""
        return msgspec.structs.replace(self, string_flags=self.string_flags | 0x80 | 4 >> kind)


_HEAD, _IDS, _TAIL = struct.Struct(">BBBI2sH"), struct.Struct("<HH"), struct.Struct(">HHB8s4s4sBB12s")
CONFIG_SIZE = _HEAD.size + _IDS.size + _TAIL.size


MAX_TEXT = 23
"""Characters in a string."""


def encode_text(kind: Text, text: str) -> bytes:
    """Write the data of SET_STRING.

    :raises ValueError: the chip has no room for it, or it is not ASCII
    """
    if not (text.isascii() and text.isprintable() and 1 <= len(text) <= MAX_TEXT):
        raise ValueError(f"{text!r} is not 1 to {MAX_TEXT} ASCII characters")
    return bytes((kind, len(text))) + text.encode()


def decode_text(data: bytes) -> str:
    """Read the reply to GET_STRING; what is not ASCII is shown as an escape."""
    return data[2 : 2 + data[1]].decode("ascii", "backslashreplace") if len(data) > 1 else ""
