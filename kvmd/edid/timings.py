"""Timings: what a mode is made of, how an EDID describes it in detail, and the standards' tables of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from kvmd.errors import RequestError

DETAILED = 18
"""Bytes of a detailed timing descriptor (E-EDID 3.10.2)."""

_NAME = re.compile(r"(\d{2,5})x(\d{2,5})(i?)@(\d{1,3}(?:\.\d+)?)")


class Timing(msgspec.Struct, frozen=True):
    """A mode in detail.

    Horizontal numbers are in pixels, vertical ones in lines, ``clock`` in kHz. The height of an interlaced mode is that
    of both fields, its vertical porches and sync are those of one field.
    """

    width: int
    h_front: int
    h_sync: int
    h_back: int
    height: int
    v_front: int
    v_sync: int
    v_back: int
    clock: int
    h_positive: bool = True
    v_positive: bool = True
    interlaced: bool = False

    @property
    def h_blank(self) -> int:
        """Pixels of a line that show nothing."""
        return self.h_front + self.h_sync + self.h_back

    @property
    def v_blank(self) -> int:
        """Lines of a picture, or a field, that show nothing."""
        return self.v_front + self.v_sync + self.v_back

    @property
    def h_rate(self) -> float:
        """Lines a second, in kHz."""
        return self.clock / (self.width + self.h_blank)

    @property
    def refresh(self) -> float:
        """Pictures a second, fields of an interlaced mode."""
        lines = self.height / 2 + self.v_blank + 0.5 if self.interlaced else self.height + self.v_blank
        return self.h_rate * 1000 / lines


class Wanted(msgspec.Struct, frozen=True):
    """A mode as a person names it."""

    name: str
    width: int
    height: int
    interlaced: bool
    refresh: float
    tolerance: float

    def among(self, timings: Iterable[Timing]) -> Timing | None:
        """Return the one that is meant; None if none is."""
        fitting = [timing for timing in timings if self._off(timing) < self.tolerance]
        return min(fitting, key=self._off, default=None)

    def _off(self, timing: Timing) -> float:
        same = (timing.width, timing.height, timing.interlaced) == (self.width, self.height, self.interlaced)
        return abs(timing.refresh - self.refresh) if same else self.tolerance


def wanted(name: str) -> Wanted:
    """Read a mode's name, such as ``1920x1080@50`` or ``1920x1080i@59.94``; a whole rate also means its neighbours.

    :raises RequestError: it is none
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise RequestError(f'"{name}" is no mode: name one like "1920x1080@50", interlaced "1920x1080i@50"')
    width, height, interlaced, refresh = match.groups()
    return Wanted(name, int(width), int(height), bool(interlaced), float(refresh), 0.02 if "." in refresh else 0.5)


class Table(msgspec.Struct, frozen=True):
    """The standards' modes: all, and by CTA-861's Video Identification Code and VESA's DMT id."""

    all: tuple[Timing, ...]
    vic: dict[int, Timing]
    dmt: dict[int, Timing]


@cache
def table() -> Table:
    """Return the standards' modes; read from timings.txt at first."""
    lines = files(__package__).joinpath("timings.txt").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    timings = [_timing(row[2:]) for row in rows]
    return Table(
        all=tuple(timings),
        vic={int(vic): timing for row, timing in zip(rows, timings, strict=True) for vic in _ids(row[0])},
        dmt={int(dmt, 16): timing for row, timing in zip(rows, timings, strict=True) for dmt in _ids(row[1])},
    )


def _ids(column: str) -> list[str]:
    return [] if column == "-" else column.split(",")


def _timing(columns: list[str]) -> Timing:
    *numbers, polarities = columns
    values = [int(number.removesuffix("i")) for number in numbers]
    signs = {"h_positive": polarities[0] == "+", "v_positive": polarities[1] == "+"}
    fields: dict[str, Any] = dict(zip(Timing.__struct_fields__, values, strict=False))
    return Timing(**fields, **signs, interlaced="i" in numbers[4])


def read_detailed(raw: bytes) -> Timing | None:
    """Read a detailed timing descriptor (E-EDID 3.10.2); None if it is another descriptor, or makes no sense."""
    h_blank = raw[3] | (raw[4] & 0x0F) << 8
    v_blank = raw[6] | (raw[7] & 0x0F) << 8
    h_front = raw[8] | (raw[11] & 0xC0) << 2
    h_sync = raw[9] | (raw[11] & 0x30) << 4
    v_front = raw[10] >> 4 | (raw[11] & 0x0C) << 2
    v_sync = raw[10] & 0x0F | (raw[11] & 0x03) << 4
    interlaced = bool(raw[17] & 0x80)
    timing = Timing(
        width=raw[2] | (raw[4] & 0xF0) << 4,
        h_front=h_front,
        h_sync=h_sync,
        h_back=h_blank - h_front - h_sync,
        height=(raw[5] | (raw[7] & 0xF0) << 4) * (2 if interlaced else 1),
        v_front=v_front,
        v_sync=v_sync,
        v_back=v_blank - v_front - v_sync,
        clock=int.from_bytes(raw[:2], "little") * 10,
        # of other than digital, separate sync the bits mean something else
        h_positive=raw[17] & 0x1A == 0x1A,
        v_positive=raw[17] & 0x1C == 0x1C,
        interlaced=interlaced,
    )
    return timing if timing.clock and timing.width and timing.height else None


def write_detailed(timing: Timing, size_mm: tuple[int, int]) -> bytes:
    """Write a detailed timing descriptor (E-EDID 3.10.2) with digital, separate sync.

    :param size_mm: of the picture, width and height; 0, 0 if that is not known
    :raises RequestError: it has no room for such numbers
    """
    lines = timing.height // 2 if timing.interlaced else timing.height
    longest = max(timing.width, timing.h_blank, lines, timing.v_blank)
    if longest > 0xFFF or timing.h_front > 0x3FF or timing.clock > 655_350:
        raise RequestError(
            f"{timing.width}x{timing.height} at {timing.clock / 1000:g} MHz does not fit into an EDID's detailed "
            "timing: at most 4095 pixels or lines, a front porch of 1023 and 655.35 MHz do"
        )
    flags = 0x18 | timing.interlaced << 7 | timing.v_positive << 2 | timing.h_positive << 1
    return bytes(
        (
            *round(timing.clock / 10).to_bytes(2, "little"),
            *_two_of_12_bits(timing.width, timing.h_blank),
            *_two_of_12_bits(lines, timing.v_blank),
            timing.h_front & 0xFF,
            timing.h_sync & 0xFF,
            (timing.v_front & 0x0F) << 4 | timing.v_sync & 0x0F,
            timing.h_front >> 8 << 6 | timing.h_sync >> 8 << 4 | timing.v_front >> 4 << 2 | timing.v_sync >> 4,
            *_two_of_12_bits(*size_mm),
            0,
            0,
            flags,
        )
    )


def read_size(raw: bytes) -> tuple[int, int]:
    """Read the picture's width and height in mm from a detailed timing descriptor."""
    return raw[12] | (raw[14] & 0xF0) << 4, raw[13] | (raw[14] & 0x0F) << 8


def _two_of_12_bits(first: int, second: int) -> tuple[int, int, int]:
    return first & 0xFF, second & 0xFF, first >> 8 << 4 | second >> 8
