"""EDIDs by name: those that kvmd ships, made from a table of what each offers, and files.

Each of ours is EDID 1.3, as HDMI wants it, with a CTA extension: a display of 96 dots an inch that takes RGB and stereo
LPCM. None offers an interlaced mode, as kvmd cannot capture those. The maker's id KVH is not registered for anyone.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from kvmd.edid.blocks import BLOCK, CTA, HEADER, mend, read
from kvmd.edid.decoding import AUDIO, DUMMY, EXTENDED, HDMI, NAME, RANGE_LIMITS, SPEAKERS, VENDOR, VIDEO
from kvmd.edid.editing import describe_text
from kvmd.edid.timings import DETAILED, Timing, table, write_detailed
from kvmd.errors import RequestError

_MAKER = sum((ord(letter) - 0x40) << shift for letter, shift in zip("KVH", (10, 5, 0), strict=True))

_SRGB = bytes.fromhex("ee 91 a3 54 4c 99 26 0f 50 54")
"""The chromaticity of sRGB (E-EDID 3.7)."""

REMEMBERED = "edid"
"""Under this name drivers remember the EDID that was set last (``kvmd.remember``); an empty one was cleared."""

_DOTS_PER_MM = 96 / 25.4


class _Profile(msgspec.Struct, frozen=True):
    """What an EDID of ours offers.

    :param vics: CTA-861's codes of its modes; the first is the preferred one
    :param standard: further modes, as standard timings (E-EDID 3.9)
    :param clock: the fastest mode's pixel clock, in MHz
    :param lines: most lines a second of any mode, in kHz
    """

    product: int
    name: str
    vics: tuple[int, ...]
    standard: bytes
    clock: float
    lines: int


_SMALL = (19, 3, 18, 2, 17, 1)
"""720p50, 480p and 576p wide and narrow, 640x480."""

_FILM = (34, 33, 32)
"""1080p at 30, 25 and 24 Hz."""

_PROFILES = {
    "1080p60": _Profile(1, "kvmd 1080p60", (16, 31, *_FILM, 4, *_SMALL), bytes.fromhex("8180 9500 b300"), 148.5, 68),
    # more than the 972 Mbit/s of each of two CSI lanes would be 1080p60 as UYVY
    "1080p50-2lane": _Profile(2, "kvmd 1080p50", (4, 31, *_FILM, *_SMALL), bytes.fromhex("8180 9500 b300"), 148.5, 68),
    "720p60": _Profile(3, "kvmd 720p60", (4, *_SMALL), b"", 74.25, 49),
}


def profiles() -> list[str]:
    """Name the EDIDs that kvmd ships."""
    return list(_PROFILES)


def profile(name: str) -> bytes:
    """Return an EDID that kvmd ships.

    :raises RequestError: there is none of this name
    """
    if name not in _PROFILES:
        raise RequestError(f'there is no EDID profile "{name}"; there are: {", ".join(_PROFILES)}')
    made = _PROFILES[name]
    return mend(_base(made) + _extension(made))


def load(given: str) -> bytes:
    """Return the EDID that a person names: one that kvmd ships, else a file's content, see ``read``.

    :return: the bytes, of which those of a file are not checked
    :raises RequestError: there is no such file, or it holds no EDID
    """
    if given in _PROFILES:
        return profile(given)
    try:
        return read(Path(given).read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestError(
            f"{given} cannot be read ({reason}); name a file or one of {', '.join(_PROFILES)}"
        ) from error


def _base(made: _Profile) -> bytes:
    """Make the base block (E-EDID 3), its sum left out."""
    preferred = table().vic[made.vics[0]]
    width, height = _size_mm(preferred)
    return b"".join(
        (
            HEADER,
            _MAKER.to_bytes(2, "big"),
            made.product.to_bytes(2, "little"),
            (1).to_bytes(4, "little"),  # the serial number
            bytes((1, 2025 - 1990, 1, 3)),  # the week and the year it was made, EDID 1.3
            # digital; the size in cm; gamma 2.2; RGB, sRGB, with a preferred mode
            bytes((0x80, round(width / 10), round(height / 10), 120, 0x0E)),
            _SRGB,
            bytes.fromhex("21 08 00"),  # 640x480, 800x600, 1024x768 at 60 Hz
            made.standard.ljust(16, b"\1"),
            write_detailed(preferred, (width, height)),
            describe_text(NAME, made.name),
            bytes((0, 0, 0, RANGE_LIMITS, 0, 24, 61, 27, made.lines, math.ceil(made.clock / 10), 0, 0x0A)).ljust(
                DETAILED
            ),
            bytes((0, 0, 0, DUMMY)).ljust(DETAILED, b"\0"),
            bytes((1, 0)),  # the count of extensions
        )
    )


def _extension(made: _Profile) -> bytes:
    """Make the CTA extension (CTA-861-G 7.5), its sum left out."""
    blocks = b"".join(
        (
            _block(VIDEO, bytes(made.vics)),
            _block(AUDIO, bytes.fromhex("09 07 07")),  # LPCM, 2 channels; 32, 44.1, 48 kHz; 16, 20, 24 bits
            _block(SPEAKERS, bytes.fromhex("01 00 00")),  # left and right
            # at 1.0.0.0 in the tree of HDMI; no deep colour; the highest clock in 5 MHz
            _block(VENDOR, HDMI + bytes((0x10, 0, 0, math.ceil(made.clock / 5)))),
            _block(EXTENDED, bytes((0, 0x4A))),  # RGB's range can be chosen; always underscanned
        )
    )
    # revision 3; underscans, takes basic audio, one native mode in detail
    return (bytes((CTA, 3, 4 + len(blocks), 0xC1)) + blocks).ljust(BLOCK, b"\0")


def _block(tag: int, content: bytes) -> bytes:
    return bytes((tag << 5 | len(content),)) + content


def _size_mm(timing: Timing) -> tuple[int, int]:
    return round(timing.width / _DOTS_PER_MM), round(timing.height / _DOTS_PER_MM)
