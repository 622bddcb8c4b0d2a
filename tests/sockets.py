"""A client of the socket: a real one, the package websockets, with what tests want to know of what came."""

from __future__ import annotations

import json
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.conftest import HOST, Daemon
from tests.waiting import patience

News = dict[str, Any]


class Picture(NamedTuple):
    """A binary message, taken apart as docs/socket.md says."""

    version: int
    kind: int
    flags: int
    header: int
    number: int
    time: float
    width: int
    height: int
    jpeg: bytes

    @classmethod
    def read(cls, data: bytes) -> Picture:
        return cls._make([*struct.unpack_from(">BBBBIdII", data), data[data[3] :]])

    @property
    def is_live(self) -> bool:
        return bool(self.flags & 2)


class Socket:
    """Somebody who has a socket.

    :param port: of a proxy or relay, if not the daemon's own
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        token: str | None = None,
        port: int | None = None,
        context: ssl.SSLContext | None = None,
        path: str = "/api/ws",
        **options: Any,
    ) -> None:
        scheme = "wss" if context else "ws"
        headers = {"Authorization": f"Bearer {token or daemon.token}", **options.pop("additional_headers", {})}
        self.connection: ClientConnection
        self._opening = connect(
            f"{scheme}://{HOST}:{port or daemon.port}{path}",
            additional_headers=headers,
            ssl=context,
            open_timeout=patience(),
            close_timeout=patience(),
            ping_interval=None,
            max_size=None,
            max_queue=None,  # or the close would wait behind what nobody reads
            **options,
        )
        self.ahead = float("-inf")
        self._number = 0

    def __enter__(self) -> Self:
        self.connection = self._opening.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opening.__exit__(*error)

    @property
    def now(self) -> float:
        """The daemon's clock, as this client knows it."""
        return time.monotonic() * 1000 + self.ahead

    def send(self, kind: str, **members: Any) -> None:
        self.connection.send(json.dumps({"type": kind, **members}))

    def receive(self) -> News | Picture:
        """Return the next message.

        :raises ConnectionClosed: there is none
        """
        data = self.connection.recv(patience())
        if isinstance(data, bytes):
            return Picture.read(data)
        news: News = json.loads(data)
        self.ahead = max(self.ahead, news["now"] - time.monotonic() * 1000)
        return news

    def wait(self, *types: str, wanted: Callable[[News], object] = lambda _: True) -> News:
        """Return the next news of these types that is wanted; pictures are left out."""
        while True:
            news = self.receive()
            if isinstance(news, dict) and news["type"] in types and wanted(news):
                return news

    def picture(self, wanted: Callable[[Picture], object] = lambda _: True) -> Picture:
        """Return the next picture that is wanted, and confirm all."""
        while True:
            picture = self.receive()
            if isinstance(picture, Picture):
                self.send("seen", number=picture.number)
                if wanted(picture):
                    return picture

    def ask(self, kind: str, **members: Any) -> News:
        """Send a message and return its answer."""
        self._number += 1
        number = self._number
        self.send(kind, id=number, **members)
        return self.wait("done", "refused", "pong", wanted=lambda news: news["id"] == number)

    def do(self, kind: str, **members: Any) -> News:
        """Have something done."""
        answer = self.ask(kind, **members)
        assert answer["type"] in {"done", "pong"}, answer
        return answer

    def refused(self, kind: str, **members: Any) -> News:
        """Have something refused."""
        answer = self.ask(kind, **members)
        assert answer["type"] == "refused", answer
        return answer

    def end(self) -> tuple[int, str, News | None]:
        """Read to the end; return the close code and reason, and the ``ended`` before it."""
        ended = None
        try:
            while True:
                news = self.receive()
                if isinstance(news, dict) and news["type"] == "ended":
                    ended = news
        except ConnectionClosed as closed:
            close = closed.rcvd
        if close is None:
            raise ConnectionAbortedError("it was cut")
        return close.code, close.reason, ended
