"""Addresses: bound before anything runs, and accepted on in the loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from functools import partial

from kvmd.contract.addresses import UNIX, address_of
from kvmd.front.admission import group_of, plain_address
from kvmd.front.answer import refusal, to_bytes
from kvmd.front.binding import Bound
from kvmd.front.connection import RETRY, WHOLE, Connection, Hub
from kvmd.front.request import Refusal
from kvmd.front.site import Site

AT_ONCE = 32
"""Connections that are accepted in one turn of the loop."""
PAUSE = 1.0
"""Seconds for which nothing is accepted once the system gives no more."""
GOODBYE = 2.0
"""Seconds for the end of an encrypted connection."""

_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH}
"""What accept(2) says of one connection, not of the system."""


class Listener:
    """One address of a site."""

    def __init__(self, hub: Hub, site: Site, bound: Bound) -> None:
        self._hub = hub
        self._site = site
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._socket, self._clean = bound
        name = self._socket.getsockname()
        self.address: tuple[str, int] | str = name if isinstance(name, str) else name[:2]
        """As ``getsockname()`` says: a Unix socket's path is a string."""
        self.is_tls = site.certificate is not None

    def __str__(self) -> str:
        where = address_of(self.address)
        if isinstance(self.address, str):
            return f"{where}, with TLS" if self.is_tls else where
        return f"{self._site.scheme}://{where}"

    def listen(self) -> None:
        """Begin to accept, in the running loop."""
        self._retry = None
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def stop(self) -> None:
        """Accept nothing any more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        if self._retry:
            self._retry.cancel()
        for task in self._tasks:
            task.cancel()
        self.close()

    def close(self) -> None:
        """Give the address back."""
        self._clean()
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _GONE:
                    continue
                self._hub.tally.note(f"no connection can be accepted for {PAUSE:.0f} s", error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._socket)
                self._retry = loop.call_later(PAUSE, self.listen)
                return
            # An unnamed Unix socket has no address, and one with a name may have any.
            self._take(sock, (UNIX, 0) if sock.family == socket.AF_UNIX else (plain_address(peer[0]), peer[1]))

    def _take(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        sock.setblocking(False)
        try:
            shared = peer[0] in self._site.proxies
            place = self._hub.admission.admit(group_of(peer[0]), sock.close, shared=shared)
        except Refusal as refused:
            self._hub.tally.note(f"connections refused: {refused}", peer[0])
            self._turn_away(sock, refused)
            return
        connection = Connection(self._hub, self._site, place, peer, time.monotonic())
        task = asyncio.get_running_loop().create_task(self._connect(sock, connection))
        place.end = task.cancel  # until the connection is made
        self._tasks.add(task)
        task.add_done_callback(partial(self._connected, sock))

    def _connected(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            sock.close()  # a task that is cancelled before its first step has not even begun to

    async def _connect(self, sock: socket.socket, connection: Connection) -> None:
        """Give the socket to the loop, once it is encrypted where it is to be."""
        context = self._site.certificate.context if self._site.certificate else None
        timeouts = {"ssl_handshake_timeout": WHOLE, "ssl_shutdown_timeout": GOODBYE} if context else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock, ssl=context, **timeouts)
        except BaseException as error:
            self._hub.admission.leave(connection.place)
            if not isinstance(error, OSError):
                raise

    def _turn_away(self, sock: socket.socket, reason: Refusal) -> None:
        """Say why, if that can be said without waiting."""
        with sock, contextlib.suppress(OSError):
            if self._site.certificate is None:
                sock.send(to_bytes(refusal(reason.code, reason.info, RETRY), closes=True))
                sock.shutdown(socket.SHUT_WR)
                sock.recv(64 * 1024)  # unread, it would reset the connection
