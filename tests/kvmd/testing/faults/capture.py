"""Broken capture drivers."""

# the docstrings stand in the documentation

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import msgspec
from PIL import Image

from kvmd import CaptureStatus, Frame, NoSignal, PixelFormat, Signal, Timings, edid
from tests.kvmd.testing.faults.fault import Fault
from tests.kvmd.testing.simulated import HEIGHT, WIDTH, Camera, OnTheCamera, PluggedOnce

replace = msgspec.structs.replace


class SendsShortFrames(Camera):
    """The last byte of its frames is missing."""

    data = Camera.data[:-1]


class SaysHalfALine(Camera):
    """Its stride is in pixels."""

    def picture(self) -> Frame:
        return replace(super().picture(), stride=WIDTH)


class SendsNothing(Camera):
    """Its frames have no pixels."""

    def picture(self) -> Frame:
        return replace(super().picture(), width=0)


class NamesTheFormat(Camera):
    """Its pixel format is a text."""

    def picture(self) -> Frame:
        return replace(super().picture(), format="RGB24")


class SendsAnotherSize(Camera):
    """Its JPEGs have another size than its frames say."""

    @cached_property
    def jpeg(self) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (HEIGHT, WIDTH)).save(file, "JPEG")
        return file.getvalue()

    def picture(self) -> Frame:
        return replace(super().picture(), format=PixelFormat.MJPEG, data=self.jpeg, stride=0)


class SaysAStride(SendsAnotherSize):
    """Its JPEGs have a stride."""

    def picture(self) -> Frame:
        return replace(super().picture(), stride=WIDTH * 3)


class CountsNothing(Camera):
    """All of its frames have the same number."""

    def picture(self) -> Frame:
        return replace(super().picture(), sequence=7)


class LooksAtTheWall(Camera):
    """Its time stamps are the time of day."""

    def picture(self) -> Frame:
        return replace(super().picture(), timestamp=time.time())


class CountsDown(Camera):
    """Its time stamps go back."""

    def picture(self) -> Frame:
        frame = super().picture()
        return replace(frame, timestamp=frame.timestamp - frame.sequence)


class SaysAnotherSize(Camera):
    """Its status names another size than its frames have."""

    def status(self) -> CaptureStatus:
        signal = self.signal and replace(self.signal, width=1920)
        return replace(super().status(), signal=signal)


class ForgetsItsSignal(Camera):
    """Its status knows of no signal."""

    def status(self) -> CaptureStatus:
        return replace(super().status(), signal=None)


class SaysNoRate(Camera):
    """Its status has a frame rate of 0, as it knows none."""

    def status(self) -> CaptureStatus:
        signal = self.signal and replace(self.signal, frame_rate=0.0)
        return replace(super().status(), signal=signal)


class HasNoName(Camera):
    """Its status does not name the device."""

    def status(self) -> CaptureStatus:
        return replace(super().status(), device="")


class KnowsNothingYet(Camera):
    """It has no status before the first frame."""

    def status(self) -> Any:
        return super().status() if self.signal else None


class RemarksOnce(Camera):
    """Its remarks are one text."""

    def status(self) -> Any:
        return replace(super().status(), remarks="two lanes are too few")


class EndsEarly(Camera):
    """Its frames end while it is open."""

    def frames(self) -> Iterator[Frame]:
        yield self.picture()


class BeginsWithTheOld(Camera):
    """Each new iterator begins with the first picture of all."""

    first: Frame | None = None

    def frames(self) -> Iterator[Frame]:
        self.first = self.first or self.picture()
        yield self.first
        yield from super().frames()


class GoesOn(Camera):
    """It sends frames while it is closed."""

    def frames(self) -> Iterator[Frame]:
        while True:
            yield self.picture()


class OpensOnce(PluggedOnce, Camera):
    """It can be opened only once."""


class FreezesThePicture(Camera):
    """It sends the last picture again where there is no signal."""

    def frames(self) -> Iterator[Frame]:
        while True:
            yield self.picture()
            time.sleep(0.01)


class GivesNoReason(Camera):
    """It does not say why there is no signal."""

    def frames(self) -> Iterator[Frame]:
        try:
            yield from super().frames()
        except NoSignal:
            raise NoSignal("") from None


class IsInAHurry(Camera):
    """It says at once, again and again, that there is no signal."""

    def wait_for(self, condition: Any, seconds: float) -> bool:
        return super().wait_for(condition, min(seconds, 0.005))


class WaitsForEver(Camera):
    """It waits for the signal for ever."""

    def wait_for(self, condition: Any, seconds: float) -> bool:
        return super().wait_for(condition, seconds if self.has_signal else 3600)


class BelievesInTheSignal(Camera):
    """Its status names the signal that was lost."""

    def status(self) -> CaptureStatus:
        return replace(super().status(), signal=Signal(WIDTH, HEIGHT, None, PixelFormat.RGB24))


class KeepsTheTimings(Camera):
    """Its timings are those of the signal that was lost."""

    def timings(self) -> Timings:
        return Timings(WIDTH, HEIGHT, 60.0, 27_000_000)


class LosesInOtherWords(Camera):
    """What its library raises when the device goes comes out of it."""

    def check(self) -> None:
        if not self.plugged:
            raise OSError("no such device")


class HasOtherTimings(Camera):
    """Its timings are of another size than its frames."""

    def timings(self) -> Timings:
        return Timings(1920, 1080, 60.0, 148_500_000)


class HasNoTimings(Camera):
    """It has no timings while there is a picture."""

    def timings(self) -> None:
        return None


class HasTimingsWithoutARate(Camera):
    """Its timings have no frame rate."""

    def timings(self) -> Timings:
        return Timings(WIDTH, HEIGHT, 0.0, 27_000_000)


class CountsInMegahertz(Camera):
    """Its pixel clock is in MHz."""

    def timings(self) -> Timings | None:
        return Timings(WIDTH, HEIGHT, 60.0, 27)


class KeepsItsEdid(Camera):
    """It does not take another EDID."""

    def set_edid(self, data: bytes) -> None:
        pass


class CannotBeWithoutEdid(Camera):
    """Its EDID cannot be cleared."""

    def set_edid(self, data: bytes) -> None:
        self.shown = data or self.shown


class ForgetsItsEdid(Camera):
    """Its EDID is its own again once it was closed."""

    def close(self) -> None:
        self.shown = edid.profile("1080p60")
        super().close()


class CapturesAlone(Camera):
    """Its EDID has to wait until it captures no more."""

    captures = False

    def frames(self) -> Iterator[Frame]:
        self.captures = True
        try:
            yield from super().frames()
        finally:
            self.change(captures=False)

    def set_edid(self, data: bytes) -> None:
        self.wait_for(lambda: not self.captures, 3600)
        super().set_edid(data)


_fault = partial(Fault, OnTheCamera)

FAULTS = [
    _fault(SendsShortFrames, "test_frames_are_whole", "a frame of 383 bytes, and its size, stride and format need 384"),
    _fault(SaysHalfALine, "test_frames_are_whole", "stride = 16, and a line has 48 bytes"),
    _fault(SendsNothing, "test_frames_are_whole", "a frame of (0, 8) pixels"),
    _fault(NamesTheFormat, "test_frames_are_whole", "'RGB24' is no PixelFormat"),
    _fault(SendsAnotherSize, "test_frames_are_whole", "a JPEG of (8, 16) pixels in a frame of (16, 8)"),
    _fault(SaysAStride, "test_frames_are_whole", "an MJPEG frame has stride 48 instead of 0"),
    _fault(CountsNothing, "test_frames_are_in_order", "sequence does not rise: [7, 7, 7]"),
    _fault(LooksAtTheWall, "test_frames_are_in_order", "timestamp is not of time.monotonic()"),
    _fault(CountsDown, "test_frames_are_in_order", "timestamp goes back"),
    _fault(SaysAnotherSize, "test_status_agrees_with_frames", "signal is not that of the frames"),
    _fault(ForgetsItsSignal, "test_status_agrees_with_frames", "signal is None after a picture"),
    _fault(SaysNoRate, "test_status_agrees_with_frames", "frame_rate = 0.0: None if not known"),
    _fault(HasNoName, "test_status_agrees_with_frames", "status() does not name the device"),
    _fault(KnowsNothingYet, "test_status_before_the_first_frame", "returned None, which is no CaptureStatus"),
    _fault(RemarksOnce, "test_status_before_the_first_frame", "remarks are no tuple"),
    _fault(EndsEarly, "test_frames_again", "frames() ended, although the driver is open"),
    _fault(BeginsWithTheOld, "test_frames_again", "the second iterator began with an old picture"),
    _fault(GoesOn, "test_frames_end_with_close", "frames() goes on, although the driver is closed"),
    _fault(OpensOnce, "test_open_again", "It was raised by open()"),
    _fault(
        FreezesThePicture,
        "test_signal_lost_and_back",
        "frames() has to raise NoSignal, with a reason, while there is no signal; it raised nothing",
        hasty=True,
    ),
    _fault(
        GivesNoReason,
        "test_signal_lost_and_back",
        "frames() has to raise NoSignal, with a reason, while there is no signal; it gave none",
    ),
    _fault(IsInAHurry, "test_signal_lost_and_back", "frames() raised NoSignal again at once"),
    _fault(WaitsForEver, "test_signal_lost_and_back", "frames() did not come back within", hasty=True),
    _fault(BelievesInTheSignal, "test_signal_lost_and_back", "there is no signal, and the status says Signal("),
    _fault(KeepsTheTimings, "test_signal_lost_and_back", "there is no signal, and timings() says Timings("),
    _fault(
        LosesInOtherWords,
        "test_device_lost_and_back",
        "frames() has to raise DeviceLost, with a reason, once the device is gone",
    ),
    _fault(HasOtherTimings, "test_timings_agree_with_frames", "the timings are not those of frames of (16, 8)"),
    _fault(HasNoTimings, "test_timings_agree_with_frames", "timings() returned None although there is a picture"),
    _fault(HasTimingsWithoutARate, "test_timings_agree_with_frames", "timings without a frame_rate"),
    _fault(CountsInMegahertz, "test_timings_agree_with_frames", "pixel_clock is not in Hz"),
    _fault(KeepsItsEdid, "test_edid_is_set_and_cleared", "edid() is not what was given to set_edid()"),
    _fault(CannotBeWithoutEdid, "test_edid_is_set_and_cleared", "edid() is not what was given to set_edid()"),
    _fault(ForgetsItsEdid, "test_edid_is_kept_while_closed", "not in force after close() and open()"),
    _fault(CapturesAlone, "test_edid_is_set_while_frames_are_taken", "set_edid() did not come back within", hasty=True),
]
