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
from kvmd.contract.capture import CaptureDriver, CaptureStatus, EdidControl, Frame, PixelFormat, Signal, TimingsControl
from kvmd.errors import NoSignal
from kvmd.testing.driver import PATIENCE, DriverConformance, within

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

    def test_frames_are_whole(self, opened: CaptureDriver) -> None:
        """Every frame holds as many bytes as its size and format say, or is a JPEG of its size."""
        for frame in _frames(opened, self.count, check_whole):
            assert frame.width > 0
            assert frame.height > 0

    def test_frames_are_in_order(self, opened: CaptureDriver) -> None:
        """Sequence numbers rise, time stamps do not go back, and are of the monotonic clock."""
        before = time.monotonic()
        frames = _frames(opened, self.count)
        for one, next_one in itertools.pairwise(frames):
            assert one.sequence < next_one.sequence
            assert one.timestamp <= next_one.timestamp
        assert before - PATIENCE <= frames[0].timestamp
        assert frames[-1].timestamp <= time.monotonic()

    def test_status_agrees_with_frames(self, opened: CaptureDriver) -> None:
        """The status names the device, and the signal that the frames have."""
        frame = _frames(opened, 1)[0]
        status = within(PATIENCE, opened.status)
        assert isinstance(status, CaptureStatus)
        assert status.device
        assert isinstance(status.signal, Signal)
        assert (status.signal.width, status.signal.height) == (frame.width, frame.height)
        assert status.signal.format == frame.format
        assert status.signal.frame_rate is None or status.signal.frame_rate > 0

    def test_status_before_the_first_frame(self, opened: CaptureDriver) -> None:
        """A driver that has seen nothing yet can be asked how it stands."""
        assert isinstance(within(PATIENCE, opened.status), CaptureStatus)

    def test_frames_again(self, opened: CaptureDriver) -> None:
        """An iterator that was given up can be followed by another, which yields newer frames."""
        last = _frames(opened, 2)[-1]
        first = _frames(opened, 2)[0]
        assert last.timestamp <= first.timestamp

    def test_open_again(self, driver: CaptureDriver) -> None:
        """A driver that was closed can be opened again."""
        for _ in range(2):
            within(PATIENCE, driver.open)
            assert _frames(driver, 2)
            within(PATIENCE, driver.close)

    def test_signal_lost_and_back(self, opened: CaptureDriver) -> None:
        """Without a signal, iterating raises NoSignal with a reason, as often as it is tried; later it works again."""
        _frames(opened, 1)
        self.unplug(opened)
        for _ in range(2):
            with pytest.raises(NoSignal) as raised:
                _frames(opened, 1000)
            assert str(raised.value)
        assert within(PATIENCE, opened.status).signal is None
        if isinstance(opened, TimingsControl):
            assert within(PATIENCE, opened.timings) is None
        self.plug(opened)
        assert _frames(opened, 2)

    def test_timings_agree_with_frames(self, opened: CaptureDriver) -> None:
        """A driver that declares timings tells those of the frames."""
        if not isinstance(opened, TimingsControl):
            return
        frame = _frames(opened, 1)[0]
        timings = within(PATIENCE, opened.timings)
        assert timings is not None
        assert (timings.width, timings.height) == (frame.width, frame.height)
        assert timings.frame_rate > 0
        assert timings.pixel_clock > timings.width * timings.height

    def test_edid_is_set_and_cleared(self, opened: CaptureDriver) -> None:
        """A driver that declares an EDID has the one that was set last; it is as before in the end."""
        if not isinstance(opened, EdidControl):
            return
        before = within(PATIENCE, opened.edid)
        try:
            for wanted in (edid.profile("720p60"), b"", edid.profile("1080p60")):
                within(PATIENCE, opened.set_edid, wanted)
                assert within(PATIENCE, opened.edid) == wanted
        finally:
            within(PATIENCE, opened.set_edid, before)
        assert within(PATIENCE, opened.edid) == before

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
            assert within(PATIENCE, driver.edid) == edid.profile("720p60")
        finally:
            within(PATIENCE, driver.set_edid, before)
            within(PATIENCE, driver.close)

    def test_edid_is_set_while_frames_are_taken(self, opened: CaptureDriver) -> None:
        """Another thread may look at the EDID, and set it, while the driver captures."""
        if not isinstance(opened, EdidControl):
            return
        control, before = opened, opened.edid()
        iterator = opened.frames()
        within(PATIENCE, next, iterator)
        within(PATIENCE, control.set_edid, before)
        assert within(PATIENCE, control.edid) == before
        if isinstance(iterator, Generator):
            within(PATIENCE, iterator.close)


def check_whole(frame: Frame) -> None:
    """Fail unless the frame's data is a whole picture of its size."""
    data = bytes(frame.data)
    if frame.format is PixelFormat.MJPEG:
        assert frame.stride == 0
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (frame.width, frame.height)
        return
    assert frame.stride >= frame.width * BYTES_PER_PIXEL[frame.format]
    assert len(data) >= frame.format.picture_bytes(frame.stride, frame.height)


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
            if isinstance(iterator, Generator):
                iterator.close()
        assert len(frames) == count, "frames() ended, although the driver is open"
        return frames

    return within(3 * PATIENCE, take)
