"""Pictures on a socket: the newest alone, confirmed, in the quality that is asked for."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kvmd.contract.capture import Frame, PixelFormat
from kvmd.system.clock import milliseconds
from kvmd.video.forms import to_message
from tests.conftest import Daemon
from tests.sockets import Picture, Socket
from tests.waiting import eventually


@pytest.fixture
def socket(daemon: Daemon) -> Iterator[Socket]:
    with Socket(daemon) as socket:
        socket.wait("clients")
        yield socket
    eventually(lambda: not daemon.kvm.video.broadcaster.watched, "nobody watching")


def pixels(jpeg: bytes) -> NDArray[np.int_]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def quality_of(jpeg: bytes) -> int:
    """The first step of the quantisation, which is the larger the lower the quality."""
    return int(Image.open(io.BytesIO(jpeg)).quantization[0][0])  # type: ignore[attr-defined]  # of JPEG alone


def test_a_message_byte_by_byte() -> None:
    picture = Frame(b"jpeg", PixelFormat.MJPEG, 1920, 1080, 0, 10.0, 1)
    taken = struct.pack(">d", milliseconds(10.0))
    head = bytes([0x82, 28, 1, 1, 3, 24, 0, 0, 0x12, 0x34])
    size = bytes([0, 0, 7, 128, 0, 0, 4, 56])
    assert to_message(picture, 0x1234, live=True) == head + taken + size + b"jpeg"
    assert to_message(picture, 2**32 + 5, live=False)[4:10] == bytes([1, 24, 0, 0, 0, 5])
    large = to_message(Frame(bytes(70_000), PixelFormat.MJPEG, 1, 1, 0, 0.0, 1), 1, live=True)
    assert large[:10] == bytes([0x82, 127]) + (70_024).to_bytes(8, "big")
    middle = to_message(Frame(bytes(1_000), PixelFormat.MJPEG, 1, 1, 0, 0.0, 1), 1, live=True)
    assert middle[:4] == bytes([0x82, 126]) + (1_024).to_bytes(2, "big")


def test_pictures_come_with_number_time_and_size(daemon: Daemon, socket: Socket) -> None:
    socket.do("pictures", on=True)
    first = socket.picture()
    assert (first.version, first.kind, first.flags, first.header) == (1, 1, 3, 24)
    assert (first.width, first.height) == (1280, 720)
    assert pixels(first.jpeg).shape == (720, 1280, 3)
    assert 0 <= socket.now - first.time + 1 < 60_000, "taken a moment ago, by the daemon's clock"
    later = [socket.picture() for _ in range(3)]
    assert [each.number for each in later] == sorted({each.number for each in later})
    assert later[0].number > first.number
    assert daemon.kvm.video.broadcaster.viewers == 1


def test_what_is_typed_is_seen(daemon: Daemon, socket: Socket) -> None:
    socket.do("pictures", on=True)
    row, column = daemon.computer.state().cursor
    cell = (slice(row * 28, row * 28 + 28), slice(column * 16, column * 16 + 16))
    socket.send("tap", keys=["KeyM"])
    socket.send("tap", keys=["KeyM"])
    socket.picture(lambda picture: pixels(picture.jpeg)[cell].std() > 40)


def test_who_does_not_confirm_gets_two(daemon: Daemon, socket: Socket) -> None:
    socket.do("pictures", on=True)
    received = []
    for _ in range(2):
        while not isinstance(news := socket.receive(), Picture):
            pass
        received.append(news)
    with Socket(daemon) as other:  # who sees what the one who does not confirm misses
        other.do("pictures", on=True)
        while other.picture().number < received[-1].number + 3:
            other.send("tap", keys=["KeyA"])
    socket.send("ping", id=1)
    while (news := socket.receive())["type"] != "pong":  # type: ignore[call-overload]  # no picture has a type
        pass
    socket.send("seen", number=received[-1].number)
    newest = socket.picture()
    assert newest.number > received[-1].number + 1, "the newest, not the next"


def test_fps_is_the_most(socket: Socket) -> None:
    socket.do("pictures", on=True, fps=0.5)
    times = [socket.picture().time for _ in range(6)]
    assert (times[-1] - times[0]) / 1000 >= 4, "six seconds behind two pictures at once, less the age of one"


def test_each_quality_is_encoded_once_and_only_while_it_is_watched(daemon: Daemon, socket: Socket) -> None:
    found = {}
    for quality in ("high", "medium", "low"):
        socket.do("pictures", on=True, quality=quality)
        number = socket.picture().number
        found[quality] = quality_of(socket.picture(lambda picture: picture.number > number + 3).jpeg)  # noqa: B023
    assert found["high"] < found["medium"] < found["low"]
    renditions = daemon.kvm.video._renditions.values()
    assert [rendition.broadcaster.watched for rendition in renditions] == [False, False, True]
    with Socket(daemon) as other:
        other.do("pictures", on=True, quality="low")
        other.picture()
        assert daemon.status()["capture"]["viewers"] == 2
        assert [rendition.broadcaster.viewers for rendition in renditions] == [0, 0, 2]
    socket.do("pictures", on=False)
    assert not any(rendition.broadcaster.watched for rendition in renditions)


def test_they_end_when_they_are_not_wanted_any_more(daemon: Daemon, socket: Socket) -> None:
    socket.do("pictures", on=True)
    socket.picture()
    socket.do("pictures", on=False)
    assert daemon.kvm.video.broadcaster.viewers == 0
    for number in range(10):
        socket.send("ping", id=number)
        while isinstance(news := socket.receive(), Picture) or news["type"] != "pong":
            assert not isinstance(news, Picture)
    socket.do("pictures", on=True)
    socket.picture()


def test_a_lost_signal_is_a_slate(daemon: Daemon, socket: Socket) -> None:
    socket.do("pictures", on=True)
    assert socket.picture().is_live
    daemon.computer.plug_video(False)
    slate = socket.picture(lambda picture: not picture.is_live)
    assert np.abs(pixels(slate.jpeg)[5, 5] - (16, 20, 26)).max() < 5
    with Socket(daemon) as other:
        other.do("pictures", on=True)
        assert not other.picture().is_live, "and for one who comes now"
    daemon.computer.plug_video(True)
    assert socket.picture(lambda picture: picture.is_live)


def test_a_slow_reader_loses_pictures_and_never_status(socket: Socket) -> None:
    """Who confirms what it has not read gets no more pictures than fit, and all that is said."""
    socket.do("pictures", on=True)
    first = socket.picture().number
    connection = socket.connection
    for number in range(first, first + 2000):
        connection.send(f'{{"type": "seen", "number": {number}}}')
    for number in range(200):
        connection.send(f'{{"type": "ping", "id": {number}}}')
    pongs = [socket.wait("pong")["id"] for _ in range(200)]
    assert pongs == list(range(200))
