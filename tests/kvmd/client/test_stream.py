"""The stream: pictures in time and whole, and an end that is told."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable

import pytest
from PIL import Image

from kvmd.client import Client, Refused, StreamEnded, Unreachable
from tests.conftest import Daemon
from tests.kvmd.client.peers import Behaviour, read_request, served_by
from tests.kvmd.client.test_client import reach
from tests.waiting import eventually, patience

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=kvmd\r\n\r\n--kvmd\r\n"


def part(data: bytes, number: int, **more: str) -> bytes:
    given = {"Content-Length": str(len(data)), "X-Timestamp": f"{number}.5", "X-Sequence": str(number), **more}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return head.encode() + b"\r\n" + data + b"\r\n--kvmd\r\n"


def sends(*pieces: bytes, then: Callable[[socket.socket], object] = lambda _: None) -> Behaviour:
    def behave(sock: socket.socket, _: int) -> None:
        read_request(sock)
        for piece in pieces:
            sock.sendall(piece)
        then(sock)

    return behave


def test_pictures_come_in_order_until_one_has_enough(daemon: Daemon) -> None:
    with reach(daemon) as kvm:
        stream = kvm.stream(timeout=patience())
        pictures = [next(stream) for _ in range(3)]
        assert Image.open(io.BytesIO(pictures[0].data)).size == (1280, 720)
        assert sorted({picture.sequence for picture in pictures}) == [picture.sequence for picture in pictures]
        assert sorted(picture.timestamp for picture in pictures) == [picture.timestamp for picture in pictures]
        assert kvm.status().capture.viewers == 1
        stream.close()
        eventually(lambda: kvm.status().capture.viewers == 0, "the daemon to see the end")


def test_a_rate(daemon: Daemon) -> None:
    with reach(daemon) as kvm, contextlib.closing(kvm.stream(fps=0.5, timeout=patience())) as stream:
        times = [next(stream).timestamp for _ in range(6)]
        assert times[-1] - times[0] >= 4, "six seconds behind two pictures at once, less the age of one"


def test_a_rate_that_makes_no_sense_is_refused_in_the_daemons_words(daemon: Daemon) -> None:
    with reach(daemon) as kvm, pytest.raises(Refused, match="fps=-1 cannot be used") as error:
        next(kvm.stream(fps=-1))
    assert error.value.code == 400


def test_it_ends_with_what_allowed_it_and_says_why(daemon: Daemon) -> None:
    key = daemon.kvm.auth.credentials.add_key("viewer")
    with reach(daemon, key=key) as kvm:
        stream = kvm.stream(timeout=patience())
        next(stream)
        daemon.kvm.auth.credentials.remove_key("viewer")
        with pytest.raises(StreamEnded, match="API key"):
            for _ in stream:
                pass


def test_it_ends_with_the_daemon(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon().running() as daemon:
        kvm = reach(daemon)
        stream = kvm.stream(timeout=patience())
        next(stream)
    kvm.close()
    with pytest.raises(StreamEnded):
        for _ in stream:
            pass


def test_parts_may_come_in_pieces() -> None:
    whole = HEAD + part(b"one\r\n\r\n--kvmd", 1) + part(b"", 2) + part(b"three", 3)
    pieces = [whole[begin : begin + 7] for begin in range(0, len(whole), 7)]
    with served_by(sends(*pieces)) as url:
        stream = Client(url).stream(timeout=patience())
        assert next(stream) == (b"one\r\n\r\n--kvmd", 1.5, 1)
        assert [next(stream).data for _ in range(2)] == [b"", b"three"]
        with pytest.raises(StreamEnded, match="the daemon ended the stream"):
            next(stream)


def test_the_reason_in_the_last_part_is_no_picture() -> None:
    with served_by(sends(HEAD, part(b"one", 1), part(b"slate", 2, X_Ended="logged out"))) as url:
        stream = Client(url).stream(timeout=patience())
        assert next(stream).data == b"one"
        with pytest.raises(StreamEnded, match=r"^logged out$"):
            next(stream)


def test_a_picture_that_is_cut_off_is_none() -> None:
    with served_by(sends(HEAD, part(b"whole picture", 1)[:-20])) as url, pytest.raises(StreamEnded):
        next(Client(url).stream(timeout=patience()))


@pytest.mark.parametrize(
    "wrong",
    [
        b"Content-Type: image/jpeg\r\n\r\n",
        b"Content-Length: x\r\nX-Timestamp: 1\r\nX-Sequence: 1\r\n\r\n",
        b"Content-Length: -1\r\nX-Timestamp: 1\r\nX-Sequence: 1\r\n\r\n",
        b"Content-Length: 99999999999\r\nX-Timestamp: 1\r\nX-Sequence: 1\r\n\r\n",
        b"X" * 100_000,
    ],
)
def test_what_is_no_stream_of_ours_takes_no_memory(wrong: bytes) -> None:
    with served_by(sends(HEAD, wrong, then=lambda sock: sock.recv(1))) as url:
        stream = Client(url).stream(timeout=patience())
        with pytest.raises(Unreachable, match="no stream of kvmd"):
            next(stream)


def trickle(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x")
        sock.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            sock.recv(1)


@pytest.mark.parametrize("then", [lambda sock: sock.recv(1), trickle], ids=["silent", "trickling"])
def test_a_picture_that_is_late_is_told(then: Callable[[socket.socket], object]) -> None:
    begun = part(b"x" * 1_000_000, 1)[:100]
    late = pytest.raises(Unreachable, match=r"no whole picture came within 0\.3 s")
    with served_by(sends(HEAD, begun, then=then)) as url, late:
        next(Client(url).stream(timeout=0.3))
