"""A simulated camera: a real HTTP server that sends MJPEG. ``python -m kvmd_netcam.simulator`` runs one by itself."""

from __future__ import annotations

import base64
import contextlib
import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

from PIL import Image

RATE: Final = 25
"""Pictures a second."""


def picture(colour: str, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a JPEG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


class Simulator(ThreadingHTTPServer):
    """The camera, on a port of its own.

    :param login: ``USER:PASSWORD`` that it asks for
    """

    daemon_threads = True

    def __init__(self, login: str = "", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.picture: bytes | None = picture("green")
        """What it sees; None: nothing is sent any more, though the connections stay."""
        self.login = base64.b64encode(login.encode()).decode()
        self.off = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/video"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off: connections end, and nobody listens any more."""
        self.off.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Simulator

    def do_GET(self) -> None:
        """Send the stream, until the camera is off or the client has gone."""
        if self.server.login and self.headers["Authorization"] != f"Basic {self.server.login}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        multipart = self.path == "/video"
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame" if multipart else "text/html")
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone
            while multipart and not self.server.off.wait(1 / RATE):
                self._send(self.server.picture)

    def _send(self, data: bytes | None) -> None:
        if data:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), Simulator(port=8090) as camera:
        sys.stdout.write(f"a camera at {camera.url}; Ctrl+C ends it\n")
        sys.stdout.flush()
        threading.Event().wait()
