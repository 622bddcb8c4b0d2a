"""The numbers and structs of drivers/v4l2/uapi.py are those of the C compiler, for 64 and for 32 bits."""

import ctypes

from kvmd_drivers.v4l2 import uapi
from tests.abi import Abi, Narrow

STRUCTS = {
    "v4l2_capability": uapi.Capability,
    "v4l2_fract": uapi.Fract,
    "v4l2_fmtdesc": uapi.Fmtdesc,
    "v4l2_frmsize_discrete": uapi.FrmsizeDiscrete,
    "v4l2_frmsize_stepwise": uapi.FrmsizeStepwise,
    "v4l2_frmsizeenum": uapi.Frmsizeenum,
    "v4l2_frmival_stepwise": uapi.FrmivalStepwise,
    "v4l2_frmivalenum": uapi.Frmivalenum,
    "v4l2_pix_format": uapi.PixFormat,
    "v4l2_plane_pix_format": uapi.PlanePixFormat,
    "v4l2_pix_format_mplane": uapi.PixFormatMplane,
    "v4l2_format": uapi.Format,
    "v4l2_captureparm": uapi.Captureparm,
    "v4l2_streamparm": uapi.Streamparm,
    "v4l2_requestbuffers": uapi.Requestbuffers,
    "v4l2_plane": uapi.Plane,
    "v4l2_timecode": uapi.Timecode,
    "v4l2_buffer": uapi.Buffer,
    "v4l2_control": uapi.Control,
    "v4l2_edid": uapi.Edid,
    "v4l2_bt_timings": uapi.BtTimings,
    "v4l2_dv_timings": uapi.DvTimings,
    "v4l2_bt_timings_cap": uapi.BtTimingsCap,
    "v4l2_dv_timings_cap": uapi.DvTimingsCap,
    "v4l2_event_src_change": uapi.EventSrcChange,
    "v4l2_event": uapi.Event,
    "v4l2_event_subscription": uapi.EventSubscription,
}
IOCTLS = {
    "VIDIOC_QUERYCAP": "v4l2_capability",
    "VIDIOC_ENUM_FMT": "v4l2_fmtdesc",
    "VIDIOC_G_FMT": "v4l2_format",
    "VIDIOC_S_FMT": "v4l2_format",
    "VIDIOC_REQBUFS": "v4l2_requestbuffers",
    "VIDIOC_QUERYBUF": "v4l2_buffer",
    "VIDIOC_QBUF": "v4l2_buffer",
    "VIDIOC_DQBUF": "v4l2_buffer",
    "VIDIOC_STREAMON": "int",
    "VIDIOC_STREAMOFF": "int",
    "VIDIOC_G_PARM": "v4l2_streamparm",
    "VIDIOC_S_PARM": "v4l2_streamparm",
    "VIDIOC_G_CTRL": "v4l2_control",
    "VIDIOC_G_EDID": "v4l2_edid",
    "VIDIOC_S_EDID": "v4l2_edid",
    "VIDIOC_ENUM_FRAMESIZES": "v4l2_frmsizeenum",
    "VIDIOC_ENUM_FRAMEINTERVALS": "v4l2_frmivalenum",
    "VIDIOC_S_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_G_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_DQEVENT": "v4l2_event",
    "VIDIOC_SUBSCRIBE_EVENT": "v4l2_event_subscription",
    "VIDIOC_QUERY_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_DV_TIMINGS_CAP": "v4l2_dv_timings_cap",
}


class TestV4l2(Abi):
    uapi = uapi
    headers = ("sys/time.h", "linux/videodev2.h")
    prefixes = ("V4L2_", "VIDEO_", "VIDIOC_")
    structs = STRUCTS
    ioctls = IOCTLS

    def test_a_buffer_is_smaller_with_32_bits(self) -> None:
        assert (ctypes.sizeof(uapi.Buffer), ctypes.sizeof(Narrow()(uapi.Buffer))) == (88, 76)
