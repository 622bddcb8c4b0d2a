"""Raw frames of every format become the JPEG they should; damaged ones are dropped, unchanged ones not encoded."""

import io
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kvmd.contract.capture import Frame, PixelFormat, YcbcrEncoding
from kvmd.video import encode
from kvmd.video.encode import Encoder, damage, to_jpeg
from tests.waiting import eventually

WIDTH, HEIGHT, CELL = 64, 32, 16
COLOURS = [
    [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0)],
    [(0, 0, 255), (128, 128, 128), (255, 255, 0), (40, 80, 120)],
]
YUV = [PixelFormat.YUYV, PixelFormat.UYVY, PixelFormat.NV12, PixelFormat.YU12, PixelFormat.GREY]
RAW = [*YUV, PixelFormat.RGB24, PixelFormat.BGR24]
JUNK = 0xA5
"""Stands in what the stride adds, and must not be seen."""


def chart() -> NDArray[np.uint8]:
    """Eight fields of colour, as RGB."""
    return np.array(COLOURS, np.uint8).repeat(CELL, axis=0).repeat(CELL, axis=1)


def to_yuv(
    rgb: NDArray[np.uint8], full_range: bool, encoding: YcbcrEncoding = YcbcrEncoding.BT601
) -> list[NDArray[np.uint8]]:
    """ITU-R BT.601, section 2.5, or BT.709, section 3, with the ranges of JPEG (JFIF 1.02) or of video."""
    red, green, blue = (rgb[..., part].astype(float) for part in range(3))
    kr, kb = (0.299, 0.114) if encoding is YcbcrEncoding.BT601 else (0.2126, 0.0722)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - luma) / 2 / (1 - kb) + 128, (red - luma) / 2 / (1 - kr) + 128
    if not full_range:
        luma, u, v = luma * 219 / 255 + 16, (u - 128) * 224 / 255 + 128, (v - 128) * 224 / 255 + 128
    return [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in (luma, u, v)]


def pad(lines: NDArray[np.uint8], stride: int) -> bytes:
    """Lay lines out in memory, with junk behind each."""
    memory = np.full((len(lines), stride), JUNK, np.uint8)
    memory[:, : lines.shape[1]] = lines
    return memory.tobytes()


def raw_frame(
    pixel_format: PixelFormat,
    full_range: bool = True,
    extra: int = 0,
    *,
    rgb: NDArray[np.uint8] | None = None,
    sequence: int = 1,
    encoding: YcbcrEncoding = YcbcrEncoding.BT601,
) -> Frame:
    """The chart in a format, by the tables of the kernel's uapi documentation; ``extra``: what the stride adds."""
    rgb = chart() if rgb is None else rgb
    height, width, _ = rgb.shape
    y, u, v = to_yuv(rgb, full_range, encoding)
    if pixel_format in {PixelFormat.RGB24, PixelFormat.BGR24}:
        order = rgb if pixel_format is PixelFormat.RGB24 else rgb[..., ::-1]
        stride = width * 3 + extra
        data = pad(order.reshape(height, width * 3), stride)
    elif pixel_format in {PixelFormat.YUYV, PixelFormat.UYVY}:
        chroma = np.stack((u[:, ::2], v[:, ::2]), axis=2).reshape(height, width)
        parts = (y, chroma) if pixel_format is PixelFormat.YUYV else (chroma, y)
        stride = width * 2 + extra
        data = pad(np.stack(parts, axis=2).reshape(height, width * 2), stride)
    else:
        stride = width + extra
        data = pad(y, stride)
        if pixel_format is PixelFormat.NV12:
            data += pad(np.stack((u[::2, ::2], v[::2, ::2]), axis=2).reshape(height // 2, width), stride)
        elif pixel_format is PixelFormat.YU12:
            data += pad(u[::2, ::2], stride // 2) + pad(v[::2, ::2], stride // 2)
    now = time.monotonic()
    return Frame(memoryview(data), pixel_format, width, height, stride, now, sequence, full_range, encoding)


def jpeg(colour: tuple[int, int, int] = (200, 100, 50), sequence: int = 1) -> Frame:
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), colour).save(buffer, "JPEG")
    return Frame(memoryview(buffer.getvalue()), PixelFormat.MJPEG, WIDTH, HEIGHT, 0, time.monotonic(), sequence)


@pytest.fixture
def delivered() -> list[Frame]:
    return []


@pytest.fixture
def encoder(delivered: list[Frame]) -> Iterator[Encoder]:
    encoder = Encoder(90, delivered.append, threads=2)
    yield encoder
    encoder.close()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """The frames that went through the encoder."""
    frames = []

    def count(frame: Frame, quality: int) -> bytes:
        frames.append(frame)
        return to_jpeg(frame, quality)

    monkeypatch.setattr(encode, "to_jpeg", count)
    return frames


@pytest.mark.parametrize("extra", [0, 32])
@pytest.mark.parametrize("full_range", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize("encoding", YcbcrEncoding)
@pytest.mark.parametrize("pixel_format", RAW)
def test_colours_are_right(pixel_format: PixelFormat, encoding: YcbcrEncoding, full_range: bool, extra: int) -> None:
    frame = raw_frame(pixel_format, full_range, extra, encoding=encoding)
    picture = Image.open(io.BytesIO(to_jpeg(frame, 95))).convert("RGB")
    assert picture.size == (WIDTH, HEIGHT)
    for row, colours in enumerate(COLOURS):
        for column, colour in enumerate(colours):
            grey = int(to_yuv(np.array(colour), True, encoding)[0])
            wanted = (grey,) * 3 if pixel_format is PixelFormat.GREY else colour
            for place in (2, CELL // 2, CELL - 3):
                seen = picture.getpixel((column * CELL + place, row * CELL + place))
                assert seen == pytest.approx(wanted, abs=8), (row, column, place)


@pytest.mark.parametrize("encoding", YcbcrEncoding)
@pytest.mark.parametrize("pixel_format", [PixelFormat.NV12, PixelFormat.YU12, PixelFormat.YUYV, PixelFormat.RGB24])
def test_an_odd_height_has_its_last_line(pixel_format: PixelFormat, encoding: YcbcrEncoding) -> None:
    width, height = 64, 33
    stride = width * {PixelFormat.YUYV: 2, PixelFormat.RGB24: 3}.get(pixel_format, 1)
    data = bytes([128]) * pixel_format.picture_bytes(stride, height)
    frame = Frame(data, pixel_format, width, height, stride, 0.0, 1, encoding=encoding)
    picture = Image.open(io.BytesIO(to_jpeg(frame, 95))).convert("RGB")
    assert picture.size == (width, height)
    assert picture.getpixel((63, 32)) == pytest.approx((128, 128, 128), abs=3)


@pytest.mark.parametrize("encoding", YcbcrEncoding)
@pytest.mark.parametrize("pixel_format", [PixelFormat.NV12, PixelFormat.YU12])
@pytest.mark.parametrize(("width", "height"), [(64, 33), (65, 32)])
def test_nothing_from_behind_an_odd_size_is_seen_in_the_picture(
    width: int, height: int, pixel_format: PixelFormat, encoding: YcbcrEncoding
) -> None:
    def seen(width: int, height: int) -> NDArray[np.uint8]:
        stride = width + width % 2
        luma = np.zeros((height, stride), np.uint8)
        luma[:, 33:] = 200
        chroma = bytes([128]) * (pixel_format.picture_bytes(stride, height) - luma.size)
        frame = Frame(luma.tobytes() + chroma, pixel_format, width, height, stride, 0.0, 1, encoding=encoding)
        return np.asarray(Image.open(io.BytesIO(to_jpeg(frame, 95))).convert("L"))

    even = seen(width + width % 2, height + height % 2)
    np.testing.assert_array_equal(seen(width, height), even[:height, :width])


def test_a_jpeg_of_the_device_passes_untouched(encoder: Encoder, delivered: list[Frame], encoded: list[Frame]) -> None:
    frame = jpeg()
    encoder.feed(frame)
    assert bytes(delivered[0].data) == bytes(frame.data)
    assert (delivered[0].sequence, delivered[0].timestamp) == (frame.sequence, frame.timestamp)
    assert not encoded


def test_what_is_delivered_outlives_the_drivers_memory(encoder: Encoder, delivered: list[Frame]) -> None:
    memory = bytearray(jpeg().data)
    frame = jpeg()
    encoder.feed(Frame(memoryview(memory), PixelFormat.MJPEG, WIDTH, HEIGHT, 0, 0.0, 1))
    memory[:] = bytes(len(memory))
    assert delivered[0].data == bytes(frame.data)


@pytest.mark.parametrize("zeros", [0, 1, 64, 5000])
def test_a_jpeg_with_zeros_behind_it_is_whole(zeros: int) -> None:
    data = bytes(jpeg().data) + bytes(zeros)
    assert damage(Frame(data, PixelFormat.MJPEG, WIDTH, HEIGHT, 0, 0.0, 1)) is None


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda data: data[:-2], "a JPEG without its end"),
        (lambda data: data[: len(data) // 2] + bytes(100), "a JPEG without its end"),
        (lambda data: data[2:], "a JPEG without its beginning"),
        (lambda data: data[:2] + data[-2:], "a JPEG of 4 bytes"),
        (lambda _: b"", "a JPEG of 0 bytes"),
        (lambda _: bytes(5000), "a JPEG without its beginning"),
    ],
)
def test_a_damaged_jpeg_is_dropped_and_counted(
    encoder: Encoder, delivered: list[Frame], break_it: Callable[[bytes], bytes], reason: str
) -> None:
    frame = Frame(break_it(bytes(jpeg().data)), PixelFormat.MJPEG, WIDTH, HEIGHT, 0, 0.0, 1)
    assert damage(frame) == reason
    encoder.feed(frame)
    encoder.feed(jpeg())
    assert (encoder.dropped, len(delivered)) == (1, 1)


@pytest.mark.parametrize("pixel_format", RAW)
def test_a_short_raw_frame_is_dropped_and_counted(
    encoder: Encoder, delivered: list[Frame], encoded: list[Frame], pixel_format: PixelFormat
) -> None:
    whole = raw_frame(pixel_format)
    short = Frame(whole.data[:-1], pixel_format, WIDTH, HEIGHT, whole.stride, 0.0, 1)
    assert damage(short) == f"short: {len(whole.data) - 1} of {len(whole.data)} bytes"
    encoder.feed(short)
    assert (encoder.dropped, delivered, encoded) == (1, [], [])


def test_a_raw_frame_in_a_larger_buffer_is_whole(encoder: Encoder, delivered: list[Frame]) -> None:
    whole = raw_frame(PixelFormat.NV12)
    encoder.feed(Frame(bytes(whole.data) + bytes(4096), PixelFormat.NV12, WIDTH, HEIGHT, whole.stride, 0.0, 1))
    eventually(lambda: delivered, "the picture")
    assert encoder.dropped == 0


def test_an_unchanged_frame_is_handed_on_but_not_encoded(
    encoder: Encoder, delivered: list[Frame], encoded: list[Frame]
) -> None:
    encoder.feed(raw_frame(PixelFormat.YUYV, sequence=1))
    first = eventually(lambda: delivered, "the picture")[0]
    again = raw_frame(PixelFormat.YUYV, sequence=2)
    encoder.feed(again)
    assert len(encoded) == 1
    assert encoder.unchanged == 1
    assert [frame.sequence for frame in delivered] == [1, 2]
    assert delivered[1].data is first.data
    assert delivered[1].timestamp == again.timestamp > first.timestamp
    assert (delivered[1].width, delivered[1].height, delivered[1].format) == (WIDTH, HEIGHT, PixelFormat.MJPEG)


@pytest.mark.parametrize("place", [0, HEIGHT * WIDTH, -1])
def test_a_frame_with_one_byte_changed_is_encoded(
    encoder: Encoder, delivered: list[Frame], encoded: list[Frame], place: int
) -> None:
    frame = raw_frame(PixelFormat.YUYV)
    encoder.feed(frame)
    eventually(lambda: delivered, "the picture")
    changed = bytearray(frame.data)
    changed[place] ^= 1
    encoder.feed(Frame(bytes(changed), frame.format, WIDTH, HEIGHT, frame.stride, 1.0, 2))
    eventually(lambda: len(delivered) == 2, "the second picture")
    assert (len(encoded), encoder.unchanged) == (2, 0)


def test_a_frame_of_the_same_bytes_in_another_shape_is_encoded(
    encoder: Encoder, delivered: list[Frame], encoded: list[Frame]
) -> None:
    frame = raw_frame(PixelFormat.YUYV)
    encoder.feed(frame)
    eventually(lambda: delivered, "the picture")
    encoder.feed(Frame(frame.data, PixelFormat.UYVY, WIDTH, HEIGHT, frame.stride, 1.0, 2))
    encoder.feed(Frame(frame.data, PixelFormat.UYVY, HEIGHT, WIDTH, HEIGHT * 2, 1.0, 3))
    eventually(lambda: len(encoded) == 3, "both being encoded")


def test_what_is_forgotten_is_encoded_again(encoder: Encoder, delivered: list[Frame], encoded: list[Frame]) -> None:
    frame = raw_frame(PixelFormat.NV12)
    encoder.feed(frame)
    eventually(lambda: delivered, "the picture")
    encoder.forget()
    encoder.feed(frame)
    eventually(lambda: len(delivered) == 2, "the picture again")
    assert (len(encoded), encoder.unchanged) == (2, 0)


class Gate:
    """An encoder that waits to be let through, picture by picture."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[int] = []
        self._open: dict[int, bool] = {}
        self._lock = threading.Condition()
        monkeypatch.setattr(encode, "to_jpeg", self._encode)

    def _encode(self, frame: Frame, quality: int) -> bytes:  # noqa: ARG002  # what is replaced takes it
        with self._lock:
            self.inside.append(frame.sequence)
            self._lock.wait_for(lambda: self._open.get(frame.sequence), 30)
        return b"picture %d" % frame.sequence

    def let_through(self, *sequences: int) -> None:
        with self._lock:
            self._open.update(dict.fromkeys(sequences, True))
            self._lock.notify_all()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def numbered(sequence: int) -> Frame:
    return raw_frame(PixelFormat.GREY, rgb=np.full((HEIGHT, WIDTH, 3), sequence, np.uint8), sequence=sequence)


def test_a_busy_pool_skips_frames(encoder: Encoder, delivered: list[Frame], gate: Gate) -> None:
    for sequence in range(1, 6):
        encoder.feed(numbered(sequence))
    eventually(lambda: len(gate.inside) == 2, "both threads being at work")
    for sequence in (1, 2):
        gate.let_through(sequence)
        eventually(lambda: len(delivered) == sequence, "its picture")  # noqa: B023  # called before the next turn
    gate.let_through(6)
    encoder.feed(numbered(6))
    eventually(lambda: len(delivered) == 3, "the next picture")
    assert [frame.sequence for frame in delivered] == [1, 2, 6]
    assert encoder.skipped == 3


def test_pictures_are_never_delivered_out_of_order(encoder: Encoder, delivered: list[Frame], gate: Gate) -> None:
    encoder.feed(numbered(1))
    encoder.feed(numbered(2))
    eventually(lambda: len(gate.inside) == 2, "both threads being at work")
    gate.let_through(2)
    eventually(lambda: delivered, "the second picture")
    gate.let_through(1)
    encoder.close()
    assert [frame.sequence for frame in delivered] == [2], "the first is older than what is shown, and is left out"


def test_an_unchanged_frame_does_not_overtake_its_picture(encoder: Encoder, delivered: list[Frame], gate: Gate) -> None:
    gate.let_through(1)
    encoder.feed(numbered(1))
    eventually(lambda: delivered, "the first picture")
    encoder.feed(numbered(2))
    encoder.feed(numbered(2))
    assert [frame.sequence for frame in delivered] == [1], "what was made of the frame before it is not its picture"
    gate.let_through(2)
    eventually(lambda: len(delivered) == 2, "the second picture")
    assert delivered[1].data == b"picture 2"


def test_nothing_in_work_is_delivered_once_it_is_forgotten(
    encoder: Encoder, delivered: list[Frame], gate: Gate
) -> None:
    encoder.feed(numbered(1))
    encoder.feed(numbered(2))
    eventually(lambda: len(gate.inside) == 2, "both threads being at work")
    encoder.forget()
    gate.let_through(1, 2)
    encoder.close()
    assert not delivered


def test_a_frame_that_cannot_be_encoded_is_told_and_the_next_one_works(
    encoder: Encoder, delivered: list[Frame], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(frame: Frame, quality: int) -> None:  # noqa: ARG001  # what is replaced takes them
        raise RuntimeError("a broken library")

    with monkeypatch.context() as patch:
        patch.setattr(encode, "to_jpeg", fail)
        for sequence in range(1, 6):
            encoder.feed(numbered(sequence))
        eventually(lambda: "a frame cannot be encoded: a broken library" in caplog.text, "the log")
        eventually(lambda: encoder._room._value == 2, "both threads being free again")
    encoder.feed(numbered(9))
    eventually(lambda: delivered, "the next picture")
