"""Video4Linux capture devices: HDMI-to-USB dongles, webcams, anything whose node in /dev takes care of itself.

Works: V4L2 capture nodes, single- and multi-planar, that stream MJPEG, YU12, NV12, YUYV, UYVY, BGR24, RGB24 or GREY
into mapped buffers; choice of format, size and frame rate; unplug and replug; torn and short frames are dropped.

Does not work: formats whose planes lie in separate memory (NM12 …) and other pixel formats are not chosen; fields of
interlaced pictures are not put together; HDMI-to-CSI bridges, for which csi_bridge is; knowing whether a USB dongle has
a signal, as it does not tell: what it shows then is its own picture, or nothing.

Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/; docs/v4l2.md says how to
use it.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Annotated, ClassVar

from msgspec import Meta

from kvmd import CaptureDriver, Device, DriverError, Match, PixelFormat, hookimpl

from . import formats
from .capture import NodeCapture, NodeOptions, Streaming, set_mode
from .formats import Mode
from .node import Node, Size

logger = logging.getLogger(__name__)

_DONGLES = {
    "534d:2109": "MacroSilicon MS2109",
    "345f:2130": "MacroSilicon MS2130",
    "345f:2131": "MacroSilicon MS2131",
    "345f:2132": "Openterface Mini-KVM",
}
"""HDMI-to-USB dongles: they see a screen for certain, other USB devices may be webcams."""

_Pixels = Annotated[int, Meta(ge=1)]
_Rate = Annotated[float, Meta(gt=0)]


class V4l2Options(NodeOptions, frozen=True, forbid_unknown_fields=True):
    """Which device, and what to ask of it; by default the device's best."""

    width: Annotated[_Pixels | None, Meta(description="In pixels, together with `height`.")] = None
    height: Annotated[_Pixels | None, Meta(description="In pixels, together with `width`.")] = None
    frame_rate: Annotated[
        _Rate | None, Meta(description="Frames a second; the device may take the nearest that it can do.")
    ] = None
    format: Annotated[
        PixelFormat | None,
        Meta(description="The pixel format, by V4L2's name. By default MJPEG, else what is cheapest to encode."),
    ] = None

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together: set both or none")

    def size(self) -> Size | None:
        """Return the size that is asked for."""
        return None if self.width is None or self.height is None else Size(self.width, self.height)

    def rate(self) -> Fraction | None:
        """Return the frame rate that is asked for, as V4L2 wants it."""
        return None if self.frame_rate is None else Fraction(self.frame_rate).limit_denominator(1001)


class V4l2Capture(NodeCapture):
    """A V4L2 capture device."""

    name = "v4l2"
    Options = V4l2Options
    matches: ClassVar = (
        *(
            Match(
                "video4linux",
                {
                    "ID_VENDOR_ID": usb_id[:4],
                    "ID_MODEL_ID": usb_id[5:],
                    "ID_V4L_CAPABILITIES": "*:capture:*",
                },
                score=80,
            )
            for usb_id in _DONGLES
        ),
        Match("video4linux", {"ID_BUS": "usb", "ID_V4L_CAPABILITIES": "*:capture:*"}, score=50),
        Match("video4linux", {"ID_V4L_CAPABILITIES": "*:capture:*"}, score=20),
    )

    def __init__(self, options: V4l2Options, device: Device | None) -> None:
        super().__init__(options, device)
        self._options = options

    def _ready(self, node: Node) -> Streaming:
        """Choose and set what to capture."""
        mode = _choose(node, self._options)
        layout = set_mode(node, mode)
        rate = self._options.rate() or mode.frame_rate
        got = node.set_frame_rate(rate) if rate else node.frame_rate()
        logger.debug("%s: %s %s, frames a second: %s", node.path, layout.format.value, layout.size, got or "not told")
        return Streaming(layout, None if got is None else float(got))


def _choose(node: Node, options: V4l2Options) -> Mode:
    modes = _modes(node, options.size())
    mode = formats.choose(modes, options.format, options.size(), options.rate())
    if mode is None:
        asked = [str(value) for value in (options.format and options.format.value, options.size()) if value]
        what = " ".join(asked) or "a pixel format that kvmd knows"
        raise DriverError(f"{node.path} does not offer {what}; it offers {formats.describe(modes)}")
    return mode


def _modes(node: Node, wanted: Size | None) -> list[Mode]:
    """List what a node offers; where it does not list sizes, the wanted one, else that which is set."""
    size = wanted or node.format().size
    known = {each.fourcc: each for each in PixelFormat}
    return [
        Mode(known[code], each, max(node.frame_rates(code, each), default=None))
        for code in node.formats()
        if code in known
        for each in node.sizes(code) or [size]
    ]


@hookimpl
def kvmd_drivers() -> list[type[CaptureDriver]]:
    """Name the driver of this plug-in."""
    return [V4l2Capture]
