"""Servers of the same stream: kvmd's, without and with TLS, and Flask with a thread for each viewer.

``python -m bench.servers kvmd|kvmd-tls|threads BYTES FPS``; each prints its port.
"""

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.serving import make_server

from kvmd.access.certificate import ensure
from kvmd.contract.capture import Frame, PixelFormat
from kvmd.front.app import exchange_of
from kvmd.front.handshake import accept
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.front.tls import Certificate
from kvmd.front.websocket import WebSocket
from kvmd.sockets.messages import Seen, read
from kvmd.video.broadcast import Broadcaster
from kvmd.video.forms import CONTENT_TYPE
from kvmd.video.viewers import Viewer, Viewers
from kvmd.video.watcher import Watcher


def main() -> None:
    """Serve until killed."""
    kind, size, fps = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    kinds: dict[str, Callable[[], Callable[[bytes], None]]] = {
        "kvmd": kvmd,
        "kvmd-tls": partial(kvmd, tls=True),
        "threads": threads,
    }
    publish = kinds[kind]()
    due = time.monotonic()
    picture = os.urandom(size)
    while True:
        publish(bytes(bytearray(picture)))
        # who comes late, skips, as the timer of the C loop does
        due = max(due + 1 / fps, time.monotonic())
        time.sleep(due - time.monotonic() if due > time.monotonic() else 0)


def kvmd(tls: bool = False) -> Callable[[bytes], None]:
    """Serve the stream as kvmd does, without its other parts."""
    broadcaster = Broadcaster()
    viewers = Viewers(broadcaster, lambda _: b"")
    app = Flask("bench")

    @app.get("/stream")
    def stream() -> Response:
        exchange = exchange_of(request.environ)
        exchange.known = True  # or the viewers would be too many strangers from one address
        exchange.taker = lambda: Viewer(viewers, None)
        return Response(content_type=CONTENT_TYPE)

    messages = Viewers(broadcaster, lambda _: b"", broadcaster.message)

    @app.get("/socket", websocket=True)
    def socket() -> Response:
        exchange = exchange_of(request.environ)
        exchange.known = True
        exchange.taker = lambda: WebSocket(Confirming(messages))
        return Response(status=101, headers=accept(request.environ))

    certificate = Certificate(partial(ensure, Path(tempfile.mkdtemp(prefix="kvmd-bench-"))), "") if tls else None
    server = Server([Site(app, ["127.0.0.1:0"], "", 0, certificate, lambda _: True)])
    server.start()
    print(server.listeners[0].address[1], flush=True)
    return lambda jpeg: broadcaster.publish(Frame(jpeg, PixelFormat.MJPEG, 1920, 1080, 0, time.monotonic(), 0))


class Confirming:
    """Somebody who watches on a WebSocket, as a session of kvmd's does.

    :param viewers: among whom
    """

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers
        self._watcher: Watcher

    def opened(self, socket: WebSocket) -> None:
        self._watcher = Watcher(socket.offer)
        self._watcher.watch(self._viewers)

    def heard(self, message: bytes) -> None:
        said = read(message)
        if isinstance(said, Seen):
            self._watcher.seen(said.number)

    def drained(self) -> None:
        self._watcher.want()

    def last_words(self, code: int, reason: str) -> bytes:  # noqa: ARG002  # what a WebSocket calls
        return b""

    def closed(self) -> None:
        self._watcher.watch(None)


class Newest:
    """The newest picture, for threads that wait for it."""

    def __init__(self) -> None:
        self._picture = b""
        self._number = 0
        self._changed = threading.Condition()

    def publish(self, jpeg: bytes) -> None:
        with self._changed:
            self._picture = jpeg
            self._number += 1
            self._changed.notify_all()

    def parts(self) -> Iterator[bytes]:
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._number != seen)  # noqa: B023  # it is called here and now
                seen, picture = self._number, self._picture
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            yield head.encode() + picture + b"\r\n"


def threads() -> Callable[[bytes], None]:
    """Answer with a generator, as most tutorials do."""
    newest = Newest()
    app = Flask("bench")

    @app.get("/stream")
    def stream() -> Response:
        return Response(newest.parts(), content_type="multipart/x-mixed-replace; boundary=frame")

    logging.disable()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return newest.publish


if __name__ == "__main__":
    main()
