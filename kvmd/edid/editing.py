"""Changes to an EDID: its name, its serial number, its preferred mode."""

from __future__ import annotations

import math

from kvmd.edid.blocks import check, mend
from kvmd.edid.decoding import (
    DESCRIPTORS,
    DUMMY,
    NAME,
    RANGE_LIMITS,
    SERIAL_TEXT,
    Mode,
    decode,
    detailed_offsets,
    find_descriptor,
    spare_detailed,
)
from kvmd.edid.timings import DETAILED, Timing, read_detailed, read_size, table, wanted, write_detailed
from kvmd.errors import RequestError

LONGEST_TEXT = 13
"""Characters of a descriptor's text (E-EDID 3.10.3.1)."""

_FIRST = DESCRIPTORS[0]
"""Where the preferred mode stands."""


def edit(
    data: bytes, *, name: str | None = None, serial: int | str | None = None, preferred: str | None = None
) -> bytes:
    """Change what is given, and set the sums right.

    :param data: an EDID that passes ``check``
    :param name: the display's name, at most 13 characters of ASCII
    :param serial: a number of 32 bits, or its digits; or another text of at most 13 characters of ASCII, for the serial
        text alone. A number also becomes the serial text where there is one
    :param preferred: a mode that the EDID has in detail, else one of the standards', such as ``1920x1080@50``
    :raises RequestError: it does not fit; says why
    """
    check(data)
    if name is not None:
        data = _with_text(data, NAME, "name", name)
    if serial is not None:
        data = _with_serial(data, serial)
    if preferred is not None:
        data = _with_preferred(data, preferred)
    return mend(data)


def describe_text(tag: int, text: str) -> bytes:
    """Write a descriptor with text (E-EDID 3.10.3.1)."""
    return bytes((0, 0, 0, tag, 0)) + (text.encode("ascii") + b"\n")[:LONGEST_TEXT].ljust(LONGEST_TEXT)


def _with_serial(data: bytes, serial: int | str) -> bytes:
    if isinstance(serial, str) and not serial.isdecimal():
        return _with_text(data, SERIAL_TEXT, "serial", serial)
    number = int(serial)
    if not 0 <= number < 2**32:
        raise RequestError(f"serial {serial} does not fit: as a number it has 32 bits, at most {2**32 - 1}")
    data = _put(data, 12, number.to_bytes(4, "little"))
    if find_descriptor(data, SERIAL_TEXT) is None:
        return data
    return _with_text(data, SERIAL_TEXT, "serial", str(number))


def _with_text(data: bytes, tag: int, what: str, text: str) -> bytes:
    if not 1 <= len(text) <= LONGEST_TEXT or not (text.isascii() and text.isprintable()):
        raise RequestError(f'{what} "{text}" does not fit: it takes 1 to {LONGEST_TEXT} characters of ASCII')
    start = find_descriptor(data, tag)
    if start is None:
        start = find_descriptor(data, DUMMY)
    if start is None:
        raise RequestError(f"there is no room for a {what}: the four descriptors of block 0 are in use")
    return _put(data, start, describe_text(tag, text))


def _with_preferred(data: bytes, mode: str) -> bytes:
    """Make a mode the first detailed timing."""
    meant = wanted(mode)
    first = _get(data, _FIRST)
    there = {start: timing for start in detailed_offsets(data) if (timing := read_detailed(_get(data, start)))}
    timing = meant.among(there.values())
    if timing is not None:
        start = next(start for start, each in there.items() if each == timing)
        data = _put(_put(data, _FIRST, _get(data, start)), start, first)
    else:
        timing = meant.among(table().all)
        if timing is None:
            raise RequestError(f"the timings of {mode} are not known; name a mode that the EDID has in detail")
        data = _put(_without_preferred(data), _FIRST, write_detailed(timing, read_size(first)))
    if data[19] < 4:
        data = _put(data, 24, bytes((data[24] | 0x02,)))  # says that the first is preferred, up to EDID 1.3
    return _with_limits(data, timing)


def _without_preferred(data: bytes) -> bytes:
    """Move the preferred mode to another place, unless the EDID offers it a second time.

    :raises RequestError: it would be lost
    """
    modes = decode(data).modes
    old = next((mode for mode in modes if mode.preferred), None)
    if old is None or any(other is not old and _is_same(old, other) for other in modes):
        return data
    dummy = find_descriptor(data, DUMMY)
    if dummy is not None:
        return _put(data, _FIRST + DETAILED, data[_FIRST:dummy])
    spare = spare_detailed(data)
    if spare is None:
        raise RequestError(f"there is no room: {old.name} would be lost, as every descriptor is in use")
    return _put(data, spare, _get(data, _FIRST))


def _is_same(one: Mode, other: Mode) -> bool:
    """Tell whether two modes are one; a code stands for 59.94 as for 60 Hz (CTA-861-G 4.1)."""
    shapes = {(mode.width, mode.height, mode.interlaced) for mode in (one, other)}
    return len(shapes) == 1 and abs(one.refresh - other.refresh) < 0.1


def _with_limits(data: bytes, timing: Timing) -> bytes:
    """Let the range limits include a mode (E-EDID 3.10.3.3); those with offsets, beyond 255, are wide enough."""
    start = find_descriptor(data, RANGE_LIMITS)
    if start is None or data[start + 4]:
        return data
    v_min, v_max, h_min, h_max, clock = data[start + 5 : start + 10]
    limits = (
        min(v_min, int(timing.refresh)),
        max(v_max, math.ceil(timing.refresh)),
        min(h_min, int(timing.h_rate)),
        max(h_max, math.ceil(timing.h_rate)),
        max(clock, math.ceil(timing.clock / 10_000)),
    )
    return _put(data, start + 5, bytes(min(limit, 255) for limit in limits))


def _get(data: bytes, start: int) -> bytes:
    return data[start : start + DETAILED]


def _put(data: bytes, start: int, piece: bytes) -> bytes:
    return data[:start] + piece + data[start + len(piece) :]
