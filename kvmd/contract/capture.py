"""The capture side of the contract: what a driver that sees a screen is and gives."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterator

import msgspec

from kvmd.contract.driver import BaseDriver, DriverStatus


class PixelFormat(enum.Enum):
    """How the pixels lie in a frame, by V4L2's names (UAPI videodev2.h, "Image Formats")."""

    MJPEG = "MJPEG"
    NV12 = "NV12"
    YU12 = "YU12"
    YUYV = "YUYV"
    UYVY = "UYVY"
    GREY = "GREY"
    BGR24 = "BGR24"
    RGB24 = "RGB24"

    @property
    def fourcc(self) -> str:
        """V4L2's four letters for it, which are the name but for three."""
        return {"MJPEG": "MJPG", "BGR24": "BGR3", "RGB24": "RGB3"}.get(self.value, self.value)

    def picture_bytes(self, stride: int, height: int) -> int:
        """Count the bytes of a raw picture, all planes.

        :param stride: bytes from one line of the first plane to the next
        :param height: in pixels
        """
        chroma_lines = (height + 1) // 2
        if self is PixelFormat.NV12:
            return stride * (height + chroma_lines)
        if self is PixelFormat.YU12:
            return stride * height + 2 * (stride // 2) * chroma_lines
        return stride * height


class YcbcrEncoding(enum.Enum):
    """How Y, Cb and Cr were made of red, green and blue (UAPI videodev2.h, ``enum v4l2_ycbcr_encoding``)."""

    BT601 = 1
    BT709 = 2


class Frame(msgspec.Struct, frozen=True):
    """One picture, raw or JPEG.

    :param data: the pixels, padding at the end allowed; valid only until the next frame is asked for
    :param format: how they lie there; planes follow each other without a gap (V4L2's contiguous formats)
    :param width: in pixels
    :param height: in pixels
    :param stride: bytes from one line of the first plane to the next; 0 for MJPEG
    :param timestamp: when the picture was taken, in seconds of ``time.monotonic()``
    :param sequence: counts up by one for each picture taken, so that a gap shows pictures which were skipped
    :param full_range: whether luma runs from 0 to 255, else 16 to 235 (V4L2 "Quantization"); of no meaning for RGB
    :param encoding: of no meaning for RGB, GREY and MJPEG, which is always BT.601 (JFIF 1.02)
    """

    data: memoryview | bytes
    format: PixelFormat
    width: int
    height: int
    stride: int
    timestamp: float
    sequence: int
    full_range: bool = True
    encoding: YcbcrEncoding = YcbcrEncoding.BT601


MIN_JPEG = 128
"""Bytes; no picture is as small, but a USB dongle that stumbles sends such."""


def jpeg_damage(data: memoryview | bytes) -> str | None:
    """Say what is wrong with a JPEG; None if it is whole.

    It begins with FFD8 and ends with FFD9 (ITU-T T.81, B.1.1.3), after which some devices leave zeros.
    """
    if len(data) < MIN_JPEG:
        return f"a JPEG of {len(data)} bytes"
    if bytes(data[:2]) != b"\xff\xd8":
        return "a JPEG without its beginning"
    # Looking for the end behind the zeros takes a copy, so that is not done where it stands at the end.
    if bytes(data[-2:]) == b"\xff\xd9" or bytes(data).rstrip(b"\0").endswith(b"\xff\xd9"):
        return None
    return "a JPEG without its end"


class Signal(msgspec.Struct, frozen=True):
    """What a capture device receives.

    :param width: in pixels
    :param height: in pixels
    :param frame_rate: pictures a second, where that is known
    :param format: what the pictures come in
    """

    width: int
    height: int
    frame_rate: float | None
    format: PixelFormat


class Timings(msgspec.Struct, frozen=True):
    """How the source sends its pictures (CTA-861; V4L2 ``struct v4l2_bt_timings``).

    :param width: of the picture, in pixels
    :param height: of the picture, both fields of an interlaced one, in pixels
    :param frame_rate: pictures a second, fields of an interlaced one
    :param pixel_clock: in Hz
    :param interlaced: whether it comes in fields
    """

    width: int
    height: int
    frame_rate: float
    pixel_clock: int
    interlaced: bool = False


class CaptureStatus(DriverStatus, frozen=True):
    """What a capture driver says of itself.

    :param device: the device as a person would call it, with its node
    :param signal: what it receives; None before the first picture and while there is none
    :param dropped: frames the device itself reported as damaged, since it was opened
    :param cable: whether a source is at the other end of the cable; None where the hardware cannot tell
    :param remarks: what a person should know and could change, such as a mode for which there are too few lanes
    """

    signal: Signal | None = None
    dropped: int = 0
    cable: bool | None = None
    remarks: tuple[str, ...] = ()


class CaptureDriver(BaseDriver):
    """A device that sees a screen.

    The daemon calls ``open``, iterates ``frames`` in one thread and calls ``close`` in the end. ``status`` may be
    called from any thread. What only some devices can do is declared by deriving from ``EdidControl`` and
    ``TimingsControl``, too.
    """

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture each time, waiting for it. May be called again after ``NoSignal``.

        It goes on until it is closed or raises; ``sequence`` may start anew each time, and the size may change. An
        iterator that waits must give up within a few seconds, so that the daemon can stop; one that has reported a
        missing signal waits for it then, so that it is noticed at once when it comes.

        :raises NoSignal: there is no picture, with the reason; the driver stays open
        :raises DeviceLost: the device is gone
        """

    @abstractmethod
    def status(self) -> CaptureStatus:
        """Tell what is captured; without I/O that could block."""


class EdidControl(ABC):
    """The capability of a capture driver whose device tells the source an EDID (VESA E-EDID) that can be changed.

    Both methods may be called from any thread while the driver is open.
    """

    @abstractmethod
    def edid(self) -> bytes:
        """Return the EDID that the source sees; empty if there is none.

        :raises DriverError: the device does not say
        """

    @abstractmethod
    def set_edid(self, data: bytes) -> None:
        """Show the source another EDID, from now on and after a restart or re-plug, too; empty: none.

        :param data: whole blocks of 128 bytes with right sums, see ``kvmd.edid.check``
        :raises DriverError: the device refuses it; what was in force stays so
        """


class TimingsControl(ABC):
    """The capability of a capture driver whose device measures the source's timings, which the driver follows."""

    @abstractmethod
    def timings(self) -> Timings | None:
        """Return the timings that are followed; None without a signal. From any thread, without blocking."""
