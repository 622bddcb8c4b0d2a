"""What a whole picture is."""

import pytest

from kvmd.contract.capture import PixelFormat, jpeg_damage


def jpeg(size: int = 1000, tail: bytes = b"\xff\xd9") -> bytes:
    return b"\xff\xd8" + b"\x55" * (size - 2 - len(tail)) + tail


@pytest.mark.parametrize("tail", [b"\xff\xd9", b"\xff\xd9\0", b"\xff\xd9" + bytes(900)])
def test_whole_jpeg(tail: bytes) -> None:
    assert jpeg_damage(memoryview(jpeg(tail=tail))) is None


@pytest.mark.parametrize(
    "data",
    [jpeg(tail=b""), jpeg(tail=bytes(100)), jpeg(tail=b"\xff\xd9\0\x01"), jpeg()[2:], jpeg(size=127), bytes(1000), b""],
)
def test_torn_jpeg(data: bytes) -> None:
    assert jpeg_damage(memoryview(data))


@pytest.mark.parametrize(
    ("pixel_format", "stride", "height", "length"),
    [
        (PixelFormat.YUYV, 1280, 480, 614400),
        (PixelFormat.NV12, 640, 480, 460800),
        (PixelFormat.YU12, 640, 480, 460800),
        (PixelFormat.NV12, 4, 3, 4 * 3 + 4 * 2),
        (PixelFormat.YU12, 4, 3, 4 * 3 + 2 * 2 * 2),
        (PixelFormat.GREY, 640, 480, 307200),
    ],
)
def test_bytes_of_a_picture(pixel_format: PixelFormat, stride: int, height: int, length: int) -> None:
    assert pixel_format.picture_bytes(stride, height) == length


def test_v4l2s_four_letters() -> None:
    assert [each.fourcc for each in PixelFormat] == ["MJPG", "NV12", "YU12", "YUYV", "UYVY", "GREY", "BGR3", "RGB3"]
