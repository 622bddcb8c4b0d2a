"""The video as a client reads it: the parts of a multipart answer, each there in time or not at all."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from typing import NamedTuple

from kvmd.client.connection import Opened
from kvmd.client.errors import StreamEnded, Unreachable

MAX_HEAD = 8 * 1024
MAX_PICTURE = 64 * 1024 * 1024
"""Bytes of a part's headers, and of a picture; more is no stream of ours."""

CHUNK = 64 * 1024


class Picture(NamedTuple):
    """A picture of the stream.

    :param data: a JPEG
    :param timestamp: when it was captured, in seconds since 1970 by the daemon's clock
    :param sequence: its number; a gap shows pictures that were skipped
    """

    data: bytes
    timestamp: float
    sequence: int


class Pictures:
    """Reads the pictures of an answer.

    :param timeout: seconds within which each picture has to be there whole
    """

    def __init__(self, opened: Opened, timeout: float) -> None:
        self._sock, self._response = opened
        self._timeout = timeout
        self._deadline = 0.0
        self._buffer = bytearray()

    def read(self) -> Iterator[Picture]:
        """Return one picture after the other.

        :raises StreamEnded: there will be no more
        :raises Unreachable: one did not come in time, or what comes is no stream of ours
        """
        while True:
            self._deadline = time.monotonic() + self._timeout
            head = BytesHeaderParser().parsebytes(self._until(b"\r\n\r\n").partition(b"\r\n")[2])
            picture = self._picture(head)
            self._until(b"\r\n")
            if "X-Ended" in head:
                raise StreamEnded(str(head["X-Ended"]))
            yield picture

    def _picture(self, head: Message) -> Picture:
        try:
            size, stamp, number = int(head["Content-Length"]), float(head["X-Timestamp"]), int(head["X-Sequence"])
        except (TypeError, ValueError):
            size = -1
        if not 0 <= size <= MAX_PICTURE:
            raise Unreachable(f"no stream of kvmd: a part has the headers {dict(head)}")
        return Picture(self._take(size), stamp, number)

    def _until(self, mark: bytes) -> bytes:
        """Return what comes before the mark, which is left out."""
        while (found := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Unreachable("no stream of kvmd: a part has no end of its headers")
            self._more()
        taken = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return taken

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _more(self) -> None:
        """Wait for more bytes, until the picture's deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        self._sock.settimeout(left)
        try:
            data = self._response.read1(CHUNK)
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, http.client.HTTPException) as error:
            raise StreamEnded(f"the stream broke off: {error}") from error
        if not data:
            raise StreamEnded("the daemon ended the stream")
        self._buffer += data

    def _late(self) -> Unreachable:
        return Unreachable(f"no whole picture came within {self._timeout:g} s")
