"""Pictures over HTTP: a single one, a stream, and what stands in for them when there is none."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import HOST, Daemon
from tests.waiting import eventually, patience


class Stream:
    """A client of /stream: the answer's head, then one picture after the other."""

    def __init__(self, daemon: Daemon, path: str = "/stream", version: str = "1.1", port: int | None = None) -> None:
        self.sock = socket.create_connection((HOST, port or daemon.video_port), timeout=patience())
        head = f"GET {path} HTTP/{version}\r\nHost: {HOST}\r\nAuthorization: Bearer {daemon.token}\r\n\r\n"
        self.sock.sendall(head.encode())
        self.file = self.sock.makefile("rb")
        self.status = self.file.readline()
        self.headers = http.client.parse_headers(self.file)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def __iter__(self) -> Iterator[tuple[http.client.HTTPMessage, bytes]]:
        assert self.status == b"HTTP/1.1 200 OK\r\n"
        boundary = str(self.headers.get_param("boundary")).encode()
        assert self.file.readline() == b"--%s\r\n" % boundary
        while True:
            headers = http.client.parse_headers(self.file)
            body = self.file.read(int(headers["Content-Length"]))
            assert self.file.readline() == b"\r\n"
            assert self.file.readline() == b"--%s\r\n" % boundary
            yield headers, body


def pixels(jpeg: bytes) -> NDArray[np.int_]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def is_slate(jpeg: bytes) -> bool:
    """A slate's background is not the colour of the computer's screen."""
    return bool(np.abs(pixels(jpeg)[5, 5] - (16, 20, 26)).max() < 5)


@pytest.fixture(autouse=True)
def _plugged_in(daemon: Daemon) -> Iterator[None]:
    yield
    daemon.computer.plug_video(True)
    eventually(lambda: daemon.kvm.video.slot.is_online, "the signal")
    eventually(lambda: not daemon.kvm.video.broadcaster.watched, "nobody watching")


@pytest.mark.parametrize("port", ["port", "video_port"])
def test_a_snapshot_is_one_jpeg(daemon: Daemon, port: str) -> None:
    answer = daemon.get("/snapshot", port=getattr(daemon, port))
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert pixels(answer.body).shape == (720, 1280, 3)
    assert not is_slate(answer.body)


def test_a_snapshot_shows_what_was_typed_before_it(daemon: Daemon) -> None:
    before = pixels(daemon.get("/snapshot").body)
    daemon.post("/keyboard", {"keycodes": ["KeyM"]})
    after = pixels(daemon.get("/snapshot").body)
    row, column = daemon.computer.state().cursor
    cell = (slice(row * 28, row * 28 + 28), slice((column - 1) * 16, column * 16))
    assert np.abs(after[cell] - before[cell]).max() > 100


def test_a_snapshot_without_a_signal_is_a_slate(daemon: Daemon) -> None:
    daemon.computer.plug_video(False)
    answer = daemon.get("/snapshot?timeout=0.1")
    assert answer.code == 503
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert is_slate(answer.body)


def test_a_snapshot_waits_for_the_signal(daemon: Daemon) -> None:
    daemon.computer.plug_video(False)
    eventually(lambda: not daemon.kvm.video.slot.is_online, "the loss")
    threading.Timer(0.3, daemon.computer.plug_video, (True,)).start()
    answer = daemon.get("/snapshot?timeout=30")
    assert answer.code == 200
    assert not is_slate(answer.body)


@pytest.mark.parametrize("timeout", ["x", "", "-1", "61", "nan", "inf", "1e400"])
def test_a_timeout_that_makes_no_sense(daemon: Daemon, timeout: str) -> None:
    answer = daemon.get(f"/snapshot?timeout={timeout}")
    assert (answer.code, answer.json["status"]) == (400, 0)
    assert answer.json["info"].startswith("timeout=")


@pytest.mark.parametrize("fps", ["x", "", "0", "-1", "nan", "inf"])
def test_a_rate_that_makes_no_sense(daemon: Daemon, fps: str) -> None:
    answer = daemon.get(f"/stream?fps={fps}")
    assert (answer.code, answer.json["status"]) == (400, 0)
    assert answer.json["info"].startswith("fps=")


def test_a_head_of_a_snapshot_has_no_body(daemon: Daemon) -> None:
    answer = daemon.request("HEAD", "/snapshot")
    assert (answer.code, answer.headers["Content-Type"], answer.body) == (200, "image/jpeg", b"")


def test_a_head_of_the_stream_says_what_it_is(daemon: Daemon) -> None:
    answer = daemon.request("HEAD", "/stream", port=daemon.video_port)
    assert (answer.code, answer.body) == (200, b"")
    assert answer.headers.get_content_type() == "multipart/x-mixed-replace"
    assert daemon.kvm.video.broadcaster.viewers == 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("multipart/mixed", "multipart/mixed"),
        ("*/*", "multipart/x-mixed-replace"),
        ("image/avif,image/webp,*/*;q=0.8", "multipart/x-mixed-replace"),
        ("image/jpeg", "multipart/x-mixed-replace"),
    ],
)
def test_who_asks_for_a_plain_multipart_gets_it(daemon: Daemon, accept: str, kind: str) -> None:
    answer = daemon.request("HEAD", "/stream", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == f"{kind}; boundary=kvmd"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("port", ["port", "video_port"])
def test_the_stream_is_a_multipart_of_jpegs(daemon: Daemon, version: str, port: str) -> None:
    with Stream(daemon, version=version, port=getattr(daemon, port)) as stream:
        assert stream.headers.get_content_type() == "multipart/x-mixed-replace"
        assert stream.headers["Cache-Control"] == "no-store"
        assert stream.headers["Content-Length"] is None
        headers, body = next(iter(stream))
        assert headers["Content-Type"] == "image/jpeg"
        assert float(headers["X-Timestamp"]) == pytest.approx(time.time(), abs=20)
        assert pixels(body).shape == (720, 1280, 3)
        assert daemon.kvm.video.broadcaster.viewers == 1


def test_what_is_typed_is_seen_in_the_stream(daemon: Daemon) -> None:
    with Stream(daemon) as stream:
        pictures = iter(stream)
        row, column = daemon.computer.state().cursor
        cell = (slice(row * 28, row * 28 + 28), slice(column * 16, column * 16 + 16))
        before = pixels(next(pictures)[1])[cell]
        daemon.post("/keyboard", {"keycodes": ["KeyW", "ArrowRight"]})
        daemon.post("/keyboard", {"keycodes": ["KeyI"]})
        wanted = pixels(daemon.get("/snapshot").body)[cell]
        assert np.abs(wanted - before).max() > 60
        for _, body in pictures:
            after = pixels(body)[cell]
            if np.abs(after - wanted).max() < 30:
                break
        sequences = [int(next(pictures)[0]["X-Sequence"]) for _ in range(3)]
        assert sequences == sorted(set(sequences))


def test_the_stream_can_be_slower(daemon: Daemon) -> None:
    with Stream(daemon, "/stream?fps=0.5") as stream:
        pictures = iter(stream)
        times = [float(next(pictures)[0]["X-Timestamp"]) for _ in range(6)]
    assert times[-1] - times[0] >= 4, "six seconds behind two pictures at once, less the age of one"


def test_a_lost_signal_is_a_slate_on_the_open_stream(daemon: Daemon) -> None:
    with Stream(daemon) as stream:
        pictures = iter(stream)
        assert not is_slate(next(pictures)[1])
        daemon.computer.plug_video(False)
        while not is_slate(next(pictures)[1]):
            pass
        with Stream(daemon) as later:
            assert is_slate(next(iter(later))[1]), "and for one who comes now"
        daemon.computer.plug_video(True)
        while is_slate(next(pictures)[1]):
            pass


def test_one_who_comes_later_sees_nothing_old(daemon: Daemon) -> None:
    with Stream(daemon) as stream:
        next(iter(stream))
    eventually(lambda: not daemon.kvm.video.broadcaster.watched, "nobody watching")
    time.sleep(3)
    before = time.time()
    with Stream(daemon) as stream:
        headers, _ = next(iter(stream))
    assert float(headers["X-Timestamp"]) > before - 2


def test_streams_take_none_of_the_servers_threads(daemon: Daemon) -> None:
    streams = [Stream(daemon) for _ in range(40)]
    try:
        for stream in streams:
            next(iter(stream))
        assert daemon.status()["capture"]["viewers"] == 40
        assert daemon.get("/snapshot", port=daemon.video_port).code == 200
    finally:
        for stream in streams:
            stream.__exit__()
    eventually(lambda: daemon.status()["capture"]["viewers"] == 0, "all of them being gone")


def test_a_stream_ends_with_the_daemon(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon().running() as daemon:
        stream = Stream(daemon)
        next(iter(stream))
    with stream:
        while stream.file.read(1 << 16):
            pass


@pytest.mark.parametrize("path", ["/", "/login_api", "/keyboard", "/api/status", "/api/keyboard", "/static/page.js"])
def test_the_video_port_has_pictures_alone(daemon: Daemon, path: str) -> None:
    answer = daemon.get(path, port=daemon.video_port)
    assert (answer.code, answer.json["status"]) == (404, 0)


@pytest.mark.parametrize("path", ["/stream", "/snapshot"])
def test_the_video_port_needs_the_login_of_the_other(daemon: Daemon, path: str) -> None:
    assert daemon.get(path, port=daemon.video_port, token="").code == 401
    headers = {"Cookie": f"{daemon.cookie}={daemon.token}"}
    assert daemon.request("HEAD", path, port=daemon.video_port, token="", headers=headers).code == 200
