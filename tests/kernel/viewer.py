"""A viewer of /stream: reads the parts of the multipart answer as they come."""

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from .daemon import HOST, STREAM_PORT, Daemon
from .waiting import eventually, patience


@dataclass(frozen=True)
class Part:
    """A picture of the stream, with its headers."""

    sequence: int
    timestamp: float
    jpeg: bytes

    def size(self) -> tuple[int, int]:
        """Width and height, without decoding it."""
        return Image.open(io.BytesIO(self.jpeg)).size

    def pixel(self, x: int, y: int) -> tuple[int, ...]:
        """Red, green and blue around a pixel: of the sixteen of which it is one."""
        return pixel(self.sketch(), x // 4, y // 4)

    def sketch(self) -> Image.Image:
        """The picture at a quarter of its width and height, which takes a fraction of the time to decode."""
        image = Image.open(io.BytesIO(self.jpeg))
        width, height = image.size
        image.draft("RGB", (width // 4, height // 4))
        return image.convert("RGB")


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """Return red, green and blue of a pixel."""
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


class Viewer:
    """One connection to /stream, read in a thread so that nothing is missed."""

    def __init__(self, daemon: Daemon) -> None:
        self.parts: list[Part] = []
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection(HOST, STREAM_PORT, timeout=patience())
        self._connection.request("GET", "/stream", headers={"Authorization": f"Bearer {daemon.token}"})
        self._sock = self._connection.sock
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self._thread = threading.Thread(target=self._read, name="viewer", daemon=True)
        self._thread.start()

    def wait_for(self, wanted: Callable[[Part], bool], what: str) -> Part:
        """Wait for a picture, among those that come from now on; each is looked at once."""
        number = len(self.parts)

        def look() -> Part | None:
            nonlocal number
            while number < len(self.parts):
                part = self.parts[number]
                number += 1
                if wanted(part):
                    return part
            return None

        return eventually(look, what)

    def close(self) -> None:
        """Hang up."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _read(self) -> None:
        # the answer to hanging up while pictures are on their way
        with contextlib.suppress(ConnectionResetError):
            self._read_parts()
        self.ended.set()

    def _read_parts(self) -> None:
        stream = self._response
        while stream.readline():  # the boundary; nothing comes any more once one of us has hung up
            headers = http.client.parse_headers(stream)
            if "Content-Length" not in headers:
                break
            jpeg = stream.read(int(headers["Content-Length"]))
            if stream.readline() != b"\r\n":
                break
            self.parts.append(Part(int(headers["X-Sequence"]), float(headers["X-Timestamp"]), jpeg))
