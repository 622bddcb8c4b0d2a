"""The numbers and structs of drivers/csi_bridge/media_uapi.py are those of the C compiler, for 64 and for 32 bits."""

from kvmd_drivers.csi_bridge import media_uapi as uapi
from tests.abi import Abi

STRUCTS = {
    "media_device_info": uapi.DeviceInfo,
    "media_v2_entity": uapi.V2Entity,
    "media_v2_intf_devnode": uapi.V2IntfDevnode,
    "media_v2_interface": uapi.V2Interface,
    "media_v2_pad": uapi.V2Pad,
    "media_v2_link": uapi.V2Link,
    "media_v2_topology": uapi.V2Topology,
    "media_pad_desc": uapi.PadDesc,
    "media_link_desc": uapi.LinkDesc,
    "v4l2_mbus_framefmt": uapi.MbusFramefmt,
    "v4l2_subdev_format": uapi.SubdevFormat,
}
IOCTLS = {
    "MEDIA_IOC_DEVICE_INFO": "media_device_info",
    "MEDIA_IOC_SETUP_LINK": "media_link_desc",
    "MEDIA_IOC_G_TOPOLOGY": "media_v2_topology",
    "VIDIOC_SUBDEV_S_FMT": "v4l2_subdev_format",
}


class TestMedia(Abi):
    uapi = uapi
    headers = ("linux/media.h", "linux/media-bus-format.h", "linux/v4l2-subdev.h")
    prefixes = ("MEDIA_", "V4L2_", "VIDIOC_")
    structs = STRUCTS
    ioctls = IOCTLS
