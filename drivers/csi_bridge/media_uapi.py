"""The part of Linux' media controller and sub-device interfaces that a bridge needs: numbers and structs.

They are from the UAPI headers media.h, v4l2-mediabus.h, v4l2-subdev.h and media-bus-format.h.
Names of structs follow the headers without the prefixes ``media_`` and ``v4l2_``; names of fields and constants are the
headers' own. tests/drivers/test_csi_bridge_media_abi.py compares all of it with the C compiler, for 64 and 32 bits.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, Union, c_char, c_uint16, c_uint32, c_uint64

MEDIA_ENT_F_IO_V4L = 0x00010001
MEDIA_ENT_F_VID_IF_BRIDGE = 0x00005002

MEDIA_INTF_T_V4L_VIDEO = 0x00000200
MEDIA_INTF_T_V4L_SUBDEV = 0x00000203

MEDIA_PAD_FL_SINK = 1 << 0
MEDIA_PAD_FL_SOURCE = 1 << 1

MEDIA_LNK_FL_ENABLED = 1 << 0
MEDIA_LNK_FL_IMMUTABLE = 1 << 1
MEDIA_LNK_FL_LINK_TYPE = 0xF << 28
MEDIA_LNK_FL_DATA_LINK = 0 << 28
MEDIA_LNK_FL_INTERFACE_LINK = 1 << 28

MEDIA_BUS_FMT_UYVY8_1X16 = 0x200F

V4L2_COLORSPACE_SMPTE170M = 1
V4L2_FIELD_NONE = 1
V4L2_SUBDEV_FORMAT_ACTIVE = 1


class DeviceInfo(Structure):
    """MEDIA_IOC_DEVICE_INFO."""

    _fields_ = (
        ("driver", c_char * 16),
        ("model", c_char * 32),
        ("serial", c_char * 40),
        ("bus_info", c_char * 32),
        ("media_version", c_uint32),
        ("hw_revision", c_uint32),
        ("driver_version", c_uint32),
        ("reserved", c_uint32 * 31),
    )


class V2Entity(Structure):
    """A part of the device: a bridge, a receiver, a video node."""

    _fields_ = (
        ("id", c_uint32),
        ("name", c_char * 64),
        ("function", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 5),
    )


class V2IntfDevnode(Structure):
    """A node in /dev."""

    _fields_ = (("major", c_uint32), ("minor", c_uint32))


class _InterfaceUnion(Union):
    _fields_ = (("devnode", V2IntfDevnode), ("raw", c_uint32 * 16))


class V2Interface(Structure):
    """What programs reach an entity by."""

    _anonymous_ = ("_interface",)
    _fields_ = (
        ("id", c_uint32),
        ("intf_type", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 9),
        ("_interface", _InterfaceUnion),
    )


class V2Pad(Structure):
    """Where data goes into an entity, or out of it."""

    _fields_ = (
        ("id", c_uint32),
        ("entity_id", c_uint32),
        ("flags", c_uint32),
        ("index", c_uint32),
        ("reserved", c_uint32 * 4),
    )


class V2Link(Structure):
    """From a pad to a pad, or from an interface to its entity."""

    _fields_ = (
        ("id", c_uint32),
        ("source_id", c_uint32),
        ("sink_id", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 6),
    )


class V2Topology(Structure):
    """MEDIA_IOC_G_TOPOLOGY; packed in the header, which makes no difference to its fields."""

    _fields_ = (
        ("topology_version", c_uint64),
        ("num_entities", c_uint32),
        ("reserved1", c_uint32),
        ("ptr_entities", c_uint64),
        ("num_interfaces", c_uint32),
        ("reserved2", c_uint32),
        ("ptr_interfaces", c_uint64),
        ("num_pads", c_uint32),
        ("reserved3", c_uint32),
        ("ptr_pads", c_uint64),
        ("num_links", c_uint32),
        ("reserved4", c_uint32),
        ("ptr_links", c_uint64),
    )


class PadDesc(Structure):
    """A pad in MEDIA_IOC_SETUP_LINK."""

    _fields_ = (("entity", c_uint32), ("index", c_uint16), ("flags", c_uint32), ("reserved", c_uint32 * 2))


class LinkDesc(Structure):
    """MEDIA_IOC_SETUP_LINK."""

    _fields_ = (("source", PadDesc), ("sink", PadDesc), ("flags", c_uint32), ("reserved", c_uint32 * 2))


class MbusFramefmt(Structure):
    """The format of pictures on their way between two entities."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("code", c_uint32),
        ("field", c_uint32),
        ("colorspace", c_uint32),
        ("ycbcr_enc", c_uint16),
        ("quantization", c_uint16),
        ("xfer_func", c_uint16),
        ("flags", c_uint16),
        ("reserved", c_uint16 * 10),
    )


class SubdevFormat(Structure):
    """VIDIOC_SUBDEV_S_FMT."""

    _fields_ = (("which", c_uint32), ("pad", c_uint32), ("format", MbusFramefmt), ("reserved", c_uint32 * 8))


def _iowr(letter: str, number: int, argument: type[Structure]) -> int:
    """Return the number of an ioctl that reads and writes, as asm-generic/ioctl.h makes it."""
    return 3 << 30 | ctypes.sizeof(argument) << 16 | ord(letter) << 8 | number


MEDIA_IOC_DEVICE_INFO = _iowr("|", 0, DeviceInfo)
MEDIA_IOC_SETUP_LINK = _iowr("|", 3, LinkDesc)
MEDIA_IOC_G_TOPOLOGY = _iowr("|", 4, V2Topology)
VIDIOC_SUBDEV_S_FMT = _iowr("V", 5, SubdevFormat)
