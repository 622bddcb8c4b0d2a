"""The part of Linux' V4L2 interface that capturing needs: numbers and structs of the UAPI header videodev2.h.

Names of structs follow the header without the prefix ``v4l2_``; names of fields and constants are the header's own.
tests/drivers/test_v4l2_abi.py compares all of it with the C compiler, for 64 and 32 bits.

The time stamp in a buffer always has 64-bit fields. A 64-bit machine knows no other, and for 32-bit programs the
kernel takes this layout beside the old one since 5.6 (the ioctl's number carries the struct's size).
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    Structure,
    Union,
    c_char,
    c_int,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)

V4L2_BUF_TYPE_VIDEO_CAPTURE = 1
V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9

V4L2_MEMORY_MMAP = 1

V4L2_FIELD_NONE = 1
V4L2_FIELD_ALTERNATE = 7

V4L2_COLORSPACE_REC709 = 3
V4L2_COLORSPACE_JPEG = 7
V4L2_COLORSPACE_DCI_P3 = 12

V4L2_YCBCR_ENC_DEFAULT = 0
V4L2_YCBCR_ENC_709 = 2
V4L2_YCBCR_ENC_XV709 = 4

V4L2_QUANTIZATION_DEFAULT = 0
V4L2_QUANTIZATION_FULL_RANGE = 1

V4L2_CAP_VIDEO_CAPTURE = 0x00000001
V4L2_CAP_VIDEO_OUTPUT = 0x00000002
V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x00001000
V4L2_CAP_VIDEO_OUTPUT_MPLANE = 0x00002000
V4L2_CAP_VIDEO_M2M_MPLANE = 0x00004000
V4L2_CAP_VIDEO_M2M = 0x00008000
V4L2_CAP_META_CAPTURE = 0x00800000
V4L2_CAP_STREAMING = 0x04000000
V4L2_CAP_DEVICE_CAPS = 0x80000000

V4L2_CAP_TIMEPERFRAME = 0x1000

V4L2_FRMSIZE_TYPE_DISCRETE = 1
V4L2_FRMIVAL_TYPE_DISCRETE = 1

V4L2_BUF_FLAG_ERROR = 0x00000040
V4L2_BUF_FLAG_TIMESTAMP_MASK = 0x0000E000
V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x00002000

VIDEO_MAX_PLANES = 8

V4L2_DV_INTERLACED = 1

V4L2_DV_FL_CAN_REDUCE_FPS = 0x0002
V4L2_DV_FL_REDUCED_FPS = 0x0004
V4L2_DV_FL_HAS_CEA861_VIC = 0x0080

V4L2_EVENT_CTRL = 3
V4L2_EVENT_SOURCE_CHANGE = 5
V4L2_EVENT_SRC_CH_RESOLUTION = 0x0001

V4L2_CID_DV_RX_POWER_PRESENT = 0x00A00964


class Capability(Structure):
    """What a node is; VIDIOC_QUERYCAP."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class Fract(Structure):
    """A fraction."""

    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class Fmtdesc(Structure):
    """A pixel format that a node offers; VIDIOC_ENUM_FMT."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FrmsizeDiscrete(Structure):
    """One size."""

    _fields_ = (("width", c_uint32), ("height", c_uint32))


class FrmsizeStepwise(Structure):
    """A range of sizes."""

    _fields_ = (
        ("min_width", c_uint32),
        ("max_width", c_uint32),
        ("step_width", c_uint32),
        ("min_height", c_uint32),
        ("max_height", c_uint32),
        ("step_height", c_uint32),
    )


class _FrmsizeUnion(Union):
    _fields_ = (("discrete", FrmsizeDiscrete), ("stepwise", FrmsizeStepwise))


class Frmsizeenum(Structure):
    """The sizes of a pixel format; VIDIOC_ENUM_FRAMESIZES."""

    _anonymous_ = ("_size",)
    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("_size", _FrmsizeUnion),
        ("reserved", c_uint32 * 2),
    )


class FrmivalStepwise(Structure):
    """A range of frame intervals."""

    _fields_ = (("min", Fract), ("max", Fract), ("step", Fract))


class _FrmivalUnion(Union):
    _fields_ = (("discrete", Fract), ("stepwise", FrmivalStepwise))


class Frmivalenum(Structure):
    """The frame intervals of a pixel format and size; VIDIOC_ENUM_FRAMEINTERVALS."""

    _anonymous_ = ("_interval",)
    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("_interval", _FrmivalUnion),
        ("reserved", c_uint32 * 2),
    )


class PixFormat(Structure):
    """A format of the single-planar interface."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("priv", c_uint32),
        ("flags", c_uint32),
        ("ycbcr_enc", c_uint32),
        ("quantization", c_uint32),
        ("xfer_func", c_uint32),
    )


class PlanePixFormat(Structure):
    """One plane of a multi-planar format."""

    _fields_ = (("sizeimage", c_uint32), ("bytesperline", c_uint32), ("reserved", c_uint16 * 6))


class PixFormatMplane(Structure):
    """A format of the multi-planar interface; packed in the header, which makes no difference to its fields."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("colorspace", c_uint32),
        ("plane_fmt", PlanePixFormat * VIDEO_MAX_PLANES),
        ("num_planes", c_uint8),
        ("flags", c_uint8),
        ("ycbcr_enc", c_uint8),
        ("quantization", c_uint8),
        ("xfer_func", c_uint8),
        ("reserved", c_uint8 * 7),
    )


class _FormatUnion(Union):
    _fields_ = (
        ("pix", PixFormat),
        ("pix_mp", PixFormatMplane),
        ("raw_data", c_uint8 * 200),
        # The overlay's struct v4l2_window, unused here, holds pointers: they align the union.
        ("_win", c_void_p),
    )


class Format(Structure):
    """VIDIOC_G_FMT, VIDIOC_S_FMT."""

    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class Captureparm(Structure):
    """The frame interval among other things."""

    _fields_ = (
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fract),
        ("extendedmode", c_uint32),
        ("readbuffers", c_uint32),
        ("reserved", c_uint32 * 4),
    )


class _StreamparmUnion(Union):
    _fields_ = (("capture", Captureparm), ("raw_data", c_uint8 * 200))


class Streamparm(Structure):
    """VIDIOC_G_PARM, VIDIOC_S_PARM."""

    _fields_ = (("type", c_uint32), ("parm", _StreamparmUnion))


class Requestbuffers(Structure):
    """VIDIOC_REQBUFS."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class _PlaneUnion(Union):
    _fields_ = (("mem_offset", c_uint32), ("userptr", c_void_p), ("fd", c_int32))


class Plane(Structure):
    """One plane of a multi-planar buffer."""

    _fields_ = (
        ("bytesused", c_uint32),
        ("length", c_uint32),
        ("m", _PlaneUnion),
        ("data_offset", c_uint32),
        ("reserved", c_uint32 * 11),
    )


class Timeval(Structure):
    """The kernel's ``struct __kernel_v4l2_timeval``: 64-bit fields on every machine."""

    _fields_ = (("tv_sec", c_int64), ("tv_usec", c_int64))


class Timecode(Structure):
    """A SMPTE time code."""

    _fields_ = (
        ("type", c_uint32),
        ("flags", c_uint32),
        ("frames", c_uint8),
        ("seconds", c_uint8),
        ("minutes", c_uint8),
        ("hours", c_uint8),
        ("userbits", c_uint8 * 4),
    )


class _BufferUnion(Union):
    _fields_ = (("offset", c_uint32), ("userptr", c_void_p), ("planes", POINTER(Plane)), ("fd", c_int32))


class Buffer(Structure):
    """VIDIOC_QUERYBUF, VIDIOC_QBUF, VIDIOC_DQBUF."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp", Timeval),
        ("timecode", Timecode),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", _BufferUnion),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_int32),
    )


class Control(Structure):
    """A control's value; VIDIOC_G_CTRL."""

    _fields_ = (("id", c_uint32), ("value", c_int32))


class Edid(Structure):
    """Blocks of an EDID; VIDIOC_G_EDID, VIDIOC_S_EDID, on sub-devices too."""

    _fields_ = (
        ("pad", c_uint32),
        ("start_block", c_uint32),
        ("blocks", c_uint32),
        ("reserved", c_uint32 * 5),
        ("edid", POINTER(c_uint8)),
    )


class BtTimings(Structure):
    """How a picture is sent, blanking and all."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("interlaced", c_uint32),
        ("polarities", c_uint32),
        ("pixelclock", c_uint64),
        ("hfrontporch", c_uint32),
        ("hsync", c_uint32),
        ("hbackporch", c_uint32),
        ("vfrontporch", c_uint32),
        ("vsync", c_uint32),
        ("vbackporch", c_uint32),
        ("il_vfrontporch", c_uint32),
        ("il_vsync", c_uint32),
        ("il_vbackporch", c_uint32),
        ("standards", c_uint32),
        ("flags", c_uint32),
        ("picture_aspect", Fract),
        ("cea861_vic", c_uint8),
        ("hdmi_vic", c_uint8),
        ("reserved", c_uint8 * 46),
    )


class _TimingsUnion(Union):
    _fields_ = (("bt", BtTimings), ("reserved", c_uint32 * 32))


class DvTimings(Structure):
    """VIDIOC_QUERY_DV_TIMINGS, VIDIOC_G_DV_TIMINGS, VIDIOC_S_DV_TIMINGS, on sub-devices too."""

    _anonymous_ = ("_timings",)
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("type", c_uint32), ("_timings", _TimingsUnion))


class BtTimingsCap(Structure):
    """The range of timings that a receiver takes."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("min_width", c_uint32),
        ("max_width", c_uint32),
        ("min_height", c_uint32),
        ("max_height", c_uint32),
        ("min_pixelclock", c_uint64),
        ("max_pixelclock", c_uint64),
        ("standards", c_uint32),
        ("capabilities", c_uint32),
        ("reserved", c_uint32 * 16),
    )


class _TimingsCapUnion(Union):
    _fields_ = (("bt", BtTimingsCap), ("raw_data", c_uint32 * 32))


class DvTimingsCap(Structure):
    """VIDIOC_DV_TIMINGS_CAP, on sub-devices too."""

    _anonymous_ = ("_cap",)
    _fields_ = (("type", c_uint32), ("pad", c_uint32), ("reserved", c_uint32 * 2), ("_cap", _TimingsCapUnion))


class EventSrcChange(Structure):
    """What a source changed."""

    _fields_ = (("changes", c_uint32),)


class _EventUnion(Union):
    _fields_ = (
        ("src_change", EventSrcChange),
        ("data", c_uint8 * 64),
        # A control's new value, unused here, may have 64 bits: it aligns the union.
        ("_value64", c_int64),
    )


class Event(Structure):
    """VIDIOC_DQEVENT; its time stamp, unused here, has 64-bit fields, see above."""

    _fields_ = (
        ("type", c_uint32),
        ("u", _EventUnion),
        ("pending", c_uint32),
        ("sequence", c_uint32),
        ("timestamp", c_int64 * 2),
        ("id", c_uint32),
        ("reserved", c_uint32 * 8),
    )


class EventSubscription(Structure):
    """VIDIOC_SUBSCRIBE_EVENT."""

    _fields_ = (("type", c_uint32), ("id", c_uint32), ("flags", c_uint32), ("reserved", c_uint32 * 5))


_WRITE, _READ = 1, 2


def _ioc(direction: int, number: int, argument: type[Structure | c_int]) -> int:
    """Return an ioctl's number as asm-generic/ioctl.h makes it: direction, size of the argument, 'V', number."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


VIDIOC_QUERYCAP = _ioc(_READ, 0, Capability)
VIDIOC_ENUM_FMT = _ioc(_READ | _WRITE, 2, Fmtdesc)
VIDIOC_G_FMT = _ioc(_READ | _WRITE, 4, Format)
VIDIOC_S_FMT = _ioc(_READ | _WRITE, 5, Format)
VIDIOC_REQBUFS = _ioc(_READ | _WRITE, 8, Requestbuffers)
VIDIOC_QUERYBUF = _ioc(_READ | _WRITE, 9, Buffer)
VIDIOC_QBUF = _ioc(_READ | _WRITE, 15, Buffer)
VIDIOC_DQBUF = _ioc(_READ | _WRITE, 17, Buffer)
VIDIOC_STREAMON = _ioc(_WRITE, 18, c_int)
VIDIOC_STREAMOFF = _ioc(_WRITE, 19, c_int)
VIDIOC_G_PARM = _ioc(_READ | _WRITE, 21, Streamparm)
VIDIOC_S_PARM = _ioc(_READ | _WRITE, 22, Streamparm)
VIDIOC_G_CTRL = _ioc(_READ | _WRITE, 27, Control)
VIDIOC_G_EDID = _ioc(_READ | _WRITE, 40, Edid)
VIDIOC_S_EDID = _ioc(_READ | _WRITE, 41, Edid)
VIDIOC_ENUM_FRAMESIZES = _ioc(_READ | _WRITE, 74, Frmsizeenum)
VIDIOC_ENUM_FRAMEINTERVALS = _ioc(_READ | _WRITE, 75, Frmivalenum)
VIDIOC_S_DV_TIMINGS = _ioc(_READ | _WRITE, 87, DvTimings)
VIDIOC_G_DV_TIMINGS = _ioc(_READ | _WRITE, 88, DvTimings)
VIDIOC_DQEVENT = _ioc(_READ, 89, Event)
VIDIOC_SUBSCRIBE_EVENT = _ioc(_WRITE, 90, EventSubscription)
VIDIOC_QUERY_DV_TIMINGS = _ioc(_READ, 99, DvTimings)
VIDIOC_DV_TIMINGS_CAP = _ioc(_READ | _WRITE, 100, DvTimingsCap)
