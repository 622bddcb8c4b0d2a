"""A connection on which bytes are sent as they are, and answers are read."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Self

from tests.waiting import patience

Read = tuple[int, dict[str, str], bytes]
"""An answer: code, headers in small letters, body."""


def inet(address: tuple[str, int] | str) -> tuple[str, int]:
    """Return the address of a listener that is no Unix socket."""
    assert isinstance(address, tuple)
    return address


class Wire:
    """A connection.

    :param address: a Unix socket's is its path
    :param source: the address it comes from
    :param context: for TLS
    """

    def __init__(
        self, address: tuple[str, int] | str, source: str | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(patience())
            self.sock.connect(address)
        else:
            from_there = (source, 0) if source else None
            self.sock = socket.create_connection(address, timeout=patience(), source_address=from_there)
        if context:
            self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, method: str = "GET") -> Read:
        """Read one answer.

        :raises ConnectionError: the connection has ended without one
        """
        first = self.file.readline()
        if not first:
            raise ConnectionAbortedError("no answer")
        code = int(first.split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, value = line.decode("latin-1").split(": ", 1)
            headers[name.lower()] = value
        if method == "HEAD":
            return code, headers, b""
        body = self.file.read(int(headers["content-length"])) if "content-length" in headers else self.file.read()
        return code, headers, body

    def ended(self) -> bool:
        """Wait for the end of what the server sends; tell whether nothing more came."""
        with contextlib.suppress(ConnectionError):
            return self.file.read() == b""
        return True


def request(
    method: str, path: str, *headers: str, body: bytes = b"", version: str = "1.1", host: str = "127.0.0.1"
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
