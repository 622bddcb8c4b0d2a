"""What an EDID says: the display's identity, its modes and its audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from kvmd.edid.blocks import BLOCK, CTA, HEADER, extensions
from kvmd.edid.timings import DETAILED, Timing, read_detailed, table
from kvmd.errors import RequestError

T = TypeVar("T")

DESCRIPTORS = range(54, 54 + 4 * DETAILED, DETAILED)
"""Where the base block's four descriptors begin; the first is the preferred mode (E-EDID 3.10)."""

SERIAL_TEXT, RANGE_LIMITS, NAME, STANDARD_TIMINGS, ESTABLISHED_III, DUMMY = 0xFF, 0xFD, 0xFC, 0xFA, 0xF7, 0x10
"""Tags of descriptors that are no timings (E-EDID 3.10.3)."""

AUDIO, VIDEO, VENDOR, SPEAKERS, EXTENDED = 1, 2, 3, 4, 7
"""Tags of a CTA extension's data blocks (CTA-861-G, table 54)."""

HDMI = bytes.fromhex("030c00")
"""What HDMI's vendor-specific data block begins with."""

_HDMI_VICS = {1: 95, 2: 94, 3: 93, 4: 98}
"""HDMI 1.4's own codes for modes, and CTA-861's for the same (HDMI 1.4b 8.2.3)."""

_ESTABLISHED: tuple[int | tuple[int, int, int], ...] = (
    *((720, 400, 70), (720, 400, 88), 0x04, (640, 480, 67), 0x05, 0x06, 0x08, 0x09),
    *(0x0A, 0x0B, (832, 624, 75), 0x0F, 0x10, 0x11, 0x12, 0x24),
    (1152, 870, 75),
)
"""Established timings I and II (E-EDID 3.8), from the highest bit on: DMT ids, or IBM's and Apple's modes."""

_ESTABLISHED_III = bytes.fromhex(
    "01 02 03 07 0e 0c 13 15  16 17 18 19 20 21 23 25  27 2e 2f 30 31 29 2a 2b"
    "2c 39 3a 3b 3c 33 34 35  36 37 3e 3f 41 42 44 45  46 47 49 4a"
)
"""Established timings III (E-EDID 3.10.3.9), from the highest bit on: DMT ids."""

_ASPECTS = ((16, 10), (4, 3), (5, 4), (16, 9))

_FORMATS = {
    1: "LPCM",
    2: "AC-3",
    3: "MPEG-1",
    4: "MP3",
    5: "MPEG-2",
    6: "AAC LC",
    7: "DTS",
    8: "ATRAC",
    9: "One Bit Audio",
    10: "Enhanced AC-3",
    11: "DTS-HD",
    12: "MAT",
    13: "DST",
    14: "WMA Pro",
}
"""CTA-861-G, table 37."""

_RATES = (32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


class Mode(msgspec.Struct, frozen=True):
    """A mode that an EDID offers.

    :param name: as ``edit`` takes it
    :param width: in pixels
    :param height: in pixels, both fields of an interlaced mode
    :param interlaced: whether it comes in fields
    :param refresh: pictures a second, fields of an interlaced mode
    :param pixel_clock: in Hz, where it is known
    :param source: where it stands: ``detailed``, ``cta`` (with its ``vic``), ``standard`` or ``established``
    :param vic: CTA-861's code of it
    :param preferred: whether it is what the source should send
    :param native: whether it is the display's own
    """

    name: str
    width: int
    height: int
    refresh: float
    interlaced: bool
    pixel_clock: int | None
    source: str
    vic: int | None = None
    preferred: bool = False
    native: bool = False


class Audio(msgspec.Struct, frozen=True):
    """A short audio descriptor (CTA-861-G 7.5.2).

    :param format: of the samples, such as ``LPCM``
    :param channels: at most
    :param rates: of sampling, in Hz
    """

    format: str
    channels: int
    rates: tuple[int, ...]


class Edid(msgspec.Struct, frozen=True):
    """What an EDID says.

    :param maker: the three letters of its PNP id
    :param product: the maker's number for the model
    :param serial: the serial number; 0 for none
    :param year: of manufacture, or that of the model
    :param version: of the EDID's structure, such as ``1.3``
    :param name: of the display, where it is told
    :param serial_text: the serial number as text, where it is told
    :param modes: all that it offers
    :param week: of manufacture; None where ``year`` is that of the model, or no week is told
    :param preferred: the preferred mode, the first of ``modes``
    :param basic_audio: whether it takes stereo LPCM at 32, 44.1 and 48 kHz
    :param audio: what it takes beyond that
    :param hdmi: whether it is an HDMI display's, else DVI or another
    :param blocks: of 128 bytes each
    """

    maker: str
    product: int
    serial: int
    week: int | None
    year: int
    version: str
    name: str | None
    serial_text: str | None
    preferred: Mode | None
    modes: tuple[Mode, ...]
    basic_audio: bool
    audio: tuple[Audio, ...]
    hdmi: bool
    blocks: int


def decode(data: bytes) -> Edid:
    """Decode an EDID; sums are not looked at.

    :raises RequestError: it is not in whole blocks, or the header is wrong
    """
    if not data or len(data) % BLOCK or not data.startswith(HEADER):
        raise RequestError(f"these {len(data)} bytes are no EDID: no whole blocks with the header")
    modes = (*_detailed(data), *_short(data), *_standard(data), *_established(data))
    return Edid(
        maker=_maker(data),
        product=int.from_bytes(data[10:12], "little"),
        serial=int.from_bytes(data[12:16], "little"),
        week=data[16] if 0 < data[16] <= 54 else None,
        year=1990 + data[17],
        version=f"{data[18]}.{data[19]}",
        name=_text(data, NAME),
        serial_text=_text(data, SERIAL_TEXT),
        preferred=next((mode for mode in modes if mode.preferred), None),
        modes=modes,
        basic_audio=any(data[start + 3] & 0x40 for start in extensions(data, CTA)),
        audio=tuple(_audio(data)),
        hdmi=any(tag == VENDOR and content[:3] == HDMI for tag, content in _blocks(data)),
        blocks=len(data) // BLOCK,
    )


def detailed_offsets(data: bytes) -> list[int]:
    """List where detailed timings stand: in the base block, then in the CTA extensions."""
    base = [start for start in DESCRIPTORS if _is_taken(data, start)]
    return [*base, *(start for start in _places(data) if _is_taken(data, start))]


def spare_detailed(data: bytes) -> int | None:
    """Return where a CTA extension has room for one more detailed timing; None if none has."""
    return next((start for start in _places(data) if not any(data[start : start + DETAILED])), None)


def find_descriptor(data: bytes, tag: int) -> int | None:
    """Return where the first descriptor with a tag begins that is no timing; None if there is none."""
    heading = bytes((0, 0, 0, tag))
    return next((start for start in DESCRIPTORS if data[start : start + 4] == heading), None)


def _places(data: bytes) -> Iterator[int]:
    """List the places for detailed timings in the CTA extensions, of which the used ones come first (CTA-861-G 7.5)."""
    for block in extensions(data, CTA):
        if data[block + 2]:
            yield from range(block + data[block + 2], block + BLOCK - DETAILED, DETAILED)


def _is_taken(data: bytes, start: int) -> bool:
    return data[start : start + 2] != b"\0\0"


def _maker(data: bytes) -> str:
    letters = int.from_bytes(data[8:10], "big")
    return "".join(chr(0x40 + (letters >> shift & 0x1F)) for shift in (10, 5, 0))


def _text(data: bytes, tag: int) -> str | None:
    start = find_descriptor(data, tag)
    if start is None:
        return None
    return data[start + 5 : start + DETAILED].partition(b"\n")[0].decode("cp437").strip()


def _detailed(data: bytes) -> Iterator[Mode]:
    natives = sum(data[start + 3] & 0x0F for start in extensions(data, CTA))
    for number, start in enumerate(detailed_offsets(data)):
        timing = read_detailed(data[start : start + DETAILED])
        if timing is not None:
            first = start == DESCRIPTORS[0]
            # the bit says so since EDID 1.4 (E-EDID 3.6.4)
            native = number < natives or (first and bool(data[24] & 0x02))
            yield _mode(timing, "detailed", preferred=first, native=native)


def _short(data: bytes) -> Iterator[Mode]:
    """List the modes that a CTA extension has by their codes."""
    for tag, content in _blocks(data):
        for code in _codes(tag, content):
            native = 129 <= code <= 192
            vic = code & 0x7F if native else code
            timing = table().vic.get(vic)
            if timing is not None:
                yield _mode(timing, "cta", vic=vic, native=native)


def _codes(tag: int, content: bytes) -> bytes:
    """Return the codes of a video data block, one for YCbCr 4:2:0, or HDMI's own (CTA-861-G 7.5.1, 7.5.10)."""
    if tag == VIDEO:
        return content
    if tag == EXTENDED and content[:1] == b"\x0e":
        return content[1:]
    if tag == VENDOR and content[:3] == HDMI and len(content) > 7 and content[7] & 0x20:
        start = 8 + 2 * (content[7] >> 7) + 2 * (content[7] >> 6 & 1)
        count = content[start + 1] >> 5 if len(content) > start + 1 else 0
        return bytes(_HDMI_VICS[code] for code in content[start + 2 : start + 2 + count] if code in _HDMI_VICS)
    return b""


def _standard(data: bytes) -> Iterator[Mode]:
    """List the standard timings (E-EDID 3.9)."""
    pairs = data[38:54]
    more = find_descriptor(data, STANDARD_TIMINGS)
    if more is not None:
        pairs += data[more + 5 : more + 17]
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        if first and (first, second) != (1, 1):
            across, down = _ASPECTS[second >> 6]
            width = (first + 31) * 8
            yield _plain(width, width * down // across, 60 + (second & 0x3F), "standard")


def _established(data: bytes) -> Iterator[Mode]:
    for entry in _chosen(data[35:38], _ESTABLISHED):
        if isinstance(entry, int):
            yield _mode(table().dmt[entry], "established")
        else:
            yield _plain(*entry, "established")
    more = find_descriptor(data, ESTABLISHED_III)
    if more is not None:
        for entry in _chosen(data[more + 6 : more + 12], _ESTABLISHED_III):
            yield _mode(table().dmt[entry], "established")


def _chosen(bits: bytes, entries: Iterable[T]) -> Iterator[T]:
    """Return the entries whose bits are set, from the highest bit on."""
    flags = f"{int.from_bytes(bits, 'big'):0{8 * len(bits)}b}"
    return (entry for flag, entry in zip(flags, entries, strict=False) if flag == "1")


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """List the data blocks of the CTA extensions, by tag (CTA-861-G 7.4); those cut off are left out."""
    for block in extensions(data, CTA):
        start, end = block + 4, block + min(data[block + 2], BLOCK - 1)
        while start < end:
            tag, stop = data[start] >> 5, start + 1 + (data[start] & 0x1F)
            if stop <= end:
                yield tag, data[start + 1 : stop]
            start = stop


def _audio(data: bytes) -> Iterator[Audio]:
    for tag, content in _blocks(data):
        for first, rates, last in zip(*(content[part::3] for part in range(3)), strict=False) if tag == AUDIO else ():
            code = first >> 3 & 0x0F
            name = _FORMATS.get(code) or f"extended format {last >> 3}"
            yield Audio(name, (first & 0x07) + 1, tuple(rate for bit, rate in enumerate(_RATES) if rates >> bit & 1))


def _mode(timing: Timing, source: str, vic: int | None = None, preferred: bool = False, native: bool = False) -> Mode:
    return Mode(
        name=_name(timing.width, timing.height, timing.interlaced, timing.refresh),
        width=timing.width,
        height=timing.height,
        refresh=round(timing.refresh, 3),
        interlaced=timing.interlaced,
        pixel_clock=timing.clock * 1000,
        source=source,
        vic=vic,
        preferred=preferred,
        native=native,
    )


def _plain(width: int, height: int, refresh: float, source: str) -> Mode:
    """Make a mode of which no more is known."""
    name = _name(width, height, False, refresh)
    return Mode(name, width, height, float(refresh), False, None, source)


def _name(width: int, height: int, interlaced: bool, refresh: float) -> str:
    return f"{width}x{height}{'i' if interlaced else ''}@{round(refresh, 2):g}"
