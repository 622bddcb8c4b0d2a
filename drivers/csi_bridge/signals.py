"""What a receiver measures, in words: timings, the reasons why there are none, and the CSI lanes they need.

Pure functions. The answers of VIDIOC_QUERY_DV_TIMINGS are documented on its page in the kernel's "Video for Linux API".
"""

from __future__ import annotations

import errno
import math

from kvmd import PixelFormat, Timings

from ..v4l2 import uapi

LANE = 972e6
"""Bits a second that a CSI lane carries: 972 Mbit/s, as the bridges are clocked."""

RATES = (60, 50, 30, 25, 24)
"""Pictures a second that sources can usually be set to."""

PROFILES = {
    "1080p60": Timings(1920, 1080, 60, 148_500_000),
    "1080p50-2lane": Timings(1920, 1080, 50, 148_500_000),
    "720p60": Timings(1280, 720, 60, 74_250_000),
}
"""The shipped EDIDs, and the most that each lets a source send."""

_NO_SYNC = "no sync: the receiver finds no picture in the signal"

FAULTS = {
    errno.ENOLINK: "no signal: the source sends nothing",
    errno.ENOLCK: "no lock: the signal is unstable",
    errno.ERANGE: "out of range",
    errno.EIO: _NO_SYNC,
    errno.EREMOTEIO: _NO_SYNC,
    errno.ETIMEDOUT: _NO_SYNC,
}
"""Errors of QUERY_DV_TIMINGS that may pass, as the source or its cable is what they are about."""

REFUSALS = {
    errno.ENODATA: "the input in use has no timings to measure; choose an HDMI input (`v4l2-ctl --list-inputs`)",
    errno.ENOTTY: "it has no timings to measure, and no sub-device beside it has; is the bridge's driver loaded?",
}
"""Errors of QUERY_DV_TIMINGS that are about the node."""

_UNLOCKED = (640, 480, 25_175_000, 1)
"""Width, height, pixel clock and VIC that an RK628 pretends while it has no lock."""


def read(raw: uapi.BtTimings) -> Timings:
    """Read timings as V4L2 has them; the frame rate follows videodev2.h, ``V4L2_DV_BT_FRAME_HEIGHT``."""
    columns = raw.width + raw.hfrontporch + raw.hsync + raw.hbackporch
    lines = raw.height + raw.vfrontporch + raw.vsync + raw.vbackporch
    interlaced = bool(raw.interlaced & uapi.V4L2_DV_INTERLACED)
    if interlaced:
        lines = (lines + raw.il_vfrontporch + raw.il_vsync + raw.il_vbackporch) / 2
    clock = raw.pixelclock
    reduced = uapi.V4L2_DV_FL_CAN_REDUCE_FPS | uapi.V4L2_DV_FL_REDUCED_FPS
    if raw.flags & reduced == reduced:
        clock = clock * 1000 // 1001
    rate = clock / (columns * lines) if columns and lines else 0.0
    return Timings(raw.width, raw.height, round(rate, 3), clock, interlaced)


def is_pretence(raw: uapi.BtTimings) -> bool:
    """Tell the timings that an RK628 makes up while it has no lock."""
    vic = raw.cea861_vic if raw.flags & uapi.V4L2_DV_FL_HAS_CEA861_VIC else 0
    return (raw.width, raw.height, raw.pixelclock, vic) == _UNLOCKED


def describe(timings: Timings) -> str:
    """Name timings for a message."""
    return f"{timings.width}x{timings.height}{'i' * timings.interlaced} at {timings.frame_rate:g}"


def cable_in_words(cable: bool | None) -> str:
    """Say what the cable's state means for someone who misses a picture; empty where it is not known."""
    if cable is None:
        return ""
    return "; the cable is in" if cable else "; the cable is out, or the source is off"


def fault(error: int, raw: uapi.BtTimings, limits: uapi.BtTimingsCap, cable: bool | None) -> str:
    """Say why there is no signal that could be measured.

    :param error: what QUERY_DV_TIMINGS answered, one of ``FAULTS``
    :param raw: the timings, with as much as the driver knows nevertheless
    :param limits: what the receiver takes, all zero where it does not say
    :param cable: whether a source is at the other end; None where the hardware cannot tell
    """
    if error == errno.ERANGE:
        return f"{FAULTS[error]}: {_excess(raw, limits)}; set the source to another mode, or load another EDID"
    return f"{FAULTS[error]}{cable_in_words(cable)}"


def flaw(raw: uapi.BtTimings, cable: bool | None) -> str | None:
    """Say why a signal that was measured cannot be captured; None if it can."""
    if not raw.width or not raw.height:
        return f"{FAULTS[errno.ENOLINK]}{cable_in_words(cable)}"
    if raw.interlaced & uapi.V4L2_DV_INTERLACED:
        sent = describe(read(raw))
        return f"interlaced: the source sends {sent}, which kvmd cannot put together; set it to a progressive mode"
    return None


def _excess(raw: uapi.BtTimings, limits: uapi.BtTimingsCap) -> str:
    """Say what is beyond the limits, with as much as the driver told."""
    taken = "this receiver takes"
    if limits.max_width:
        taken += f" ({limits.min_width}x{limits.min_height} to {limits.max_width}x{limits.max_height}"
        taken += f", {limits.min_pixelclock / 1e6:g} to {limits.max_pixelclock / 1e6:g} MHz)"
    if raw.width and raw.height:
        less = raw.width < limits.min_width or raw.height < limits.min_height
        return f"{raw.width}x{raw.height} is {'less' if less else 'more'} than {taken}"
    if raw.pixelclock:
        less = raw.pixelclock < limits.min_pixelclock
        return f"a pixel clock of {raw.pixelclock / 1e6:g} MHz is {'less' if less else 'more'} than {taken}"
    return f"the source's mode is not what {taken}"


def bits_per_pixel(pixel_format: PixelFormat) -> int:
    """Return how many bits a pixel has on its way through the lanes; planar formats are made behind them."""
    return 24 if pixel_format in (PixelFormat.RGB24, PixelFormat.BGR24) else 16


def lanes_needed(timings: Timings, bits: int) -> int:
    """Count the CSI lanes that a picture of so many bits a pixel needs."""
    return math.ceil(timings.width * timings.height * timings.frame_rate * bits / LANE)


def edid_for(pixel_format: PixelFormat, lanes: int | None) -> str:
    """Name the shipped EDID whose modes all fit through so many lanes; where they are not known, through two."""
    bits = bits_per_pixel(pixel_format)
    fitting = [name for name, most in PROFILES.items() if lanes_needed(most, bits) <= (lanes or 2)]
    return next(iter(fitting), "720p60")


def lanes_remark(timings: Timings, pixel_format: PixelFormat, lanes: int | None) -> str | None:
    """Say which mode needs more lanes than there are, and what to do; None if it fits."""
    bits = bits_per_pixel(pixel_format)
    needed = lanes_needed(timings, bits)
    if lanes is None or needed <= lanes:
        return None
    most = lanes * LANE / (timings.width * timings.height * bits)
    rate = next((rate for rate in RATES if rate < timings.frame_rate and rate <= most), None)
    advice = "a smaller picture" if rate is None else f"{rate} Hz"
    return (
        f"{describe(timings)} in {pixel_format.value} needs {needed} CSI lanes, this board has {lanes}: "
        f"set the source to {advice}, or load the EDID {edid_for(pixel_format, lanes)}"
    )
