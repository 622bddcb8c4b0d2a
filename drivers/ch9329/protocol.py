"""Frames to a CH9329 and back, as pure functions; no I/O. payloads.py has what is in them.

Source: WCH, "CH9329 serial communication protocol" V1.0, as public projects describe it.
"""

from __future__ import annotations

import enum

import msgspec

HEADER = b"\x57\xab"
OVERHEAD = 6
"""Bytes of a frame beside its data: header, address, command, length, sum."""

MAX_DATA = 88
"""Bytes of data in a frame: 64 by the document, but the CH9329F sends configurations of 72 and 88."""

OK, REFUSED = 0x80, 0xC0
"""What a reply adds to its command's number: done, or not, with a status byte that says why."""

COMMAND_BITS = 0x3F
FROM_TARGET = 0x87
"""Custom HID data from the target, which comes unasked."""

BAUDS = (9600, 115200, 57600, 38400, 19200, 14400, 4800, 2400, 1200)
"""Every speed of the chip, the likely ones first; 9600 is the factory's."""


class Command(enum.IntEnum):
    """What the chip can be asked."""

    GET_INFO = 0x01
    KEYBOARD = 0x02
    MEDIA = 0x03
    ABSOLUTE_MOUSE = 0x04
    RELATIVE_MOUSE = 0x05
    CUSTOM = 0x06
    GET_CONFIG = 0x08
    SET_CONFIG = 0x09
    GET_STRING = 0x0A
    SET_STRING = 0x0B
    FACTORY = 0x0C
    RESET = 0x0F


ASKS_FOR_DATA = frozenset({Command.GET_INFO, Command.GET_CONFIG, Command.GET_STRING})
"""Their replies are data; those of all others are one status byte."""


class Status(enum.IntEnum):
    """What the chip says of a frame."""

    OK = 0x00
    TIMEOUT = 0xE1
    HEADER = 0xE2
    COMMAND = 0xE3
    SUM = 0xE4
    PARAMETER = 0xE5
    FAILED = 0xE6


MANGLED = frozenset({Status.TIMEOUT, Status.HEADER, Status.SUM})
"""The frame was damaged on its way, and nothing was done."""

_WORDS: dict[int, str] = {
    Status.OK: "done",
    Status.TIMEOUT: "the bytes of a frame came too slowly",
    Status.HEADER: "a frame has a wrong header",
    Status.COMMAND: "the command is unknown",
    Status.SUM: "a frame has a wrong sum",
    Status.PARAMETER: "a parameter is wrong",
    Status.FAILED: "the frame is right, but could not be carried out",
}


def in_words(status: int) -> str:
    """Say what a status byte means."""
    return f"{status:02X}, {_WORDS.get(status, 'which is not documented')}"


class Frame(msgspec.Struct, frozen=True):
    """A frame, either way.

    :param command: its number, with ``OK`` or ``REFUSED`` in a reply
    :param data: 0 to ``MAX_DATA`` bytes
    :param address: 0 for a chip that answers to any
    """

    command: int
    data: bytes = b""
    address: int = 0

    def encode(self) -> bytes:
        """Write the frame as it goes over the line."""
        head = HEADER + bytes((self.address, self.command, len(self.data))) + self.data
        return head + bytes((sum(head) % 256,))

    @property
    def is_reply(self) -> bool:
        """Whether it comes from the chip; what we sent comes back where a port's lines are joined."""
        return bool(self.command & OK)

    @property
    def answers(self) -> int:
        """The command that a reply is to."""
        return self.command & COMMAND_BITS

    @property
    def status(self) -> int:
        """How a reply says that it went; one that brings data says nothing else."""
        if self.command & REFUSED == REFUSED:
            return (self.data and self.data[0]) or Status.FAILED
        if not self.data or self.answers in ASKS_FOR_DATA:
            return Status.OK
        return self.data[0]


class Parser:
    """Finds frames in what comes in, piece by piece; noise and half frames are skipped to the next header."""

    def __init__(self) -> None:
        self.skipped = 0
        """How many bytes belonged to no frame."""
        self._buffer = b""

    @property
    def pending(self) -> int:
        """How many bytes may become a frame yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take what came in, and return the frames that are whole now."""
        self._buffer += data
        frames = []
        while frame := self._next():
            frames.append(frame)
        return frames

    def give_up(self) -> list[Frame]:
        """Note that the line is quiet, so that no half frame will be completed; return those hidden behind one."""
        frames: list[Frame] = []
        while self._buffer:
            self._skip(1)
            frames += self.feed(b"")
        return frames

    def _next(self) -> Frame | None:
        """Take the next whole frame out of the buffer; None if there is none yet."""
        while len(self._buffer) >= OVERHEAD - 1 and self._seek():
            length = self._buffer[4]
            end = length + OVERHEAD
            if length <= MAX_DATA and len(self._buffer) < end:
                return None
            raw = self._buffer[:end]
            if length <= MAX_DATA and sum(raw[:-1]) % 256 == raw[-1]:
                self._buffer = self._buffer[end:]
                return Frame(raw[3], raw[5:-1], raw[2])
            self._skip(1)
        return None

    def _seek(self) -> bool:
        """Skip to the next header, or to what may become one; tell whether a length is there, too."""
        at = self._buffer.find(HEADER)
        if at < 0:
            at = len(self._buffer) - self._buffer.endswith(HEADER[:1])
        self._skip(at)
        return len(self._buffer) >= OVERHEAD - 1

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._buffer = self._buffer[count:]
