"""Which of a device's formats and sizes to capture, and what a whole picture of it is: pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from kvmd import PixelFormat, YcbcrEncoding, jpeg_damage

from . import uapi
from .node import NodeFormat, Size

PREFERENCE = (
    PixelFormat.MJPEG,  # goes through untouched
    PixelFormat.YU12,  # what a JPEG is made of
    PixelFormat.NV12,  # its colours are split first
    PixelFormat.YUYV,  # all of it is split first, and it has twice the colour to encode
    PixelFormat.UYVY,
    PixelFormat.BGR24,  # is converted to YUV first
    PixelFormat.RGB24,
    PixelFormat.GREY,  # cheap, but the colours are lost
)
"""The pixel formats by what it costs to make a JPEG of them."""

FLUENT = Fraction(25)
"""Frames a second that a larger picture has to reach to be the better one, unless the options ask for more or less."""

_RGB = (PixelFormat.BGR24, PixelFormat.RGB24)

_BY_FOURCC = {each.fourcc: each for each in PixelFormat}

_BYTES_OF_PIXEL = {
    PixelFormat.YUYV: 2,
    PixelFormat.UYVY: 2,
    PixelFormat.BGR24: 3,
    PixelFormat.RGB24: 3,
}
"""Of the first plane, where it is not 1."""


class Mode(msgspec.Struct, frozen=True):
    """A pixel format and size that a device offers, with the highest frame rate there, if it tells one."""

    format: PixelFormat
    size: Size
    frame_rate: Fraction | None = None


def choose(modes: Iterable[Mode], wanted: PixelFormat | None, size: Size | None, rate: Fraction | None) -> Mode | None:
    """Choose the mode to capture: a fluent one, in the cheapest format, as large as can be.

    :param wanted: the only format to take; None for any
    :param size: the only size to take; None for any
    :param rate: the frame rate to reach, if any mode does
    :return: None if no mode has that format and size
    """
    target = rate or FLUENT

    def merit(mode: Mode) -> tuple[Fraction, int, int, Fraction]:
        reached = target if mode.frame_rate is None else mode.frame_rate
        return min(reached, target), -PREFERENCE.index(mode.format), mode.size.width * mode.size.height, reached

    fitting = [mode for mode in modes if wanted in (None, mode.format) and size in (None, mode.size)]
    return max(fitting, key=merit, default=None)


def describe(modes: Iterable[Mode]) -> str:
    """List modes for a message: pixel formats with the same sizes together."""
    sizes: dict[str, list[str]] = {}
    for mode in modes:
        rate = "" if mode.frame_rate is None else f" at {float(mode.frame_rate):g}"
        sizes.setdefault(mode.format.value, []).append(f"{mode.size}{rate}")
    groups: dict[str, list[str]] = {}
    for code, each in sizes.items():
        groups.setdefault(", ".join(each), []).append(code)
    listed = [f"{', '.join(codes)}: {each}" for each, codes in groups.items()]
    return "; ".join(listed) or "nothing that kvmd can use"


class Layout(msgspec.Struct, frozen=True):
    """What the pictures are that a node gives.

    :param stride: bytes from one line of the first plane to the next; 0 for MJPEG
    :param length: bytes of a picture, all planes; None for MJPEG
    :param full_range: whether luma runs from 0 to 255
    :param encoding: how YCbCr was made of RGB
    """

    format: PixelFormat
    size: Size
    stride: int
    length: int | None
    full_range: bool
    encoding: YcbcrEncoding = YcbcrEncoding.BT601

    @classmethod
    def of(cls, raw: NodeFormat) -> Layout:
        """Work it out from the format that was set."""
        pixel_format = _BY_FOURCC[raw.fourcc]
        full_range = _full_range(pixel_format, raw)
        if pixel_format is PixelFormat.MJPEG:
            return cls(pixel_format, raw.size, 0, None, full_range)
        stride = raw.stride or raw.size.width * _BYTES_OF_PIXEL.get(pixel_format, 1)
        length = pixel_format.picture_bytes(stride, raw.size.height)
        return cls(pixel_format, raw.size, stride, length, full_range, _encoding(raw))

    def is_whole(self, data: memoryview) -> bool:
        """Tell a whole picture from a torn or short one."""
        if self.length is None:
            return jpeg_damage(data) is None
        return len(data) >= self.length


def _full_range(pixel_format: PixelFormat, raw: NodeFormat) -> bool:
    """Follow videodev2.h, ``V4L2_MAP_QUANTIZATION_DEFAULT``."""
    if pixel_format is PixelFormat.MJPEG:
        return True  # JFIF 1.02 knows no other
    if raw.quantization != uapi.V4L2_QUANTIZATION_DEFAULT:
        return raw.quantization == uapi.V4L2_QUANTIZATION_FULL_RANGE
    return pixel_format in _RGB or raw.colorspace == uapi.V4L2_COLORSPACE_JPEG


def _encoding(raw: NodeFormat) -> YcbcrEncoding:
    """Follow videodev2.h, ``V4L2_MAP_YCBCR_ENC_DEFAULT``; what is neither counts as BT.601."""
    if raw.ycbcr_encoding == uapi.V4L2_YCBCR_ENC_DEFAULT:
        is_709 = raw.colorspace in (uapi.V4L2_COLORSPACE_REC709, uapi.V4L2_COLORSPACE_DCI_P3)
    else:
        is_709 = raw.ycbcr_encoding in (uapi.V4L2_YCBCR_ENC_709, uapi.V4L2_YCBCR_ENC_XV709)
    return YcbcrEncoding.BT709 if is_709 else YcbcrEncoding.BT601
