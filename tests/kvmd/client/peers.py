"""Peers that do what no kvmd does: a server of bytes, and a Unix socket before a daemon."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import patience

Behaviour = Callable[[socket.socket, int], object]
"""What is done with a connection, and which one it is, from 0 on."""


@contextmanager
def served_by(behave: Behaviour, path: Path | None = None) -> Iterator[str]:
    """Serve connections with a thread each; give the address as a client takes it.

    :param path: of a Unix socket, in place of a port
    """
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen()
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
        yield f"unix:{path}" if path else f"http://127.0.0.1:{listener.getsockname()[1]}"
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


@contextmanager
def before(port: int, path: Path) -> Iterator[str]:
    """Pass a Unix socket on to a daemon."""

    def pass_on(sock: socket.socket, _: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=patience()) as daemon:
            back = threading.Thread(target=pump, args=(daemon, sock), daemon=True)
            back.start()
            pump(sock, daemon)
            back.join()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    with served_by(pass_on, path) as address:
        yield address
