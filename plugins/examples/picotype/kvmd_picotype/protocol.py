"""The frames on the line, as the README describes them: pure functions and a parser, no I/O."""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple

from kvmd import AbsoluteMouseReport, KeyboardReport, Leds, Report, Unsupported

VERSION: Final = 1
START: Final = 0xA5
MAX_PAYLOAD: Final = 16
OVERHEAD: Final = 5
"""Bytes of a frame beside its payload."""
ANSWER: Final = 0x80
"""What is added to a command in its answer."""


class Command(enum.IntEnum):
    """What the microcontroller can be told."""

    STATE = 0x01
    KEYBOARD = 0x02
    POINTER = 0x03


class Status(enum.IntEnum):
    """What became of a command."""

    DONE = 0
    NOT_UNDERSTOOD = 1
    NO_HOST = 2


class Frame(NamedTuple):
    """A frame: its number, its command, and what goes with it."""

    number: int
    command: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Write it as it goes over the line."""
        inner = bytes((len(self.payload), self.number, self.command)) + self.payload
        return bytes((START,)) + inner + bytes((crc8(inner),))


class State(NamedTuple):
    """What every answer tells."""

    status: int
    host: bool
    leds: Leds

    @classmethod
    def decode(cls, payload: bytes) -> State:
        """Read the payload of an answer.

        :raises ValueError: it is of another protocol
        """
        if len(payload) != 4 or payload[0] != VERSION:
            raise ValueError(f"it answers {payload.hex(' ') or 'nothing'}, which is not version {VERSION}")
        return cls(payload[1], bool(payload[2] & 1), Leds.from_bits(payload[3]))

    def encode(self) -> bytes:
        """Write the payload of an answer."""
        return bytes((VERSION, self.status, self.host, self.leds.num | self.leds.caps << 1 | self.leds.scroll << 2))


def command_for(report: Report) -> tuple[Command, bytes]:
    """Return the command that hands over a report, and its payload.

    :raises Unsupported: there is none
    """
    if isinstance(report, KeyboardReport):
        return Command.KEYBOARD, struct.pack("<Bx6s", report.modifiers, bytes(report.keys))
    if isinstance(report, AbsoluteMouseReport):
        values = (report.buttons, report.x, report.y, report.wheel, report.hwheel)
        return Command.POINTER, struct.pack("<BHHbb", *values)
    raise Unsupported(f"picotype cannot send a {type(report).__name__}")


def crc8(data: bytes) -> int:
    """Return the check of a frame: CRC-8 with the polynomial x^8 + x^2 + x + 1."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1) ^ (0x107 if value & 0x80 else 0)
    return value


class Parser:
    """Finds the frames in what comes over the line."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now; what is none is skipped."""
        self._buffer += data
        frames: list[Frame] = []
        while (begin := self._buffer.find(START)) >= 0:
            self._buffer = self._buffer[begin:]
            size = (self._buffer[1] if len(self._buffer) > 1 else 0) + OVERHEAD
            if size > MAX_PAYLOAD + OVERHEAD:
                self._buffer = self._buffer[1:]
                continue
            if len(self._buffer) < size:
                return frames
            inner, check = self._buffer[1 : size - 1], self._buffer[size - 1]
            whole = check == crc8(inner)
            if whole:
                frames.append(Frame(inner[1], inner[2], inner[3:]))
            self._buffer = self._buffer[size if whole else 1 :]
        self._buffer = b""
        return frames
