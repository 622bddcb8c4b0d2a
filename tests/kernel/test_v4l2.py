"""The v4l2 driver on a real kernel, with vivid as the capture card."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kvmd import CaptureDriver, DeviceLost, DriverError, Frame, NoSignal, PixelFormat
from kvmd.contract.device import best_match, device_at, list_devices
from kvmd.testing import CaptureConformance
from kvmd_drivers.v4l2 import V4l2Capture, V4l2Options, uapi

from .capture import Capture, has_dropped, reading, signal_of
from .vivid import Vivid
from .waiting import eventually, patience

WEBCAM = {"num_inputs": 1, "input_types": 0}
HDMI = {"num_inputs": 1, "input_types": 3}

# linux/videodev2.h
V4L2_BUF_FLAG_DONE = 0x4

# bit mask of cropping, composing and scaling
NO_SCALER = {"ccs_cap_mode": 0}

RAW = [each for each in PixelFormat if each is not PixelFormat.MJPEG]
BARS = ("white", "yellow", "cyan", "green", "magenta", "red", "blue", "black")

pytestmark = pytest.mark.usefixtures("units_masked")


@pytest.fixture(scope="module", params=[1, 2], ids=["single-planar", "multi-planar"])
def hdmi(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An HDMI input, which has the one size that its timings give it."""
    card = Vivid()
    yield card.load(**HDMI, **NO_SCALER, multiplanar=request.param)
    card.unload()


class TestConformance(CaptureConformance):
    """What the daemon relies on."""

    @pytest.fixture(autouse=True)
    def plugged_in(self, vivid: Vivid) -> None:
        self.card = vivid
        vivid.load(**WEBCAM)

    @pytest.fixture
    def driver(self) -> V4l2Capture:
        options = V4l2Options(device=str(self.card.node), width=640, height=480, timeout=2)
        return V4l2Capture(options, device_at(str(self.card.node)))

    def unplug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        self.card.control("percentage_of_dropped_buffers", 100)

    def plug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        self.card.control("percentage_of_dropped_buffers", 0)

    def remove(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        self.card.unbind()

    def insert(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        self.card.bind()


def take(driver: V4l2Capture, count: int) -> list[Frame]:
    """Frames without their data, which does not last."""
    with reading(driver) as frames:
        return list(itertools.islice(frames, count))


def bars(frame: Frame) -> list[tuple[int, ...]]:
    """The first plane's values in the middle of each colour bar, halfway down."""
    step, size = {
        PixelFormat.YUYV: (2, 1),
        PixelFormat.UYVY: (2, 1),
        PixelFormat.RGB24: (3, 3),
        PixelFormat.BGR24: (3, 3),
    }.get(frame.format, (1, 1))
    line = frame.height // 2 * frame.stride + (frame.format is PixelFormat.UYVY)
    columns = [frame.width * (2 * bar + 1) // (2 * len(BARS)) for bar in range(len(BARS))]
    return [tuple(frame.data[line + x * step : line + x * step + size]) for x in columns]


@pytest.mark.parametrize("pixel_format", RAW)
def test_every_raw_format_is_captured(hdmi: Path, capture: Capture, pixel_format: PixelFormat) -> None:
    driver = capture(hdmi, format=pixel_format)
    assert driver.status().signal is None
    lines = {PixelFormat.NV12: 1.5, PixelFormat.YU12: 1.5}.get(pixel_format, 1)
    sequence = -1
    begin = time.monotonic()
    with reading(driver) as frames:
        for frame in itertools.islice(frames, 5):
            assert frame.format is pixel_format
            assert len(frame.data) == frame.stride * frame.height * lines
            assert frame.sequence > sequence
            assert begin <= frame.timestamp <= time.monotonic()
            sequence = frame.sequence
        seen = bars(frame)
        signal = signal_of(driver)
    assert (signal.width, signal.height, signal.format) == (frame.width, frame.height, pixel_format)
    driver.close()
    assert driver.status().signal is None
    assert_bars(pixel_format, seen)


def assert_bars(pixel_format: PixelFormat, seen: list[tuple[int, ...]]) -> None:
    if pixel_format in (PixelFormat.RGB24, PixelFormat.BGR24):
        red = 0 if pixel_format is PixelFormat.RGB24 else 2
        found = [tuple(int(value > 90) for value in (rgb[red], rgb[1], rgb[2 - red])) for rgb in seen]
        assert found == [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)]
    else:
        assert seen == sorted(set(seen), reverse=True), "the bars go from light to dark"


def test_mjpeg_that_is_not_offered_is_named(hdmi: Path, capture: Capture) -> None:
    with pytest.raises(DriverError, match=r"does not offer MJPEG; it offers .*YUYV.*: \d+x\d+"):
        capture(hdmi, format=PixelFormat.MJPEG)


def test_size_that_the_source_does_not_send_is_refused(hdmi: Path, capture: Capture) -> None:
    with pytest.raises(DriverError, match=r"does not do YU12 800x600: it offers YU12 \d+x\d+ instead"):
        capture(hdmi, width=800, height=600)


def test_size_is_asked_of_an_input_that_can_scale(vivid: Vivid, capture: Capture) -> None:
    first, _ = take(capture(vivid.load(**HDMI), width=800, height=600), 2)
    assert (first.width, first.height) == (800, 600)


def test_frame_is_not_valid_after_the_next(hdmi: Path, capture: Capture) -> None:
    with reading(capture(hdmi)) as frames:
        first = next(frames)
        next(frames)
        with pytest.raises(ValueError, match="released"):
            bytes(first.data)


def test_viewer_that_keeps_a_slice_harms_nobody(hdmi: Path, capture: Capture) -> None:
    driver = capture(hdmi)
    with reading(driver) as frames:
        kept = next(frames).data[:16]
    driver.close()
    assert len(bytes(kept)) == 16
    assert isinstance(kept, memoryview)
    kept.release()
    driver.open()
    assert len(take(driver, 2)) == 2


def test_second_driver_is_told_that_the_node_is_busy(hdmi: Path, capture: Capture) -> None:
    first = capture(hdmi)
    with reading(first) as frames:
        next(frames)
        with pytest.raises(DriverError, match="is in use by another program"):
            take(capture(hdmi), 1)
        next(frames)


def test_newest_frame_after_a_pause(hdmi: Path, capture: Capture) -> None:
    driver = capture(hdmi)
    with reading(driver) as frames:
        next(frames)
        filled = eventually(lambda: filled_buffers(driver), "all buffers but that of the first frame to be filled")
        # only the last of them is given, or the first again, if that was filled anew meanwhile
        assert next(frames).sequence >= max(filled)


def filled_buffers(driver: V4l2Capture) -> list[int]:
    """Sequence numbers of the frames that wait to be taken; none before all buffers but one are filled."""
    stream = driver._stream
    assert stream is not None
    found = []
    for index in range(len(stream._maps)):
        raw, _planes = stream._buffer(index)
        stream._node.ioctl(uapi.VIDIOC_QUERYBUF, raw)
        if raw.flags & V4L2_BUF_FLAG_DONE:
            found.append(raw.sequence)
    return found if len(found) == len(stream._maps) - 1 else []


def test_close_ends_an_iterator_that_waits(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), timeout=10)
    vivid.control("percentage_of_dropped_buffers", 100)
    ended = threading.Event()

    def watch() -> None:
        assert list(driver.frames()) == []
        ended.set()

    threading.Thread(target=watch).start()
    time.sleep(0.5)
    assert not ended.is_set()
    driver.close()
    assert ended.wait(patience())


def test_webcam_gives_its_largest_fluent_size(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM))
    with reading(driver) as frames:
        next(frames)
        signal = signal_of(driver)
    # its 3840x2160 has 15 frames a second at most, its 1280x720 60
    assert (signal.width, signal.height, signal.frame_rate) == (1920, 1080, 30)
    assert signal.format is PixelFormat.YU12


def test_webcam_gives_size_and_rate_that_are_asked_for(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), width=1280, height=720, frame_rate=5, format=PixelFormat.YUYV)
    first, *_, last = take(driver, 6)
    assert (first.width, first.height, first.stride) == (1280, 720, 2560)
    pictures = last.sequence - first.sequence
    assert (last.timestamp - first.timestamp) / pictures == pytest.approx(1 / 5, rel=0.1)


def test_rate_that_a_webcam_cannot_do_is_adjusted(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), width=320, height=180, frame_rate=500)
    with reading(driver) as frames:
        next(frames)
        assert signal_of(driver).frame_rate == 120


def test_size_that_a_webcam_cannot_do_is_named(vivid: Vivid, capture: Capture) -> None:
    with pytest.raises(DriverError, match=r"does not offer 800x600; it offers .*: .*640x480 at 120, 1280x720 at 60"):
        capture(vivid.load(**WEBCAM), width=800, height=600)


def test_silence_is_no_signal_and_ends(vivid: Vivid, capture: Capture) -> None:
    node = vivid.load(**WEBCAM)
    driver = capture(node, width=320, height=180, timeout=1)
    vivid.control("percentage_of_dropped_buffers", 100)
    begin = time.monotonic()
    with pytest.raises(NoSignal, match=f"^no frames for 1 s: {node} sends nothing"):
        take(driver, 1)
    assert time.monotonic() - begin >= 1
    vivid.control("percentage_of_dropped_buffers", 0)
    assert len(take(driver, 3)) == 3


def test_timeout_below_the_frame_interval(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), width=320, height=180, frame_rate=1, timeout=0.2)
    with pytest.raises(NoSignal, match=r"no frames for 0\.2 s"):
        take(driver, 3)


def test_damaged_frame_is_dropped_and_counted(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), width=320, height=180)
    with reading(driver) as frames:
        before = next(frames).sequence
        assert driver.status().dropped == 0
        vivid.control("inject_v4l2_buf_flag_error", 1)
        eventually(partial(has_dropped, driver, frames, 1), "a damaged frame")
        assert driver.status().dropped == 1
        assert next(frames).sequence > before
    assert driver.status().dropped == 1


def test_stream_that_does_not_start_leaves_nothing_behind(vivid: Vivid, capture: Capture) -> None:
    node = vivid.load(**WEBCAM)
    driver = capture(node)
    for control in ("inject_vidioc_reqbufs_error", "inject_vidioc_qbuf_error", "inject_vidioc_streamon_error"):
        vivid.control(control, 1)
        with pytest.raises(DriverError, match=f"^{node}"):
            take(driver, 1)
        assert len(take(driver, 2)) == 2


@pytest.mark.parametrize("control", ["inject_vidioc_qbuf_error", "inject_fatal_streaming_error"])
def test_errors_of_the_driver_are_survived_and_counted(vivid: Vivid, capture: Capture, control: str) -> None:
    driver = capture(vivid.load(**WEBCAM), width=320, height=180)
    with reading(driver) as frames:
        last = next(frames).sequence
        for count in (1, 2):
            vivid.control(control, 1)
            eventually(partial(has_dropped, driver, frames, count), f"error {count}")
            before, last = last, next(frames).sequence
            assert before < last


def test_error_that_does_not_end_is_told(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM), width=320, height=180)
    with reading(driver) as frames:
        next(frames)
        # the stream is begun anew after the first, which the second keeps from happening
        vivid.control("inject_vidioc_streamon_error", 1)
        vivid.control("inject_fatal_streaming_error", 1)
        with pytest.raises(DriverError, match=f"^{driver.status().device.partition('(')[2][:-1]}: "):
            list(frames)
    assert len(take(driver, 2)) == 2


@pytest.mark.parametrize("planes", [1, 2], ids=["single-planar", "multi-planar"])
def test_unplug_and_replug_while_streaming(vivid: Vivid, capture: Capture, planes: int) -> None:
    node = vivid.load(**WEBCAM, multiplanar=planes)
    driver = capture(node)
    with reading(driver) as frames:
        next(frames)
        pull = threading.Timer(0.5, vivid.unbind)
        pull.start()
        with pytest.raises(DeviceLost, match=f"^{node}: the device is gone"):
            list(frames)
        pull.join()
    assert driver.status().signal is None
    driver.close()
    # not seen by its number, which it keeps if nobody holds it, not even udev; "/dev/video0 (deleted)" it is called now
    assert not [link for link in Path("/proc/self/fd").iterdir() if str(link.resolve()).startswith(str(node))]
    assert str(node) not in Path("/proc/self/maps").read_text()
    assert len(take(capture(vivid.bind()), 3)) == 3


def test_unplug_while_idle(vivid: Vivid, capture: Capture) -> None:
    driver = capture(vivid.load(**WEBCAM))
    vivid.unbind()
    with pytest.raises(DeviceLost, match="is gone"):
        take(driver, 1)
    driver.close()


def test_only_the_capture_node_is_taken(vivid: Vivid, capture: Capture) -> None:
    # video capture 0x1, video output 0x100, metadata capture 0x20000
    node = vivid.load(**WEBCAM, node_types=0x20101)
    devices = [each for each in list_devices(["video4linux"]) if "vivid" in each.path]
    assert len(devices) == 3
    assert [each.node for each in devices if best_match(V4l2Capture.matches, each)] == [str(node)]
    refusals = {}
    for device in devices:
        with contextlib.suppress(DriverError):
            capture(Path(str(device.node)))
            continue
        with pytest.raises(DriverError) as caught:
            capture(Path(str(device.node)))
        refusals[(Path(device.path) / "name").read_text().strip().rpartition("-vid-")[2]] = str(caught.value)
    assert any("cannot capture: it is a metadata node" in each for each in refusals.values())
    assert any("cannot capture: it is an output" in each for each in refusals.values())
    assert len(refusals) == 2


def test_no_permission_names_the_rule(vivid: Vivid, capture: Capture) -> None:
    node = vivid.load(**WEBCAM)
    os.seteuid(65534)
    try:
        with pytest.raises(DriverError, match="no permission; kvmd's udev rule"):
            capture(node)
    finally:
        os.seteuid(0)
