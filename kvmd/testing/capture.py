"""The conformance suite of capture drivers."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import pytest
from PIL import Image

from kvmd import edid
from kvmd.contract.capture import (
    CaptureDriver,
    CaptureStatus,
    EdidControl,
    Frame,
    PixelFormat,
    Signal,
    Timings,
    TimingsControl,
)
from kvmd.errors import DeviceLost, DriverError, NoSignal
from kvmd.testing.driver import PATIENCE, DriverConformance, check_status, contract, refuses, within

BYTES_PER_PIXEL: Final = {
    PixelFormat.NV12: 1,
    PixelFormat.YU12: 1,
    PixelFormat.YUYV: 2,
    PixelFormat.UYVY: 2,
    PixelFormat.GREY: 1,
    PixelFormat.BGR24: 3,
    PixelFormat.RGB24: 3,
}
"""In the first plane (V4L2, "Image Formats")."""

AT_ONCE: Final = 0.1
"""Seconds; frames() that takes less to find no signal again did not wait for it."""


class CaptureConformance(DriverConformance):
    """Give it a driver with a source that sends a picture: override the fixture ``driver``.

    Where the cable can be pulled by program, override ``unplug`` and ``plug`` too.
    """

    count = 10
    """How many frames are looked at."""

    def unplug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # for those who override it
        """Take the signal away."""
        pytest.skip("the suite was not told how to take the signal away: override unplug() and plug()")

    def plug(self, driver: CaptureDriver) -> None:
        """Bring the signal back."""

    @pytest.fixture
    def opened(self, driver: CaptureDriver) -> Iterator[CaptureDriver]:
        """Return the driver, open."""
        within(PATIENCE, driver.open)
        yield driver
        within(PATIENCE, driver.close)

    @contract("Frame", "PixelFormat")
    def test_frames_are_whole(self, opened: CaptureDriver) -> None:
        """Every frame holds as many bytes as its size and format say, or is a JPEG of its size."""
        _frames(opened, self.count, check_whole)

    @contract("Frame")
    def test_frames_are_in_order(self, opened: CaptureDriver) -> None:
        """Sequence numbers rise, time stamps do not go back, and are of the monotonic clock."""
        before = time.monotonic()
        frames = _frames(opened, self.count)
        numbers, times = [frame.sequence for frame in frames], [frame.timestamp for frame in frames]
        assert all(one < other for one, other in itertools.pairwise(numbers)), f"sequence does not rise: {numbers}"
        assert times == sorted(times), f"timestamp goes back: {times}"
        assert before - PATIENCE <= times[0] <= times[-1] <= time.monotonic(), "timestamp is not of time.monotonic()"

    @contract("CaptureDriver.status", "CaptureStatus")
    def test_status_agrees_with_frames(self, opened: CaptureDriver) -> None:
        """The status names the device, and the signal that the frames have."""
        frame = _frames(opened, 1)[0]
        status = within(PATIENCE, opened.status)
        check_status(status, CaptureStatus)
        signal = status.signal
        assert isinstance(signal, Signal), f"signal is {signal!r} after a picture"
        told = (signal.width, signal.height, signal.format)
        assert told == (frame.width, frame.height, frame.format), f"signal is not that of the frames: {signal}"
        assert signal.frame_rate is None or signal.frame_rate > 0, (
            f"frame_rate = {signal.frame_rate}: None if not known"
        )

    @contract("CaptureDriver.status", "CaptureStatus")
    def test_status_before_the_first_frame(self, opened: CaptureDriver) -> None:
        """A driver that has seen nothing yet can be asked how it stands."""
        check_status(within(PATIENCE, opened.status), CaptureStatus)

    @contract("CaptureDriver.frames")
    def test_frames_again(self, opened: CaptureDriver) -> None:
        """An iterator that was given up can be followed by another, which yields newer frames."""
        last = _frames(opened, 2)[-1]
        first = _frames(opened, 2)[0]
        assert last.timestamp <= first.timestamp, "the second iterator began with an old picture"

    @contract("CaptureDriver.frames")
    def test_frames_end_with_close(self, opened: CaptureDriver) -> None:
        """Once the driver is closed there are no more pictures: the iterator ends, or raises DriverError."""
        iterator = opened.frames()
        within(PATIENCE, next, iterator)
        within(PATIENCE, opened.close)
        try:
            frame = within(PATIENCE, next, iterator, None)
        except DriverError:
            return
        assert frame is None, "frames() goes on, although the driver is closed"

    @contract("BaseDriver.open", "BaseDriver.close")
    def test_open_again(self, driver: CaptureDriver) -> None:
        """A driver that was closed can be opened again."""
        for _ in range(2):
            within(PATIENCE, driver.open)
            _frames(driver, 2)
            within(PATIENCE, driver.close)

    @contract("CaptureDriver.frames", "CaptureStatus", "TimingsControl.timings")
    def test_signal_lost_and_back(self, opened: CaptureDriver) -> None:
        """Without a signal, iterating raises NoSignal with a reason, and then waits for it; later it works again."""
        _frames(opened, 1)
        self.unplug(opened)
        _await_refusal(opened, NoSignal, "while there is no signal")
        waits = [_await_refusal(opened, NoSignal, "while there is no signal") for _ in range(2)]
        assert max(waits) > AT_ONCE, "frames() raised NoSignal again at once: it has to wait for the signal then"
        signal = within(PATIENCE, opened.status).signal
        assert signal is None, f"there is no signal, and the status says {signal}"
        if isinstance(opened, TimingsControl):
            timings = within(PATIENCE, opened.timings)
            assert timings is None, f"there is no signal, and timings() says {timings}"
        self.plug(opened)
        _frames(opened, 2)

    @contract("CaptureDriver.frames", "DeviceLost")
    def test_device_lost_and_back(self, opened: CaptureDriver) -> None:
        """Without its device, iterating raises DeviceLost; once it is back the driver can be opened again."""
        _frames(opened, 1)
        self.remove(opened)
        _await_refusal(opened, DeviceLost, "once the device is gone")
        within(PATIENCE, opened.close)
        self.insert(opened)
        within(PATIENCE, opened.open)
        _frames(opened, 2)

    @contract("TimingsControl.timings", "Timings")
    def test_timings_agree_with_frames(self, opened: CaptureDriver) -> None:
        """A driver that declares timings tells those of the frames."""
        if not isinstance(opened, TimingsControl):
            return
        frame = _frames(opened, 1)[0]
        timings = within(PATIENCE, opened.timings)
        assert isinstance(timings, Timings), f"timings() returned {timings!r} although there is a picture"
        size = (frame.width, frame.height)
        assert (timings.width, timings.height) == size, f"the timings are not those of frames of {size}: {timings}"
        assert timings.frame_rate > 0, f"timings without a frame_rate: {timings}"
        assert timings.pixel_clock > timings.width * timings.height, f"pixel_clock is not in Hz: {timings}"

    @contract("EdidControl.set_edid", "EdidControl.edid")
    def test_edid_is_set_and_cleared(self, opened: CaptureDriver) -> None:
        """A driver that declares an EDID has the one that was set last; it is as before in the end."""
        if not isinstance(opened, EdidControl):
            return
        before = within(PATIENCE, opened.edid)
        try:
            for wanted in (edid.profile("720p60"), b"", edid.profile("1080p60")):
                within(PATIENCE, opened.set_edid, wanted)
                assert within(PATIENCE, opened.edid) == wanted, "edid() is not what was given to set_edid()"
        finally:
            within(PATIENCE, opened.set_edid, before)
        assert within(PATIENCE, opened.edid) == before, "edid() is not what was given to set_edid()"

    @contract("EdidControl.set_edid")
    def test_edid_is_kept_while_closed(self, driver: CaptureDriver) -> None:
        """What was set is in force again after the driver was closed and opened."""
        if not isinstance(driver, EdidControl):
            return
        within(PATIENCE, driver.open)
        before = within(PATIENCE, driver.edid)
        try:
            within(PATIENCE, driver.set_edid, edid.profile("720p60"))
            within(PATIENCE, driver.close)
            within(PATIENCE, driver.open)
            kept = within(PATIENCE, driver.edid)
            assert kept == edid.profile("720p60"), "the EDID that was set is not in force after close() and open()"
        finally:
            within(PATIENCE, driver.set_edid, before)
            within(PATIENCE, driver.close)

    @contract("EdidControl")
    def test_edid_is_set_while_frames_are_taken(self, opened: CaptureDriver) -> None:
        """Another thread may look at the EDID, and set it, while the driver captures."""
        if not isinstance(opened, EdidControl):
            return
        control, before = opened, opened.edid()
        iterator = opened.frames()
        within(PATIENCE, next, iterator)
        within(PATIENCE, control.set_edid, before)
        assert within(PATIENCE, control.edid) == before, "edid() is not what was given to set_edid()"
        within(PATIENCE, _give_up, iterator)


def check_whole(frame: Frame) -> None:
    """Fail unless the frame's data is a whole picture of its size."""
    size, data = (frame.width, frame.height), bytes(frame.data)
    assert isinstance(frame.format, PixelFormat), f"{frame.format!r} is no PixelFormat"
    assert min(size) > 0, f"a frame of {size} pixels"
    if frame.format is PixelFormat.MJPEG:
        assert frame.stride == 0, f"an MJPEG frame has stride {frame.stride} instead of 0"
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == size, f"a JPEG of {image.size} pixels in a frame of {size}"
        return
    line = frame.width * BYTES_PER_PIXEL[frame.format]
    assert frame.stride >= line, f"stride = {frame.stride}, and a line has {line} bytes"
    needed = frame.format.picture_bytes(frame.stride, frame.height)
    assert len(data) >= needed, f"a frame of {len(data)} bytes, and its size, stride and format need {needed}"


def _frames(driver: CaptureDriver, count: int, look: Callable[[Frame], None] = lambda _: None) -> list[Frame]:
    """Take some frames, looking at each while its data is valid, and give the iterator up."""

    def take() -> list[Frame]:
        iterator = driver.frames()
        try:
            frames = []
            for frame in itertools.islice(iterator, count):
                look(frame)
                frames.append(frame)
        finally:
            _give_up(iterator)
        assert len(frames) == count, "frames() ended, although the driver is open"
        return frames

    return within(3 * PATIENCE, take)


def _await_refusal(driver: CaptureDriver, kind: type[DriverError], what: str) -> float:
    """Take frames until the driver says why there are no more; return how many seconds that took.

    :param kind: what it has to raise
    :param what: when it has to, in words
    """
    start = time.monotonic()

    def frames() -> None:
        iterator = driver.frames()
        try:
            for _ in iterator:
                if time.monotonic() > start + PATIENCE:
                    return
        finally:
            _give_up(iterator)

    refuses(3 * PATIENCE, kind, what, frames)
    return time.monotonic() - start


def _give_up(iterator: Iterator[Frame]) -> None:
    if isinstance(iterator, Generator):
        iterator.close()
