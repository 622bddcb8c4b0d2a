"""HDMI-to-CSI bridges and HDMI receivers under V4L2, which want an EDID and to be told the timings.

For: TC358743 on Raspberry Pi's unicam and rp1-cfe, Rockchip's HDMI receivers and RK628, LT6911 where it shows as V4L2.

Works: EDID, remembered and loaded at each start; timings measured and followed as the source changes them; why there is
no signal, in words; CSI lanes counted. All of it was tested with vivid, the kernel's own stand-in.

Does not work: interlaced pictures; sound; what only a vendor's ioctls can do. None of the hardware was ever met.

Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/, "Digital Video (DV)
Timings"; docs/csi_bridge.md says how to use it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Generator, Iterator
from typing import Annotated, ClassVar

import click
import msgspec
from msgspec import Meta

from kvmd import (
    CaptureDriver,
    CaptureStatus,
    Device,
    DriverError,
    EdidControl,
    Frame,
    KvmdError,
    Match,
    NoSignal,
    PixelFormat,
    Timings,
    TimingsControl,
    edid,
    hookimpl,
    recall,
    remember,
)

from ..v4l2 import formats, uapi
from ..v4l2.capture import SLICE, NodeCapture, NodeOptions, Streaming, errors_of, set_mode
from ..v4l2.formats import Mode
from ..v4l2.node import Node, Size
from ..v4l2.receiver import Receiver
from . import media, signals
from .commands import edid_commands

logger = logging.getLogger(__name__)

REQUERY = 0.5
"""Seconds after which a missing signal is measured again, in case its event was missed, or the driver has none."""

_RECEIVERS = ("*hdmirx*", "*tc358743*", "*lt6911*", "*rk628*")
"""Names of nodes that have an HDMI receiver for certain."""

_PORTS = ("unicam", "rp1-cfe", "rkcif*")
"""Names of nodes of CSI ports, which may have a camera instead."""

_EDID_ERRORS = {
    errno.EBUSY: "the device is in use by another program",
    errno.E2BIG: "this EDID is too long",
    errno.EINVAL: "the device refuses this EDID",
    errno.ENOTTY: "the device has no EDID that could be read or set",
}

_SWAPPED = {PixelFormat.RGB24: PixelFormat.BGR24, PixelFormat.BGR24: PixelFormat.RGB24}

_Lanes = Annotated[int, Meta(ge=1, le=4)]


class CsiBridgeOptions(NodeOptions, frozen=True, forbid_unknown_fields=True):
    """Which device, what it tells the source, and how it is wired."""

    edid: Annotated[
        str | None,
        Meta(
            description="The EDID to load: a file, binary or hex, or one of those shipped: `1080p60`, `1080p50-2lane`, "
            "`720p60`. One that was set while kvmd ran goes before it. Without either the device keeps its own; one "
            "that has none gets the shipped one that fits `lanes`."
        ),
    ] = None
    format: Annotated[
        PixelFormat | None,
        Meta(description="The pixel format, by V4L2's name. By default UYVY, else what is cheapest to encode."),
    ] = None
    swap_red_blue: Annotated[
        bool, Meta(description="Whether red and blue are swapped in RGB24 and BGR24, as a TC358743 does.")
    ] = False
    lanes: Annotated[
        _Lanes | None, Meta(description="How many CSI lanes the board has between bridge and processor.")
    ] = None


class CsiBridge(NodeCapture, EdidControl, TimingsControl):
    """An HDMI receiver behind a video node."""

    name = "csi_bridge"
    Options = CsiBridgeOptions
    matches: ClassVar = (
        *(
            Match("video4linux", {"ID_V4L_PRODUCT": name, "ID_V4L_CAPABILITIES": "*:capture:*"}, score=score)
            for names, score in ((_RECEIVERS, 80), (_PORTS, 60))
            for name in names
        ),
    )

    def __init__(self, options: CsiBridgeOptions, device: Device | None) -> None:
        super().__init__(options, device)
        self._options = options
        self._receiver: Receiver | None = None
        self._timings: Timings | None = None
        self._cable: bool | None = None
        self._missing = False
        self._pretends = False
        self._edid_remark: str | None = None
        self._lanes_remark: str | None = None

    def frames(self) -> Generator[Frame]:
        """Stream, in a new size where the source changes it; see ``CaptureDriver.frames``."""
        if not self._missing or self._await_event():
            yield from super().frames()

    def status(self) -> CaptureStatus:
        """Tell the signal, the cable and what could be better."""
        remarks = tuple(remark for remark in (self._lanes_remark, self._edid_remark) if remark)
        return msgspec.structs.replace(super().status(), cable=self._cable, remarks=remarks)

    def timings(self) -> Timings | None:
        """Return the timings that are followed."""
        return self._timings

    def edid(self) -> bytes:
        """Return the EDID that the source sees; see ``EdidControl.edid``."""
        with self._another_receiver() as receiver:
            return receiver.edid()

    def set_edid(self, data: bytes) -> None:
        """Show the source another EDID and remember it; see ``EdidControl.set_edid``."""
        if data:
            edid.check(data)
        # Some drivers answer EBUSY while they have buffers; the source starts anew in any case.
        with self._paused(), self._another_receiver() as receiver:
            receiver.set_edid(data)
            self._edid_remark = None
            try:
                remember(edid.REMEMBERED, data)
            except DriverError as error:
                raise DriverError(f"the EDID is in force, but would not outlive a restart: {error}") from error

    @contextlib.contextmanager
    def _another_receiver(self) -> Iterator[Receiver]:
        """Open the receiver once more, so that other threads neither wait for the capturing one nor lose its node."""
        path = self._opened_receiver().path
        with errors_of(path), contextlib.closing(Receiver(path)) as another:
            try:
                yield another
            except OSError as error:
                if error.errno not in _EDID_ERRORS:
                    raise
                raise DriverError(f"{path}: {edid_error(error)}") from error

    def _opened_receiver(self) -> Receiver:
        receiver = self._receiver
        if receiver is None:
            raise DriverError(f"{self._path} is not open")
        return receiver

    def _opened(self, node: Node) -> None:
        self._receiver = receiver = Receiver(self._find_receiver(node))
        self._pretends = any("rk628" in name.lower() for name in (node.capability.card, receiver.name()))
        receiver.subscribe(uapi.V4L2_EVENT_SOURCE_CHANGE)
        receiver.subscribe(uapi.V4L2_EVENT_CTRL, uapi.V4L2_CID_DV_RX_POWER_PRESENT)
        self._load_edid(receiver)

    def _find_receiver(self, node: Node) -> str:
        """Return the node that has the timings: the video node itself, else that of a sub-device which sends to it."""
        with contextlib.closing(Receiver(node.path)) as receiver:
            if receiver.has_timings():
                return node.path
        graph = media.find(node.path)
        beside = media.subdevice(graph) if graph else None
        return beside or node.path

    def _closed(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None
        self._timings = self._cable = self._edid_remark = self._lanes_remark = None
        self._missing = False

    def _load_edid(self, receiver: Receiver) -> None:
        """Load the EDID that is wanted; what cannot be loaded is told, and keeps no picture from coming."""
        try:
            own = receiver.edid()
            wanted = self._wanted_edid(own)
            # Each time one is set the source sees the display go and come.
            if wanted != own:
                receiver.set_edid(wanted)
                logger.info("%s: an EDID of %d bytes was loaded", receiver.path, len(wanted))
        except KvmdError as error:
            self._complain(f"the EDID could not be loaded: {error}")
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            # One that keeps its EDID to itself is no news, unless it was to get another.
            if error.errno != errno.ENOTTY or self._options.edid is not None:
                self._complain(f"the EDID could not be loaded: {edid_error(error)}")

    def _complain(self, remark: str) -> None:
        self._edid_remark = remark
        logger.warning("%s: %s", self._path, remark)

    def _wanted_edid(self, own: bytes) -> bytes:
        """Return what was set while running, else what the options name, else the device's own, else one of ours."""
        remembered = recall(edid.REMEMBERED)
        if remembered is not None:
            return remembered
        if self._options.edid is not None:
            wanted = edid.load(self._options.edid)
            edid.check(wanted)
            return wanted
        pixel_format = self._options.format or PixelFormat.UYVY
        return own or edid.profile(signals.edid_for(pixel_format, self._options.lanes))

    def _ready(self, node: Node) -> Streaming:
        """Set the timings that the source sends, and a format to go with them."""
        receiver = self._opened_receiver()
        seen = self._follow(receiver)
        size = Size(seen.width, seen.height)
        if receiver.path != node.path:
            self._lead_pictures(node, size)
        layout = set_mode(node, self._mode(node, size))
        if self._options.swap_red_blue:
            layout = msgspec.structs.replace(layout, format=_SWAPPED.get(layout.format, layout.format))
        self._lanes_remark = signals.lanes_remark(seen, layout.format, self._options.lanes)
        logger.info("%s: %s in %s", node.path, signals.describe(seen), layout.format.value)
        return Streaming(layout, seen.frame_rate or None, receiver)

    def _lead_pictures(self, node: Node, size: Size) -> None:
        """Lead the pictures to the video node, however others have set the links meanwhile."""
        graph = media.find(node.path)
        if graph is None:
            raise OSError(errno.ENODEV, "its media device is gone")
        planned = media.plan(graph, size)
        if os.path.realpath(node.path) != planned.video:
            raise DriverError(f"{node.path} gets no pictures, they come to {planned.video}; name that in `device`")
        media.apply(planned)

    def _follow(self, receiver: Receiver) -> Timings:
        """Set the timings that the source sends.

        :raises NoSignal: it sends none that could be captured, with the reason
        """
        raw = uapi.DvTimings()
        reason = self._measure(receiver, raw)
        if reason is None:
            try:
                receiver.set_timings(raw)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ERANGE):
                    raise
                reason = signals.fault(errno.ERANGE, raw.bt, receiver.limits(), self._cable)
        self._missing = reason is not None
        self._timings = seen = None if reason else signals.read(raw.bt)
        if seen is None:
            raise NoSignal(reason or "")
        return seen

    def _measure(self, receiver: Receiver, raw: uapi.DvTimings) -> str | None:
        """Measure what the source sends; say why it could not be captured."""
        # What happens from now on is another event.
        self._events(receiver)
        fault = 0
        try:
            receiver.query_timings(raw)
        except OSError as error:
            fault = error.errno or 0
            if fault in signals.REFUSALS:
                raise DriverError(f"{receiver.path}: {signals.REFUSALS[fault]}") from error
            if fault not in signals.FAULTS:
                raise
        self._look_for_cable(receiver)
        if self._pretends and signals.is_pretence(raw.bt):
            fault = errno.ENOLINK
        if fault:
            return signals.fault(fault, raw.bt, receiver.limits(), self._cable)
        return signals.flaw(raw.bt, self._cable)

    def _look_for_cable(self, receiver: Receiver) -> None:
        power = receiver.control(uapi.V4L2_CID_DV_RX_POWER_PRESENT)
        self._cable = None if power is None else power != 0

    def _mode(self, node: Node, size: Size) -> Mode:
        """Choose the pixel format; the size is the source's."""
        offered = set(node.formats())
        modes = {each: Mode(each, size) for each in formats.PREFERENCE if each.fourcc in offered}
        wanted = self._options.format
        mode = modes.get(wanted or PixelFormat.UYVY)
        if mode is None and wanted is None:
            mode = next(iter(modes.values()), None)
        if mode is None:
            what = wanted.value if wanted else "a pixel format that kvmd knows"
            raise DriverError(f"{node.path} does not offer {what}; it offers {formats.describe(modes.values())}")
        return mode

    def _await_event(self) -> bool:
        """Wait a while for something to happen at the input; tell whether the driver is still open."""
        for _ in range(round(REQUERY / SLICE)):
            with self._held():
                if self._closing.is_set():
                    return False
                if self._opened_receiver().wait(SLICE):
                    break
        return True

    def _alarmed(self) -> None:
        """Stream anew if the source changed; an alarm without an event is the device's end, which that shows."""
        receiver = self._opened_receiver()
        events = self._events(receiver)
        if not events or uapi.V4L2_EVENT_SOURCE_CHANGE in events:
            self._start()
        else:
            self._look_for_cable(receiver)

    def _events(self, receiver: Receiver) -> list[int]:
        """Take the events that are waiting."""
        return [event.type for event in iter(receiver.dequeue_event, None)]

    def _silent(self) -> NoSignal:
        """Say why no frames come: the signal may have gone without an event."""
        seen = self._follow(self._opened_receiver())
        return NoSignal(f"no frames for {self._timeout:g} s, though the source sends {signals.describe(seen)}")


def edid_error(error: OSError) -> str:
    """Say what an error means that came from reading or setting an EDID."""
    words = error.strerror or str(error)
    meaning = _EDID_ERRORS.get(error.errno or 0)
    return f"{meaning}: {words}" if meaning else words


@hookimpl
def kvmd_drivers() -> list[type[CaptureDriver]]:
    """Name the driver of this plug-in."""
    return [CsiBridge]


@hookimpl
def kvmd_commands() -> list[click.Command]:
    """Name the commands of this plug-in."""
    return [edid_commands]
