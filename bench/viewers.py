"""Viewers of a stream, as many as wanted in one process; they count whole pictures and the server's CPU time.

Only the standard library, as this runs in the kernel lab's guest too. Prints one line of JSON.
"""

import argparse
import json
import select
import socket
import ssl
import time

from bench import cpu

ROOM = 1 << 20
PICTURE = 24
"""Bytes of a picture's header, see docs/socket.md."""
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


class Viewer:
    """One connection, read just so far that its pictures can be counted.

    :param address: the server
    :param request: what to send
    :param context: for TLS
    """

    def __init__(self, address: tuple[str, int], request: bytes, context: ssl.SSLContext | None = None) -> None:
        self.pictures = 0
        self.size = 0
        self.sock = socket.create_connection(address, timeout=60)
        if context:
            self.sock = context.wrap_socket(self.sock)
        self.sock.sendall(request)
        if not context:
            self.sock.recv(1, socket.MSG_PEEK)  # one after the other: a server may take a crowd for an attack
        self.sock.setblocking(False)
        self._head = b""
        self._left = 0

    def read(self, room: memoryview) -> bool:
        """Take what has come; false at the end."""
        while True:
            try:
                count = self.sock.recv_into(room)
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            self._take(room[:count])
            if not count or not isinstance(self.sock, ssl.SSLSocket):
                return count > 0

    def _take(self, data: memoryview) -> None:
        while data:
            if self._left:
                used = min(self._left, len(data))
                self._left -= used
                self.pictures += self._left == 0
                data = data[used:]
            else:
                data = self._take_head(data)

    def _take_head(self, data: memoryview) -> memoryview:
        """Look for the empty line; a head with a length is a picture's."""
        before = len(self._head)
        self._head += bytes(data[:1024])
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return data[1024:]
        head = self._head[:end].lower()
        self._head = b""
        _, found, length = head.partition(b"content-length:")
        if found:
            self._left = self.size = int(length.split()[0])
        return data[end + 4 - before :]


class SocketViewer(Viewer):
    """One on a WebSocket, who confirms each picture."""

    def _take_head(self, data: memoryview) -> memoryview:
        """Look for the end of the handshake, then for the head of a frame and a picture's header."""
        before = len(self._head)
        self._head += bytes(data[:1024])
        if not self.size:
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                return data[1024:]
            self.size, self._head = 1, b""
            return data[end - before :]
        size = self._head[1] if len(self._head) > 1 else 0
        start = {126: 4, 127: 10}.get(size, 2)
        if size and len(self._head) < start + PICTURE:
            return data[1024:]
        length = int.from_bytes(self._head[2:start], "big") if start > 2 else size
        if length:
            self.size, self._left = length, length - PICTURE
            self._confirm(int.from_bytes(self._head[start + 4 : start + 8], "big"))
            start += PICTURE
        elif len(self._head) < start:
            return data[1024:]
        self._head = b""
        return data[start - before :]

    def _confirm(self, number: int) -> None:
        """Confirm it as it begins; a mask of zeros changes nothing."""
        said = json.dumps({"type": "seen", "number": number}).encode()
        self.sock.send(bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said)


class Crowd:
    """All viewers."""

    def __init__(self, viewers: list[Viewer]) -> None:
        self.viewers = {viewer.sock.fileno(): viewer for viewer in viewers}
        self._room = memoryview(bytearray(ROOM))
        self._epoll = select.epoll()
        for fd in self.viewers:
            self._epoll.register(fd, select.EPOLLIN)

    @property
    def pictures(self) -> int:
        return sum(viewer.pictures for viewer in self.viewers.values())

    def watch(self, seconds: float) -> None:
        """Read for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for fd, _ in self._epoll.poll(left):
                if not self.viewers[fd].read(self._room):
                    raise EOFError("the server ended a stream")


def main() -> None:
    """Watch, and print what was seen."""
    given = _parse()
    version, more = ("1.1", HANDSHAKE) if given.socket else ("1.0", "")
    request = f"GET {given.path} HTTP/{version}\r\nHost: {given.host}\r\n{more}\r\n".encode()
    context = any_certificate() if given.tls else None
    kind = SocketViewer if given.socket else Viewer
    crowd = Crowd([kind((given.host, given.port), request, context) for _ in range(given.viewers)])
    crowd.watch(given.settle)
    pictures, used, begin = crowd.pictures, cpu.of_process(given.pid), time.monotonic()
    crowd.watch(given.seconds)
    result = {
        "pictures": crowd.pictures - pictures,
        "cpu": cpu.of_process(given.pid) - used,
        "seconds": time.monotonic() - begin,
        "size": max((viewer.size for viewer in crowd.viewers.values()), default=0),
    }
    print(json.dumps(result))


def any_certificate() -> ssl.SSLContext:
    """Make what speaks TLS with whoever is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.viewers")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/stream")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--socket", action="store_true", help="watch on a WebSocket, and confirm each picture")
    parser.add_argument("--viewers", type=int, required=True)
    parser.add_argument("--settle", type=float, default=1.0, help="seconds before it counts")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server, whose CPU time is taken")
    return parser.parse_args()


if __name__ == "__main__":
    main()
