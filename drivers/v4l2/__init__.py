"""Video4Linux capture devices: HDMI-to-USB dongles, webcams, anything whose node in /dev takes care of itself.

Works: V4L2 capture nodes, single- and multi-planar, that stream MJPEG, YU12, NV12, YUYV, UYVY, BGR24, RGB24 or GREY
into mapped buffers; choice of format, size and frame rate; unplug and replug; torn and short frames are dropped.

Does not work: formats whose planes lie in separate memory (NM12 …) and other pixel formats are not chosen; fields of
interlaced pictures are not put together; HDMI-to-CSI bridges, which want an EDID and to be told the timings; knowing
whether a USB dongle has a signal, as it does not tell: what it shows then is its own picture, or nothing.

Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/; docs/v4l2.md says how to
use it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, ClassVar

from msgspec import Meta

from kvmd import (
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    DriverError,
    Frame,
    Match,
    NoSignal,
    PixelFormat,
    Signal,
    hookimpl,
)

from . import formats, uapi
from .formats import Layout, Mode
from .node import Node, Size, Stream

logger = logging.getLogger(__name__)

_SLICE = 0.25
"""Seconds between two looks at whether the driver is being closed while it waits."""

_DONGLES = {
    "534d:2109": "MacroSilicon MS2109",
    "345f:2130": "MacroSilicon MS2130",
    "345f:2131": "MacroSilicon MS2131",
    "345f:2132": "Openterface Mini-KVM",
}
"""HDMI-to-USB dongles: they see a screen for certain, other USB devices may be webcams."""

_ERRORS: dict[int, tuple[type[DriverError], str]] = {
    errno.ENOENT: (DeviceAbsent, "there is no such node; plug the device in, or name another in `device`"),
    errno.ENXIO: (DeviceAbsent, "no device is behind this node; plug the device in"),
    errno.ENODEV: (DeviceLost, "the device is gone; plug it in again"),
    errno.EIO: (DeviceLost, "the device failed (input/output error); plug it in again if it does not come back"),
    errno.EACCES: (DriverError, "no permission; kvmd's udev rule gives the node to group kvmd, is it installed?"),
    errno.EPERM: (DriverError, "no permission; kvmd's udev rule gives the node to group kvmd, is it installed?"),
    errno.EBUSY: (DriverError, "is in use by another program; `fuser -v` with the node's name shows which"),
    errno.ENOTTY: (DriverError, "is not a V4L2 node; name one of /dev/video* in `device`"),
    errno.ENOSPC: (DriverError, "the USB port is too slow or shared; use another port, or a smaller picture"),
}


_Pixels = Annotated[int, Meta(ge=1)]
_Rate = Annotated[float, Meta(gt=0)]


class V4l2Options(DeviceOptions, frozen=True, forbid_unknown_fields=True):
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
    timeout: Annotated[float, Meta(gt=0, le=10, description="Seconds without a frame that mean no signal.")] = 3.0

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together: set both or none")

    def size(self) -> Size | None:
        """Return the size that is asked for."""
        return None if self.width is None or self.height is None else Size(self.width, self.height)

    def rate(self) -> Fraction | None:
        """Return the frame rate that is asked for, as V4L2 wants it."""
        return None if self.frame_rate is None else Fraction(self.frame_rate).limit_denominator(1001)


class V4l2Capture(CaptureDriver):
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
        self._options = options
        self._path = (device.node if device else None) or options.device
        # Held while the node is in use, so that close() from another thread waits for a poll to end.
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._node: Node | None = None
        self._stream: Stream | None = None
        self._layout: Layout | None = None
        self._frame_rate: Fraction | None = None
        self._signal: Signal | None = None
        self._dropped = 0

    def open(self) -> None:
        """Open the node and set the format, size and frame rate; see ``CaptureDriver.open``."""
        self.close()
        if self._path is None:
            raise DeviceAbsent("no capture device is plugged in; where udev does not know it, name it in `device`")
        with self._lock, _errors_of(self._path):
            self._closing.clear()
            self._dropped = 0
            node = Node(self._path)
            try:
                self._layout, self._frame_rate = _configure(node, self._options)
            except BaseException:
                node.close()
                raise
            self._node = node

    def frames(self) -> Iterator[Frame]:
        """Stream; see ``CaptureDriver.frames``. The buffers are freed when the iterator ends."""
        with self._lock:
            stream, layout = self._start()
        try:
            while (frame := self._next(stream, layout)) is not None:
                yield frame
        except DriverError:
            self._signal = None
            raise
        finally:
            with self._lock:
                self._stop(stream)

    def status(self) -> CaptureStatus:
        """Tell the signal and how many frames were damaged."""
        node, stream = self._node, self._stream
        device = f"{node.capability.card} ({node.path})" if node else str(self._path)
        return CaptureStatus(device, self._signal, self._dropped + (stream.dropped if stream else 0))

    def close(self) -> None:
        """Let go of the node; an iterator that waits for a frame ends."""
        self._closing.set()
        with self._lock:
            if self._stream is not None:
                self._stop(self._stream)
            if self._node is not None:
                self._node.close()
                self._node = None
            self._signal = None

    def _start(self) -> tuple[Stream, Layout]:
        if self._node is None or self._layout is None:
            raise DriverError(f"{self._path} is not open")
        if self._stream is not None:
            self._stop(self._stream)
        with _errors_of(self._node.path):
            self._stream = Stream(self._node, self._layout.is_whole, self._layout.length)
        return self._stream, self._layout

    def _stop(self, stream: Stream) -> None:
        """Free the stream's buffers, unless that was done."""
        if stream is self._stream:
            self._stream = None
            self._dropped += stream.dropped
            stream.close()

    def _next(self, stream: Stream, layout: Layout) -> Frame | None:
        """Wait for the next whole picture; None when the driver, or this stream, was closed."""
        deadline = time.monotonic() + self._options.timeout
        frame = None
        while frame is None:
            with self._lock:
                if self._closing.is_set() or stream is not self._stream:
                    return None
                with _errors_of(str(self._path)):
                    frame = self._take(stream, layout, deadline)
        return frame

    def _take(self, stream: Stream, layout: Layout, deadline: float) -> Frame | None:
        """Wait a slice of the time for a picture."""
        left = deadline - time.monotonic()
        if left <= 0:
            silence = f"no frames for {self._options.timeout:g} s"
            raise NoSignal(f"{silence}: {self._path} sends nothing; is the source on, and its cable in?")
        events = stream.wait(min(left, _SLICE))
        picture = stream.newest() if events else None
        if picture is None:
            if events & ~select.POLLIN:
                raise DeviceLost(f"{self._path}: its driver in the kernel gave up; plug it in again if it stays so")
            return None
        width, height = layout.size
        rate = None if self._frame_rate is None else float(self._frame_rate)
        self._signal = Signal(width, height, rate, layout.format)
        return Frame(
            data=picture.data,
            format=layout.format,
            width=width,
            height=height,
            stride=layout.stride,
            timestamp=picture.timestamp,
            sequence=picture.sequence,
            full_range=layout.full_range,
            encoding=layout.encoding,
        )


def _configure(node: Node, options: V4l2Options) -> tuple[Layout, Fraction | None]:
    """Choose and set what to capture.

    :return: what the pictures are, and their frame rate where the device tells it
    """
    refusal = node.capability.refusal()
    if refusal:
        raise DriverError(f"{node.path} cannot capture: {refusal}; `v4l2-ctl --list-devices` shows the device's others")
    mode = _choose(node, options)
    got = node.set_format(mode.format.fourcc, mode.size)
    if (got.fourcc, got.size) != (mode.format.fourcc, mode.size):
        raise DriverError(
            f"{node.path} does not do {mode.format.fourcc} {mode.size}: it offers {got.fourcc} {got.size} instead; "
            "set width, height and format so, or leave them out"
        )
    if got.planes != 1:
        raise DriverError(f"{node.path} keeps the planes of {got.fourcc} apart, which kvmd cannot use; set `format`")
    if got.field == uapi.V4L2_FIELD_ALTERNATE:
        raise DriverError(f"{node.path} receives an interlaced picture; set the source to a progressive one")
    rate = options.rate() or mode.frame_rate
    result = node.set_frame_rate(rate) if rate else node.frame_rate()
    logger.info("%s: %s %s, frames a second: %s", node.path, got.fourcc, got.size, result or "not told")
    return Layout.of(got), result


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


@contextlib.contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """Turn the kernel's errors into words."""
    try:
        yield
    except OSError as error:
        kind, words = _ERRORS.get(error.errno or 0, (DriverError, error.strerror or str(error)))
        raise kind(f"{path}: {words}") from error


@hookimpl
def kvmd_drivers() -> list[type[CaptureDriver]]:
    """Name the driver of this plug-in."""
    return [V4l2Capture]
