"""A peer that does what no kvmd does: a server of bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.waiting import patience

Behaviour = Callable[[socket.socket, int], object]
"""What is done with a connection, and which one it is, from 0 on."""


@contextmanager
def served_by(behave: Behaviour) -> Iterator[str]:
    """Serve connections with a thread each; give the address as a client takes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            for number in range(1000):
                sock, _ = listener.accept()
                sock.settimeout(patience())
                ended.append(sock)
                threading.Thread(target=run, args=(sock, number), daemon=True).start()

    def run(sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError):
            behave(sock, number)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in ended:
            sock.close()


def read_request(sock: socket.socket) -> bytes:
    """Read a request whose body, if it has one, comes with its headers or at once behind them."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    return data
