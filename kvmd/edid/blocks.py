"""The blocks of an EDID: read from a file's content, checked and mended."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmd.errors import RequestError

BLOCK = 128
"""Bytes of a block; the last makes the block's sum 0 modulo 256 (E-EDID 3.11)."""

MAX_BLOCKS = 256
"""The base block, and as many extensions as its count can tell."""

HEADER = bytes.fromhex("00 ff ff ff ff ff ff 00")
"""What the base block begins with (E-EDID 3.3)."""

EXTENSIONS = 126
"""Where the base block counts the blocks that follow it (E-EDID 3.11)."""

CTA = 0x02
"""The tag, a block's first byte, of the CTA-861 extension."""

_DUMP = re.compile(rb"edid-decode \(hex\):(.*?)(?:^-{4,}|\Z)", re.DOTALL | re.MULTILINE)
"""The bytes in what edid-decode prints; its reading of them follows."""


def read(content: bytes) -> bytes:
    """Read an EDID from a file's content: binary, or hex text as xxd -p, edid-decode and C write it.

    :return: the bytes, which are not checked
    :raises RequestError: it is neither
    """
    if not content.strip():
        raise RequestError("the EDID is empty; to show the source none, clear it")
    dump = _DUMP.search(content)
    digits = re.sub(rb"0[xX]|[\s,;:{}]", b"", dump[1] if dump else content)
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        pass
    if len(content) % BLOCK == 0 or content.startswith(HEADER):
        return content
    raise RequestError("this is no EDID: neither hex digits alone, nor binary in blocks of 128 bytes")


def check(data: bytes) -> None:
    """Check an EDID's length, header, count of blocks and sums.

    :raises RequestError: says what is wrong in which block, and the way out
    """
    _check_length(data)
    if not data.startswith(HEADER):
        raise RequestError(f"block 0: the header is {data[:8].hex(' ')} and has to be {HEADER.hex(' ')}: no EDID")
    wrong = [*_wrong_sums(data)]
    extensions = len(data) // BLOCK - 1
    if data[EXTENSIONS] != extensions:
        wrong.append(f"block 0: it counts {data[EXTENSIONS]} extension blocks and {extensions} follow")
    if wrong:
        raise RequestError(f'{"; ".join(wrong)}; let it be mended (--mend, or "mend": true) if the rest is right')


def mend(data: bytes) -> bytes:
    """Set the count of extension blocks and all sums right.

    :raises RequestError: it is not in whole blocks
    """
    _check_length(data)
    mended = bytearray(data)
    mended[EXTENSIONS] = len(data) // BLOCK - 1
    for start in range(0, len(data), BLOCK):
        mended[start + BLOCK - 1] = _right_sum(mended[start : start + BLOCK])
    return bytes(mended)


def extensions(data: bytes, tag: int) -> Iterator[int]:
    """List where the extension blocks with a tag begin."""
    return (start for start in range(BLOCK, len(data), BLOCK) if data[start] == tag)


def _check_length(data: bytes) -> None:
    if not data or len(data) % BLOCK or len(data) > MAX_BLOCKS * BLOCK:
        raise RequestError(
            f"block {len(data) // BLOCK}: an EDID has 1 to {MAX_BLOCKS} blocks of {BLOCK} bytes, not {len(data)} bytes"
        )


def _wrong_sums(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        if block[-1] != _right_sum(block):
            yield f"block {start // BLOCK}: its sum is 0x{block[-1]:02x} and has to be 0x{_right_sum(block):02x}"


def _right_sum(block: bytes | bytearray) -> int:
    return -sum(block[:-1]) % 256
