"""Servers of the same stream: kvmd's broadcaster, and Flask with a thread for each viewer. Each prints its port.

``python -m bench.servers kvmd|threads BYTES FPS``
"""

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from cheroot import wsgi
from flask import Flask, Response

from kvmd.contract.capture import Frame, PixelFormat
from kvmd.video.broadcast import Broadcaster

THREADS = 120
"""More than there are viewers."""


def main() -> None:
    """Serve until killed."""
    kind, size, fps = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    publish = {"kvmd": kvmd, "threads": threads}[kind]()
    due = time.monotonic()
    picture = os.urandom(size)
    while True:
        publish(bytes(bytearray(picture)))
        # who comes late, skips, as the timer of the C loop does
        due = max(due + 1 / fps, time.monotonic())
        time.sleep(due - time.monotonic() if due > time.monotonic() else 0)


def kvmd() -> Callable[[bytes], None]:
    """Hand every connection to the broadcaster."""
    broadcaster = Broadcaster()
    broadcaster.start()
    threading.Thread(target=_accept, args=[broadcaster], daemon=True).start()
    return lambda jpeg: broadcaster.publish(Frame(jpeg, PixelFormat.MJPEG, 1920, 1080, 0, time.monotonic(), 0))


def _accept(broadcaster: Broadcaster) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=THREADS) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            sock, _ = server.accept()
            sock.recv(4096)
            broadcaster.add(sock, None)


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
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=THREADS, request_queue_size=THREADS)
    server.prepare()
    print(server.bind_addr[1], flush=True)
    threading.Thread(target=server.serve, daemon=True).start()
    return newest.publish


if __name__ == "__main__":
    main()
