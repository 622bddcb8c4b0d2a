"""Whether the web answers: one real request through each listener, again and again."""

from __future__ import annotations

import socket
import threading
from typing import NamedTuple

from kvmd.system.pulse import Pulse

REQUEST = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""It goes through the whole server and the app, and is refused there: it has no login."""


class Listener(NamedTuple):
    """An address on which the web listens.

    :param address: as ``getsockname()`` says; a Unix socket's path is a string
    :param is_tls: whether TLS is spoken there
    """

    address: tuple[str, int] | str
    is_tls: bool = False

    def __str__(self) -> str:
        if isinstance(self.address, str):
            return f"unix:{self.address}"
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Probe:
    """Asks one listener in a thread of its own; each answer, whatever it is, is a beat.

    :param limit: seconds without an answer after which the listener hangs
    """

    def __init__(self, listener: Listener, limit: float) -> None:
        self.pulse = Pulse(f"web {listener}")
        self._listener = listener
        self._pace = limit / 3
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kvmd-probe {listener}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self.pulse.beat("no request was answered")
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; it was started."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pace):
            if answers(self._listener, self._pace):
                self.pulse.beat("no request was answered")
        self.pulse.rest()


def answers(listener: Listener, seconds: float) -> bool:
    """Tell whether anything comes back within so many seconds of each step.

    An answer, whatever it says; or the end of the connection, where there is no place for one more: who refuses lives.
    """
    try:
        sock = _connect(listener.address, seconds)
    except OSError:
        return False
    try:
        with _with_tls(sock) if listener.is_tls else sock as line:
            line.sendall(REQUEST)
            line.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _connect(address: tuple[str, int] | str, seconds: float) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, seconds)  # what stands for all addresses leads here, too
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _with_tls(sock: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415  # it is slow to import, and not every listener needs it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it is this process that answers, with a certificate of its own making
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise
