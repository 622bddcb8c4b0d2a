"""A relay between a client and a server that behaves as bad networks do: it stalls, trickles and cuts."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.conftest import HOST
from tests.waiting import patience

SIZE = 64 * 1024


class Relay:
    """Passes bytes on, both ways, for any number of connections.

    :param port: of the server
    :param refuses: how a request begins that is answered with 400 in place of the server, as by a proxy that does not
        pass it on; it has to be the first of its connection
    """

    def __init__(self, port: int, refuses: bytes = b"") -> None:
        self._target = port
        self._refuses = refuses
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._socks: list[socket.socket] = []
        """Closed in the end alone: the other thread of a connection might read from whatever has its number by then."""
        self._flows = threading.Event()
        self._flows.set()
        self._drips = False
        self._threads = [threading.Thread(target=self._accept)]  # and two of each connection
        self._threads[0].start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(patience())
        self._listener.close()
        self.cut()  # after the last that was accepted, which would be waited for else
        self._flows.set()
        for thread in self._threads[1:]:
            thread.join(patience())
        for sock in self._socks:
            sock.close()

    def stall(self) -> None:
        """Keep what comes, and pass nothing on, either way."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on what was kept, and what comes."""
        self._flows.set()

    def trickle(self) -> None:
        """Pass on byte by byte from now on."""
        self._drips = True

    def cut(self) -> None:
        """End all connections, without a word."""
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection((HOST, self._target), timeout=patience())
                self._socks += [client, server]
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for one, other in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass, args=(one, other))
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(SIZE):
                if self._refuses and data.startswith(self._refuses):
                    source.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                    break
                self._flows.wait(patience())
                step = 1 if self._drips else len(data)
                for start in range(0, len(data), step):
                    sink.sendall(data[start : start + step])
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
