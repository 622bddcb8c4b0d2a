"""The pictures in a multipart stream (RFC 2046, section 5.1): bytes in, pictures out, no I/O."""

from __future__ import annotations

import re
from email.message import Message
from typing import Final

LIMIT: Final = 8 << 20
"""Bytes of a picture, with its headers, at most."""

_LENGTH: Final = re.compile(rb"^content-length:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class NotMultipart(Exception):
    """What came is not a stream of pictures, or one of them is too large."""


def boundary_of(content_type: str) -> bytes:
    """Return what stands between two pictures, from the answer's Content-Type.

    :raises NotMultipart: the answer is not in parts
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() != "multipart" or not boundary:
        raise NotMultipart(f"it sends {content_type or 'no Content-Type'}, not multipart/x-mixed-replace")
    # Some cameras name the boundary with the dashes that stand before it.
    return b"--" + boundary.removeprefix("--").encode("latin-1")


class Pictures:
    """Takes a stream apart.

    :param boundary: what stands between two pictures, dashes included
    """

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pictures that are whole now, in order.

        :raises NotMultipart: one is too large
        """
        self._buffer += data
        found = []
        while (picture := self._take()) is not None:
            found.append(picture)
        if len(self._buffer) > LIMIT:
            raise NotMultipart(f"it sends more than {LIMIT >> 20} MB without an end of a picture")
        return found

    def _take(self) -> bytes | None:
        """Cut the first picture out of what has come; None if it is not whole."""
        begin = self._buffer.find(self._boundary)
        head = self._buffer.find(b"\r\n\r\n", begin)
        if begin < 0 or head < 0:
            return None
        body = head + 4
        length = _LENGTH.search(self._buffer, begin, head + 2)
        end = body + int(length[1]) if length else self._buffer.find(b"\r\n" + self._boundary, body)
        if end < body or end > len(self._buffer):
            return None
        picture = bytes(self._buffer[body:end])
        del self._buffer[:end]
        return picture
