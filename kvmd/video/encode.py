"""A raw frame -> JPEG; damaged frames are dropped, unchanged ones are not encoded again."""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from kvmd.contract.capture import Frame, PixelFormat, YcbcrEncoding, jpeg_damage

logger = logging.getLogger(__name__)

Plane = NDArray[np.uint8]

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def damage(frame: Frame) -> str | None:
    """Say what is wrong with a frame; None if it is whole."""
    if frame.format is PixelFormat.MJPEG:
        return jpeg_damage(frame.data)
    needed = frame.format.picture_bytes(frame.stride, frame.height)
    return None if len(frame.data) >= needed else f"short: {len(frame.data)} of {needed} bytes"


def to_jpeg(frame: Frame, quality: int) -> bytes:
    """Encode a raw frame.

    :param frame: in any format but MJPEG
    :param quality: 1 to 100, as libjpeg counts it
    """
    if frame.format in (PixelFormat.RGB24, PixelFormat.BGR24):
        picture = _matrix(frame, frame.width * 3).reshape(frame.height, frame.width, 3)
        order = "RGB" if frame.format is PixelFormat.RGB24 else "BGR"
        return bytes(simplejpeg.encode_jpeg(picture, quality, order, "420"))
    luma, *chroma = _planes(frame)
    if not frame.full_range:
        luma = _expand(luma, _full_luma())
        chroma = [_expand(plane, _full_chroma()) for plane in chroma]
    if chroma and frame.encoding is YcbcrEncoding.BT709:
        luma, *chroma = _to_bt601(luma, *chroma)
    if not chroma:
        return bytes(simplejpeg.encode_jpeg_yuv_planes(luma, None, None, quality))
    u, v = chroma
    return bytes(simplejpeg.encode_jpeg_yuv_planes(_whole_blocks(luma, u), u, v, quality))


def _matrix(frame: Frame, row: int) -> Plane:
    """View the first plane as lines of ``row`` bytes, without what the stride adds."""
    pixels = np.frombuffer(frame.data, np.uint8, frame.stride * frame.height)
    return np.ascontiguousarray(pixels.reshape(frame.height, frame.stride)[:, :row])


def _planes(frame: Frame) -> list[Plane]:
    """Split a YUV picture into Y, U and V, or only Y (UAPI videodev2.h, "YUV Formats")."""
    width, height, stride = frame.width, frame.height, frame.stride
    if frame.format is PixelFormat.GREY:
        return [_matrix(frame, width)]
    if frame.format in (PixelFormat.YUYV, PixelFormat.UYVY):
        packed = np.frombuffer(frame.data, np.uint8, stride * height).reshape(height, stride)[:, : width * 2]
        y = 0 if frame.format is PixelFormat.YUYV else 1
        return [np.ascontiguousarray(part) for part in (packed[:, y::2], packed[:, 1 - y :: 4], packed[:, 3 - y :: 4])]
    lines, columns = (height + 1) // 2, (width + 1) // 2
    if frame.format is PixelFormat.NV12:
        chroma = np.frombuffer(frame.data, np.uint8, stride * lines, offset=stride * height)
        pairs = chroma.reshape(lines, stride)[:, : columns * 2]
        return [_matrix(frame, width), np.ascontiguousarray(pairs[:, 0::2]), np.ascontiguousarray(pairs[:, 1::2])]
    chroma = np.frombuffer(frame.data, np.uint8, 2 * lines * (stride // 2), offset=stride * height)
    u, v = chroma.reshape(2, lines, stride // 2)[:, :, :columns]
    return [_matrix(frame, width), np.ascontiguousarray(u), np.ascontiguousarray(v)]


def _expand(plane: Plane, table: list[int]) -> Plane:
    """Look every byte up in a table; Pillow does so at twice the speed of numpy."""
    return np.asarray(Image.fromarray(plane).point(table))


@cache
def _full_luma() -> list[int]:
    """Map 16..235 to 0..255 (ITU-R BT.601, section 2.5.3)."""
    return [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]


@cache
def _full_chroma() -> list[int]:
    """Map 16..240 to 0..255, around 128."""
    return [min(255, max(0, round((value - 128) * 255 / 224 + 128))) for value in range(256)]


@cache
def _bt709_to_bt601() -> list[list[int]]:
    """Return the matrix from BT.709 to BT.601 without the column of luma, which is 1, 0, 0; in 1/128."""

    def from_rgb(red: float, blue: float) -> NDArray[np.float64]:
        """Return the matrix from RGB to YCbCr (ITU-R BT.601 and BT.709, sections 2.5.1 and 3.2)."""
        luma = np.array([red, 1 - red - blue, blue])
        return np.array([luma, ([0, 0, 1] - luma) / 2 / (1 - blue), ([1, 0, 0] - luma) / 2 / (1 - red)])

    matrix = from_rgb(0.299, 0.114) @ np.linalg.inv(from_rgb(0.2126, 0.0722))
    rows: list[list[int]] = np.rint(matrix[:, 1:] * 128).astype(int).tolist()
    return rows


def _to_bt601(luma: Plane, u: Plane, v: Plane) -> tuple[Plane, Plane, Plane]:
    """Change full-range planes from BT.709 to BT.601, which is all that JPEG knows."""
    cb, cr = (plane.astype(np.int16) - 128 for plane in (u, v))
    offset, new_u, new_v = ((cb * a + cr * b + 64) >> 7 for a, b in _bt709_to_bt601())
    rows, columns = (-(-full // part) for full, part in zip(luma.shape, u.shape, strict=True))
    new_luma = luma.astype(np.int16)
    # Each chroma sample is for several of luma; slices are faster than np.repeat or a fourth dimension.
    for row, column in itertools.product(range(rows), range(columns)):
        part = new_luma[row::rows, column::columns]
        part += offset[: part.shape[0], : part.shape[1]]  # of an odd size the last sample is for one line alone
    return _bytes(new_luma), _bytes(new_u + 128), _bytes(new_v + 128)


def _whole_blocks(luma: Plane, chroma: Plane) -> Plane:
    """Keep memory behind the last line and column of an odd size, with what these have.

    TurboJPEG reads all the luma that a sample of chroma is for, even past the picture's edge (turbojpeg.h,
    "YUV Image Format Notes": a plane's size is padded to the nearest multiple of the subsampling factor).
    """
    height, width = luma.shape
    lines, columns = (-full % -(-full // part) for full, part in zip(luma.shape, chroma.shape, strict=True))
    return np.pad(luma, ((0, lines), (0, columns)), "edge")[:height, :width] if lines or columns else luma


def _bytes(values: NDArray[np.int16]) -> Plane:
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


class Encoder:
    """Turns what is captured into JPEG, on a pool of threads, and hands it on in order.

    When every thread is busy the frame is skipped: the newest one counts, and nothing queues up.

    :param quality: 1 to 100
    :param deliver: takes each picture, a frame of MJPEG; called from the pool's threads or from ``feed``'s
    :param threads: how many pictures may be in work at once
    """

    def __init__(self, quality: int, deliver: Callable[[Frame], None], threads: int | None = None) -> None:
        self.dropped = 0
        self.unchanged = 0
        self.skipped = 0
        self._quality = quality
        self._deliver = deliver
        self._room = threading.Semaphore(threads or min(4, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(threads or min(4, os.cpu_count() or 1), "kvmd-encode")
        self._lock = threading.Lock()
        self._fed = 0
        self._delivered = 0
        self._raw: Frame | None = None
        self._jpeg: Frame | None = None

    def feed(self, frame: Frame) -> None:
        """Take the next frame; its memory is not needed any more when this returns."""
        problem = damage(frame)
        if problem:
            self.dropped += 1
            logger.debug("dropped frame %d: %s", frame.sequence, problem)
        elif frame.format is PixelFormat.MJPEG:
            self._deliver(msgspec.structs.replace(frame, data=bytes(frame.data)))
        elif self._raw and _same(self._raw, frame):
            self.unchanged += 1
            self._again(frame)
        elif self._room.acquire(blocking=False):
            self._raw = msgspec.structs.replace(frame, data=bytes(frame.data))
            self._fed += 1
            self._pool.submit(self._encode, self._raw, self._fed).add_done_callback(_report)
        else:
            self.skipped += 1

    def forget(self) -> None:
        """Let go of what is kept for comparison, and deliver nothing of what is still in work."""
        with self._lock:
            self._raw = None
            self._delivered = self._fed

    def close(self) -> None:
        """Wait for what is in work."""
        self._pool.shutdown(cancel_futures=True)

    def _again(self, frame: Frame) -> None:
        """Hand on the picture that was made of the same pixels, with the new frame's time."""
        with self._lock:
            if self._jpeg and self._delivered == self._fed:
                self._deliver(msgspec.structs.replace(self._jpeg, timestamp=frame.timestamp, sequence=frame.sequence))

    def _encode(self, frame: Frame, number: int) -> None:
        try:
            data = to_jpeg(frame, self._quality)
        finally:
            self._room.release()
        with self._lock:
            if number > self._delivered:
                self._delivered = number
                self._jpeg = msgspec.structs.replace(frame, data=data, format=PixelFormat.MJPEG, stride=0)
                self._deliver(self._jpeg)


def _same(one: Frame, other: Frame) -> bool:
    """Compare all bytes, as fast as memory allows and without holding Python's lock."""
    if (one.width, one.height, one.format, len(one.data)) != (other.width, other.height, other.format, len(other.data)):
        return False
    first, second = (np.frombuffer(frame.data, np.uint8).ctypes.data for frame in (one, other))
    return bool(_memcmp(first, second, len(one.data)) == 0)


def _report(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        logger.error("a frame cannot be encoded: %s", error)
