"""The csi_bridge driver on a real kernel, with vivid's HDMI input as the bridge."""

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kvmd import CaptureDriver, DeviceLost, DriverError, Frame, NoSignal, PixelFormat, edid
from kvmd.contract.device import device_at
from kvmd.testing import CaptureConformance
from kvmd_drivers.csi_bridge import CsiBridge, CsiBridgeOptions
from kvmd_drivers.v4l2 import uapi
from kvmd_drivers.v4l2.receiver import Receiver

from .capture import has_dropped, reading, signal_of
from .vivid import Vivid
from .waiting import eventually, patience, run

HDMI = {"num_inputs": 1, "input_types": 3}

CURRENT, NO_SIGNAL, NO_LOCK, OUT_OF_RANGE, SELECTED = range(5)
"""What the control dv_timings_signal_mode means."""

MODES = {
    "640x480": (0, 59.94),
    "720x480": (2, 59.94),
    "800x600": (24, 60.317),
    "1280x720": (9, 60),
    "1920x1080": (14, 50),
    "1920x1200": (86, 59.95),
}
"""Values of the control dv_timings, and their frame rates."""

INTERLACED = 13
"""1920x1080i25."""

REASONS = {
    NO_SIGNAL: "no signal: the source sends nothing; the cable is out, or the source is off",
    NO_LOCK: "no lock: the signal is unstable; the cable is in",
    OUT_OF_RANGE: "out of range: ",
}

Bridge = Callable[..., CsiBridge]

pytestmark = pytest.mark.usefixtures("units_masked", "memory")


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty memory of the driver's own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.fixture
def card(vivid: Vivid) -> Vivid:
    vivid.load(**HDMI)
    return vivid


@pytest.fixture
def bridge(card: Vivid) -> Iterator[Bridge]:
    """Opens the card with the driver; closes it in the end."""
    with contextlib.ExitStack() as stack:

        def open_card(**options: Any) -> CsiBridge:
            driver = CsiBridge(CsiBridgeOptions(device=str(card.node), **options), device_at(str(card.node)))
            stack.callback(driver.close)
            driver.open()
            return driver

        yield open_card


def signal(card: Vivid, mode: int, timings: int | None = None) -> None:
    """Change what the source sends: both at once, as v4l2-ctl sets them together."""
    chosen = [f"dv_timings_signal_mode={mode}"] + ([f"dv_timings={timings}"] if timings is not None else [])
    run("v4l2-ctl", f"--device={card.node}", f"--set-ctrl={','.join(chosen)}")


def send(card: Vivid, name: str) -> None:
    """Let the source send one of ``MODES``."""
    signal(card, SELECTED, MODES[name][0])


def take(driver: CsiBridge, count: int = 1) -> list[Frame]:
    """Frames without their data, which does not last."""
    with reading(driver) as frames:
        return list(itertools.islice(frames, count))


def size(frame: Frame) -> str:
    return f"{frame.width}x{frame.height}"


def await_size(frames: Iterator[Frame], name: str) -> Frame:
    def look() -> Frame | None:
        frame = next(frames)
        return frame if size(frame) == name else None

    return eventually(look, name)


def read_edid(card: Vivid) -> bytes:
    """The EDID that v4l2-ctl sees; empty if there is none, which is an error to it."""
    try:
        text = run("v4l2-ctl", f"--device={card.node}", "--get-edid")
    except RuntimeError as error:
        if "No data available" not in str(error):
            raise
        return b""
    return edid.read(text.encode())


class TestConformance(CaptureConformance):
    """What the daemon relies on."""

    @pytest.fixture(autouse=True)
    def plugged_in(self, card: Vivid) -> None:
        self.card = card
        send(card, "640x480")

    @pytest.fixture
    def driver(self) -> CsiBridge:
        options = CsiBridgeOptions(device=str(self.card.node), timeout=2)
        return CsiBridge(options, device_at(str(self.card.node)))

    def unplug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        signal(self.card, NO_SIGNAL)

    def plug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        send(self.card, "640x480")

    def remove(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the card is the same
        self.card.unbind()

    def insert(self, driver: CaptureDriver) -> None:
        self.card.bind()
        self.plug(driver)


# -- what the source sends


def test_each_signal_mode_has_its_reason(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    take(driver)
    for mode, words in REASONS.items():
        signal(card, mode)
        for _ in range(2):
            with pytest.raises(NoSignal) as raised:
                take(driver)
            assert str(raised.value).startswith(words)
        assert driver.status().cable is (mode != NO_SIGNAL)
        assert driver.status().signal is None
        assert driver.timings() is None
        signal(card, CURRENT)
        eventually(lambda: _frame_or_none(driver), "a frame")
        assert driver.status().cable is True


def _frame_or_none(driver: CsiBridge) -> Frame | None:
    with contextlib.suppress(NoSignal):
        return take(driver)[0]
    return None


def test_out_of_range_says_what_the_driver_told(card: Vivid, bridge: Bridge) -> None:
    signal(card, OUT_OF_RANGE)
    with pytest.raises(NoSignal) as raised:
        take(bridge())
    assert "this receiver takes (16x16 to 4096x2160, 14 to 775 MHz); set the source to another mode" in str(
        raised.value
    )


def test_interlaced_source_is_refused_in_words(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    signal(card, SELECTED, INTERLACED)
    with pytest.raises(NoSignal, match=r"^interlaced: the source sends 1920x1080i at 50, which"):
        take(driver)
    send(card, "640x480")
    assert size(take(driver)[0]) == "640x480"


def test_stream_follows_the_source(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    with reading(driver) as frames:
        last = next(frames)
        for name, (_, rate) in MODES.items():
            send(card, name)
            frame = await_size(frames, name)
            assert frame.sequence > last.sequence
            assert len(frame.data) == frame.stride * frame.height
            timings = driver.timings()
            assert timings is not None
            assert (timings.width, timings.height) == (frame.width, frame.height)
            assert signal_of(driver).frame_rate == timings.frame_rate == pytest.approx(rate, abs=0.01)
            last = frame
    assert driver.status().dropped == 0


def test_signal_that_goes_while_streaming_is_told_and_comes_back(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    with reading(driver) as frames:
        next(frames)
        signal(card, NO_LOCK)
        with pytest.raises(NoSignal, match=r"^no lock"):
            list(frames)
    send(card, "800x600")
    assert size(take(driver)[0]) == "800x600"


def test_waiting_for_the_signal_ends_with_its_event(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    signal(card, NO_SIGNAL)
    with pytest.raises(NoSignal):
        take(driver)
    back = threading.Timer(0.2, send, (card, "640x480"))
    back.start()
    frame = eventually(lambda: _frame_or_none(driver), "a frame")
    assert size(frame) == "640x480"
    back.join()


def test_hundred_random_changes_end_in_a_good_picture(card: Vivid, bridge: Bridge) -> None:
    dice = random.Random(20240229)
    small = ("640x480", "720x480", "800x600", "1280x720")
    changes = [lambda name=name: send(card, name) for name in small]
    changes += [lambda mode=mode: signal(card, mode) for mode in (CURRENT, NO_SIGNAL, NO_LOCK, OUT_OF_RANGE)]
    changes += [lambda name=name: card.control(name, 1) for name in ("inject_v4l2_buf_flag_error",)]
    driver = bridge()
    stop = threading.Event()
    seen, losses = [], []

    def watch() -> None:
        while not stop.is_set():
            try:
                for frame in driver.frames():
                    seen.append(size(frame))
                    if stop.is_set():
                        return
            except NoSignal as error:
                losses.append(str(error).partition(":")[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(100):
        dice.choice(changes)()
    send(card, "1280x720")
    del seen[:]
    eventually(lambda: len(seen) > 5 and seen[-1] == "1280x720", "the last picture")
    stop.set()
    watcher.join()
    assert {"no signal", "no lock", "out of range"} <= set(losses)
    assert size(take(driver)[0]) == "1280x720"


# -- errors


@pytest.mark.parametrize(
    "control", ["inject_v4l2_buf_flag_error", "inject_vidioc_qbuf_error", "inject_fatal_streaming_error"]
)
def test_injected_errors_are_survived_and_counted(card: Vivid, bridge: Bridge, control: str) -> None:
    driver = bridge()
    with reading(driver) as frames:
        last = next(frames).sequence
        for count in (1, 2):
            card.control(control, 1)
            eventually(partial(has_dropped, driver, frames, count), f"error {count}")
            frame = next(frames)
            assert frame.sequence > last
            last = frame.sequence
    assert driver.status().dropped == 2


def test_pulled_card_is_lost_and_found_again(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    driver.set_edid(edid.profile("720p60"))
    with reading(driver) as frames:
        next(frames)
        card.unbind()
        with pytest.raises(DeviceLost, match="the device is gone"):
            list(frames)
    driver.close()
    card.bind()
    assert read_edid(card) != edid.profile("720p60")
    driver.open()
    assert read_edid(card) == edid.profile("720p60")
    assert take(driver)


def test_card_pulled_without_a_signal_is_lost(card: Vivid, bridge: Bridge) -> None:
    driver = bridge()
    signal(card, NO_SIGNAL)
    with pytest.raises(NoSignal):
        take(driver)
    card.unbind()
    with pytest.raises(DeviceLost, match="the device is gone"):
        take(driver)


def test_card_in_use_is_told(card: Vivid, bridge: Bridge) -> None:
    first, second = bridge(), bridge()
    with reading(first) as frames:
        next(frames)
        send(card, "800x600")
        with pytest.raises(DriverError, match="is in use by another program"):
            take(second)
        await_size(frames, "800x600")


# -- EDID


def test_edid_is_set_read_back_and_cleared(card: Vivid, bridge: Bridge, memory: Path) -> None:
    driver = bridge()
    assert driver.edid() == read_edid(card)
    driver.set_edid(edid.profile("1080p50-2lane"))
    assert driver.edid() == read_edid(card) == (memory / "edid").read_bytes() == edid.profile("1080p50-2lane")
    driver.set_edid(b"")
    assert driver.edid() == (memory / "edid").read_bytes() == b""
    # vivid's source sends nothing to a display that does not say what it is
    with pytest.raises(NoSignal, match=r"^no signal"):
        take(driver)


def test_edid_is_set_while_streaming(bridge: Bridge) -> None:
    driver = bridge()
    with reading(driver) as frames:
        held = next(frames)
        before = bytes(held.data[:1000])
        driver.set_edid(edid.profile("720p60"))
        assert driver.edid() == edid.profile("720p60")
        # vivid has no buffers while it is set; the frame that is looked at stays
        assert bytes(held.data[:1000]) == before
        assert next(frames).sequence > held.sequence


def test_edid_is_set_from_another_thread_while_nobody_pauses(bridge: Bridge) -> None:
    driver = bridge()
    stop = threading.Event()
    watcher = threading.Thread(target=lambda: next(frame for frame in driver.frames() if stop.is_set()))
    watcher.start()
    for name in ("720p60", "1080p60") * 5:
        driver.set_edid(edid.profile(name))
    stop.set()
    watcher.join()
    assert driver.edid() == edid.profile("1080p60")


def test_edid_that_is_too_long_is_refused_and_nothing_changes(card: Vivid, bridge: Bridge, memory: Path) -> None:
    driver = bridge()
    driver.set_edid(edid.profile("720p60")[:0])
    card.control("maximum_edid_blocks", 1)
    with pytest.raises(DriverError, match=r"this EDID is too long: it has 2 blocks and the device takes 1$"):
        driver.set_edid(edid.profile("720p60"))
    assert driver.edid() == (memory / "edid").read_bytes() == b""


def test_cleared_card_gets_a_fitting_edid(card: Vivid, bridge: Bridge) -> None:
    run("v4l2-ctl", f"--device={card.node}", "--clear-edid")
    assert bridge(lanes=4).edid() == edid.profile("1080p60")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"num_inputs": 1, "input_types": 0}, "it has no timings to measure"),
        ({"num_inputs": 2, "input_types": 0b1100}, "the input in use has no timings to measure; choose an HDMI input"),
    ],
    ids=["webcam alone", "webcam and HDMI"],
)
def test_input_without_timings_is_told(vivid: Vivid, inputs: dict[str, int], words: str) -> None:
    driver = CsiBridge(CsiBridgeOptions(device=str(vivid.load(**inputs))), None)
    with contextlib.closing(driver):
        driver.open()
        with pytest.raises(DriverError, match=words):
            take(driver)


# -- the ioctl layer


def test_receiver_tells_what_it_takes(card: Vivid) -> None:
    with contextlib.closing(Receiver(str(card.node))) as receiver:
        limits = receiver.limits()
        assert (limits.max_width, limits.max_height) == (4096, 2160)
        assert (receiver.timings().bt.width, receiver.timings().bt.height) == (1280, 720)
        assert receiver.control(uapi.V4L2_CID_DV_RX_POWER_PRESENT) == 1
        assert receiver.control(1) is None
        assert "vivid" in receiver.name()


def test_events_come_once_they_are_asked_for(card: Vivid) -> None:
    with contextlib.closing(Receiver(str(card.node))) as receiver:
        send(card, "640x480")
        assert not receiver.wait(0.1)
        assert receiver.dequeue_event() is None
        assert receiver.subscribe(uapi.V4L2_EVENT_SOURCE_CHANGE)
        assert not receiver.subscribe(0x7FFF)
        send(card, "800x600")
        assert receiver.wait(patience())
        event = receiver.dequeue_event()
        assert event is not None
        assert event.type == uapi.V4L2_EVENT_SOURCE_CHANGE
        assert event.u.src_change.changes == uapi.V4L2_EVENT_SRC_CH_RESOLUTION


def test_timings_are_not_set_while_streaming(card: Vivid, bridge: Bridge) -> None:
    with contextlib.closing(Receiver(str(card.node))) as receiver, reading(bridge()) as frames:
        next(frames)
        send(card, "800x600")
        raw = uapi.DvTimings()
        receiver.query_timings(raw)
        assert (raw.bt.width, raw.bt.height) == (800, 600)
        with pytest.raises(OSError, match="busy"):
            receiver.set_timings(raw)


@pytest.mark.parametrize("pixel_format", [PixelFormat.RGB24, PixelFormat.NV12])
def test_other_formats(bridge: Bridge, pixel_format: PixelFormat) -> None:
    assert take(bridge(format=pixel_format))[0].format is pixel_format
