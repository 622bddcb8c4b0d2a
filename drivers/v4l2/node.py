"""A video node: V4L2's ioctls as typed methods.

Errors are the kernel's own (OSError); the driver above turns them into words. Both interfaces are served, single- and
multi-planar, the latter with formats whose planes lie in one piece of memory.
Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import msgspec

from . import uapi

_NOT_OFFERED = (errno.EINVAL, errno.ENOTTY, errno.ENODATA)
"""What an ioctl answers past the end of a list, and where it is not implemented or has no meaning on this input."""

_CAPTURE = uapi.V4L2_CAP_VIDEO_CAPTURE | uapi.V4L2_CAP_VIDEO_CAPTURE_MPLANE
_OUTPUT = uapi.V4L2_CAP_VIDEO_OUTPUT | uapi.V4L2_CAP_VIDEO_OUTPUT_MPLANE
_CODEC = uapi.V4L2_CAP_VIDEO_M2M | uapi.V4L2_CAP_VIDEO_M2M_MPLANE


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Capability(msgspec.Struct, frozen=True):
    """What a node says of itself; ``flags`` are its own, not those of its device's other nodes."""

    card: str
    flags: int

    @property
    def multi_planar(self) -> bool:
        """Whether it captures by the multi-planar interface."""
        return bool(self.flags & uapi.V4L2_CAP_VIDEO_CAPTURE_MPLANE)

    def refusal(self) -> str:
        """Say why the node cannot capture video; empty if it can."""
        # Codecs from before V4L2_CAP_VIDEO_M2M say that they do both.
        if self.flags & _CODEC or (self.flags & _CAPTURE and self.flags & _OUTPUT):
            return "it is a codec"
        if self.flags & _CAPTURE:
            return "" if self.flags & uapi.V4L2_CAP_STREAMING else "it cannot stream"
        if self.flags & uapi.V4L2_CAP_META_CAPTURE:
            return "it is a metadata node"
        return "it is an output" if self.flags & _OUTPUT else "it has no CAPTURE capability"


class NodeFormat(msgspec.Struct, frozen=True):
    """How pictures lie in a node's buffers.

    :param fourcc: the pixel format's code, such as ``YUYV``
    :param stride: bytes from one line of the first plane to the next; 0 if the driver does not say
    :param planes: pieces of memory to a picture
    """

    fourcc: str
    size: Size
    stride: int
    planes: int
    field: int
    colorspace: int
    quantization: int
    ycbcr_encoding: int


class Handle:
    """An open node, of whatever kind.

    :param path: its path in /dev
    :raises OSError: it cannot be opened
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        """Close it; once is enough, twice does no harm."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        """Do one ioctl, again when a signal interrupts it (``fcntl.ioctl`` does not, other than most of Python)."""
        while True:
            try:
                fcntl.ioctl(self.fd, request, argument)
            except InterruptedError:
                continue
            return


class Node(Handle):
    """An open video node.

    :param path: its path in /dev
    :raises OSError: it cannot be opened, or is no V4L2 node (ENOTTY)
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            self.capability = self._query()
        except OSError:
            self.close()
            raise
        self.buffer_type = uapi.V4L2_BUF_TYPE_VIDEO_CAPTURE
        if self.capability.multi_planar:
            self.buffer_type = uapi.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

    def formats(self) -> list[str]:
        """List the codes of the pixel formats it offers."""
        entry = uapi.Fmtdesc(type=self.buffer_type)
        return [fourcc(entry.pixelformat) for _ in self._enumerate(uapi.VIDIOC_ENUM_FMT, entry)]

    def sizes(self, code: str) -> list[Size]:
        """List the sizes of a pixel format; empty if it tells none, or a range."""
        found = []
        entry = uapi.Frmsizeenum(pixel_format=number(code))
        for _ in self._enumerate(uapi.VIDIOC_ENUM_FRAMESIZES, entry):
            if entry.type != uapi.V4L2_FRMSIZE_TYPE_DISCRETE:
                return []
            found.append(Size(entry.discrete.width, entry.discrete.height))
        return found

    def frame_rates(self, code: str, size: Size) -> list[Fraction]:
        """List the frame rates of a pixel format and size, of a range the highest; empty if it tells none."""
        found = []
        entry = uapi.Frmivalenum(pixel_format=number(code), width=size.width, height=size.height)
        for _ in self._enumerate(uapi.VIDIOC_ENUM_FRAMEINTERVALS, entry):
            if entry.type != uapi.V4L2_FRMIVAL_TYPE_DISCRETE:
                return _rates(entry.stepwise.min)
            found += _rates(entry.discrete)
        return found

    def format(self) -> NodeFormat:
        """Return the format that is set."""
        raw = uapi.Format(type=self.buffer_type)
        self.ioctl(uapi.VIDIOC_G_FMT, raw)
        return self._read_format(raw)

    def set_format(self, code: str, size: Size) -> NodeFormat:
        """Set pixel format and size, with progressive pictures; the answer may differ in every respect."""
        raw = uapi.Format(type=self.buffer_type)
        pix = raw.fmt.pix_mp if self.capability.multi_planar else raw.fmt.pix
        pix.width, pix.height = size
        pix.pixelformat = number(code)
        pix.field = uapi.V4L2_FIELD_NONE
        self.ioctl(uapi.VIDIOC_S_FMT, raw)
        return self._read_format(raw)

    def frame_rate(self) -> Fraction | None:
        """Return the frame rate that is set; None where the node does not say."""
        return self._parm(uapi.VIDIOC_G_PARM, uapi.Streamparm(type=self.buffer_type))

    def set_frame_rate(self, rate: Fraction) -> Fraction | None:
        """Ask for a frame rate and return what is set then; None where the node knows of none."""
        raw = uapi.Streamparm(type=self.buffer_type)
        raw.parm.capture.timeperframe = uapi.Fract(rate.denominator, rate.numerator)
        return self._parm(uapi.VIDIOC_S_PARM, raw)

    def _query(self) -> Capability:
        raw = uapi.Capability()
        self.ioctl(uapi.VIDIOC_QUERYCAP, raw)
        own = raw.capabilities & uapi.V4L2_CAP_DEVICE_CAPS
        flags = raw.device_caps if own else raw.capabilities
        return Capability(card=raw.card.decode(errors="replace"), flags=flags)

    def _enumerate(self, request: int, entry: ctypes.Structure) -> Iterator[None]:
        """Fill the entry with one answer after the other."""
        try:
            while True:
                self.ioctl(request, entry)
                yield
                entry.index += 1
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise

    def _read_format(self, raw: uapi.Format) -> NodeFormat:
        multi = self.capability.multi_planar
        pix = raw.fmt.pix_mp if multi else raw.fmt.pix
        return NodeFormat(
            fourcc=fourcc(pix.pixelformat),
            size=Size(pix.width, pix.height),
            stride=pix.plane_fmt[0].bytesperline if multi else pix.bytesperline,
            planes=pix.num_planes if multi else 1,
            field=pix.field,
            colorspace=pix.colorspace,
            quantization=pix.quantization,
            ycbcr_encoding=pix.ycbcr_enc,
        )

    def _parm(self, request: int, raw: uapi.Streamparm) -> Fraction | None:
        try:
            self.ioctl(request, raw)
        except OSError as error:
            if error.errno in _NOT_OFFERED:
                return None
            raise
        if not raw.parm.capture.capability & uapi.V4L2_CAP_TIMEPERFRAME:
            return None
        return next(iter(_rates(raw.parm.capture.timeperframe)), None)


def fourcc(code: int) -> str:
    """Return a pixel format's number as its four letters."""
    return code.to_bytes(4, "little").decode("latin-1")


def number(code: str) -> int:
    """Return a pixel format's four letters as its number."""
    return int.from_bytes(code.encode("latin-1"), "little")


def _rates(interval: uapi.Fract) -> list[Fraction]:
    """Return a frame interval as a frame rate; empty where the driver left it out."""
    if not interval.numerator or not interval.denominator:
        return []
    return [Fraction(interval.denominator, interval.numerator)]
