"""Video: the capture slot, and all that the web and plug-ins may ask of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from kvmd import edid
from kvmd.contract.capture import CaptureDriver, CaptureStatus, EdidControl, Frame, Timings, TimingsControl
from kvmd.contract.reports import CaptureReport, Size, State
from kvmd.contract.roles import CAPTURE
from kvmd.contract.settings import CaptureSettings
from kvmd.errors import DriverError, Unavailable, Unsupported
from kvmd.plugins.choice import Choice
from kvmd.slot import SEEN, Slot, SlotStatus
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse
from kvmd.video.broadcast import Rate
from kvmd.video.forms import to_part
from kvmd.video.rendition import Quality, Rendition
from kvmd.video.slate import slate
from kvmd.video.viewers import Viewer, Viewers

TITLES = {
    State.ABSENT: "No capture device",
    State.STARTING: "Starting",
    State.NO_SIGNAL: "No signal",
    State.LOST: "Capture device lost",
    State.RETRYING: "Capture device unusable",
}

EDID_TIME = 10.0
"""Seconds that a device has to say its EDID, or to take another."""

CAPABILITIES: dict[str, type] = {"edid": EdidControl, "timings": TimingsControl}
"""What capture drivers may declare, by its name in the status."""


class Video:
    """One screen.

    :param settings: the section ``capture``
    :param choice: makes the driver
    :param changed: told about every change of the slot
    """

    def __init__(
        self, settings: CaptureSettings, choice: Choice[CaptureDriver], changed: Callable[[SlotStatus], None]
    ) -> None:
        numbers = itertools.count(1)
        self._renditions = {
            quality: Rendition(quality.of(settings.quality), numbers, self._farewell) for quality in Quality
        }
        self.broadcaster = self._renditions[Quality.HIGH].broadcaster
        self.slot: Slot[CaptureDriver] = Slot(CAPTURE.name, choice.make, self._look, self._slot_changed)
        self._changed = changed
        self._captured = Rate()
        self._size = Size(1280, 720)

    def start(self) -> None:
        """Begin; returns at once."""
        self.slot.start()

    def ending(self) -> list[Step]:
        """List the steps that close the device and end all streams."""
        steps = [Step(CAPTURE.name, self.slot.stop)]
        for quality, rendition in self._renditions.items():
            steps.append(Step(f"encoder, {quality.value} quality", rendition.encoder.close))
            steps.append(Step(f"broadcaster, {quality.value} quality", rendition.broadcaster.stop))
        return steps

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """The signs of life of what could hang."""
        return self.slot.pulses

    def is_alive(self) -> bool:
        """Tell whether all threads do their work still."""
        return self.slot.is_alive()

    def edid(self) -> bytes:
        """Return the EDID that the source sees; empty if there is none.

        :raises Unsupported: the capture driver in use has none
        :raises DriverError: no device is there, or it does not say
        :raises Unavailable: it does not come back
        """
        return self.slot.ask("edid()", EDID_TIME, self._receiver().edid)

    def set_edid(self, data: bytes) -> None:
        """Show the source another EDID; empty: none.

        :raises RequestError: it is not in order, see ``edid.check``
        :raises Unsupported: the capture driver in use has none
        :raises DriverError: no device is there, or it refuses it
        :raises Unavailable: it does not come back
        """
        if data:
            edid.check(data)
        receiver = self._receiver()
        self.slot.ask("set_edid()", EDID_TIME, lambda: receiver.set_edid(data))

    def viewer(self, fps: float | None, why_not: Callable[[], str | None]) -> Viewer:
        """Make what shows the pictures on a connection; see ``Viewer``."""
        return Viewer(self._renditions[Quality.HIGH].streams, fps, why_not)

    def watchers(self, quality: Quality) -> Viewers:
        """Return among whom a ``Watcher`` gets pictures of this quality."""
        return self._renditions[quality].sockets

    def snapshot(self, timeout: float) -> Frame | None:
        """Return a picture taken after this call; None if there is none within ``timeout`` seconds."""
        return self.broadcaster.wait_fresh(timeout)

    async def picture(self, timeout: float) -> Frame | None:
        """Wait as ``snapshot`` does, in a loop."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.broadcaster.next_picture()), timeout)
        except TimeoutError:
            return None

    def slate(self) -> Frame:
        """Return the picture that says why there is none."""
        status = self.slot.status
        title, reason = TITLES.get(status.state, "No picture"), status.reason
        if status.state is State.ONLINE:
            reason = "the capture device works, but sent no picture in time"
        return slate(title, reason, self._size.width, self._size.height)

    def status(self) -> CaptureReport:
        """Tell how capture stands."""
        slot, driver = self.slot.status, self.slot.driver
        seen: CaptureStatus | None = self.slot.seen()
        signal = seen.signal if seen and slot.state is State.ONLINE else None
        renditions = self._renditions.values()
        broadcasters = [rendition.broadcaster for rendition in renditions]
        return CaptureReport(
            state=slot.state,
            reason=slot.reason,
            since=slot.since,
            driver=slot.driver,
            device=seen.device if seen else None,
            resolution=Size(signal.width, signal.height) if signal else None,
            format=signal.format.value if signal else None,
            frame_rate=signal.frame_rate if signal else None,
            captured_fps=self._captured.per_second(),
            captured_kbps=self._captured.kilobits_per_second(),
            sent_fps=max(broadcaster.sent.per_second() for broadcaster in broadcasters),
            sent_kbps=max(broadcaster.sent.kilobits_per_second() for broadcaster in broadcasters),
            viewers=sum(broadcaster.viewers for broadcaster in broadcasters),
            dropped=max(rendition.encoder.dropped for rendition in renditions) + (seen.dropped if seen else 0),
            unchanged=sum(rendition.encoder.unchanged for rendition in renditions),
            skipped=sum(rendition.encoder.skipped for rendition in renditions),
            cable=seen.cable if seen else None,
            timings=self._timings(driver),
            capabilities=[name for name, kind in CAPABILITIES.items() if isinstance(driver, kind)],
            remarks=seen.remarks if seen else (),
        )

    def _look(self, driver: CaptureDriver) -> None:
        """Work with an open driver."""
        self.slot.beat("frames()")
        for frame in driver.frames():
            self.slot.beat("frames()")
            self._captured.count(frame)
            if (frame.width, frame.height) != (self._size.width, self._size.height):
                self._size = Size(frame.width, frame.height)
            self.slot.online()
            for rendition in self._renditions.values():
                rendition.feed(frame)
            if self.slot.stopping.is_set():
                return
        if not self.slot.stopping.is_set():
            raise DriverError(f"the driver {driver.name} gave no more frames and did not say why")

    def _slot_changed(self, status: SlotStatus) -> None:
        reason = None if status.state is State.ONLINE else self.slate()
        for rendition in self._renditions.values():
            if reason is None:
                rendition.broadcaster.clear()
            else:
                rendition.encoder.forget()
                rendition.broadcaster.publish(reason, live=False)
        self._changed(status)

    def _farewell(self, why: str) -> bytes:
        picture = slate("The stream has ended", why, self._size.width, self._size.height)
        return to_part(picture, time.monotonic(), why)

    def _receiver(self) -> EdidControl:
        driver = self.slot.driver
        if driver is None:
            raise DriverError(f"EDID: {self.slot.status.state.value}: {self.slot.status.reason}")
        if not isinstance(driver, EdidControl):
            raise Unsupported(f"EDID: the source of {driver.name} sees none that could be changed")
        return driver

    def _timings(self, driver: object) -> Timings | None:
        if not isinstance(driver, TimingsControl):
            return None
        try:
            return self.slot.ask("timings()", SEEN, driver.timings)
        except Unavailable:
            return None
