"""The picamera2 driver with the real library: on libcamera's virtual camera, and on a USB camera that is pulled out."""

import contextlib
import gc
import hashlib
import io
import itertools
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kvmd import CaptureDriver, DeviceAbsent, DeviceLost, DriverError, Frame, PixelFormat
from kvmd.testing import CaptureConformance
from kvmd_drivers.picamera2 import Picamera2Capture, Picamera2Options, choices

from .camera import COLOURS, Camera, Fault
from .capture import reading, signal_of
from .viewer import pixel
from .waiting import eventually, patience, run

VIRTUAL: dict[str, Any] = {"camera": "Virtual0", "width": 640, "height": 480}
USB: dict[str, Any] = {"camera": "*534d:2109*"}

BARS = ((235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34), (106, 202, 222), (81, 90, 240), (41, 240, 110))
"""White, yellow, cyan, green, magenta, red and blue as Y, Cb and Cr (ITU-R BT.601, section 2.5); black follows."""
BLACK = (16, 128, 128)

ATTEMPTS = 20
"""So many that it shows whether each leaves something behind."""

Capture = Callable[..., Picamera2Capture]

pytestmark = pytest.mark.usefixtures("units_masked")


@pytest.fixture
def camera(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> Camera:
    """A camera that libcamera, too, has found once it is plugged in: it looks for them in a thread of its own."""
    plug = camera.plug

    def plug_and_wait(port: int = 1) -> Path:
        node = plug(port)
        eventually(is_listed, "libcamera to find the camera")
        return node

    monkeypatch.setattr(camera, "plug", plug_and_wait)
    return camera


def is_listed() -> bool:
    """Tell whether libcamera finds the USB camera."""
    from kvmd_drivers.picamera2.camera import Camera as Found  # noqa: PLC0415  # in the guest alone

    return any("534d:2109" in camera["Id"] for camera in Found.list())


@pytest.fixture
def capture() -> Iterator[Capture]:
    """Opens a camera with the driver; closes it in the end."""
    with contextlib.ExitStack() as stack:

        def open_camera(**options: Any) -> Picamera2Capture:
            driver = Picamera2Capture(Picamera2Options(**{"timeout": 10, **options}), None)
            stack.callback(driver.close)
            driver.open()
            return driver

        yield open_camera


class _Conformance(CaptureConformance):
    count = 5

    # a camera has no signal that it could lose: it is there, or it is lost; None is how pytest is told of no test
    test_signal_lost_and_back = None  # type: ignore[assignment]

    # libcamera may abort the process where it is stopped in the very moment in which its camera goes; the driver stops
    # it when no pictures have come for a while: test_device_lost_and_back
    test_open_without_the_device = None  # type: ignore[assignment]


class TestVirtual(_Conformance):
    """What the daemon relies on, with raw pictures."""

    # this camera is a part of libcamera, and is always there
    test_device_lost_and_back = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self) -> Picamera2Capture:
        return Picamera2Capture(Picamera2Options(**VIRTUAL, timeout=10), None)


class TestUsb(_Conformance):
    """What the daemon relies on, with the camera's own MJPEG."""

    @pytest.fixture
    def driver(self, camera: Camera) -> Picamera2Capture:
        self.camera = camera
        camera.plug()
        return Picamera2Capture(Picamera2Options(**USB, timeout=10), None)

    def remove(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.remove()

    def insert(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.plug()


def take(driver: Picamera2Capture, count: int) -> list[Frame]:
    with reading(driver) as frames:
        return list(itertools.islice(frames, count))


def bars(frame: Frame) -> list[tuple[int, ...]]:
    """The colours of an NV12 picture halfway down, from left to right, from white on: the pattern goes round."""
    line, chroma = frame.height // 2, frame.stride * frame.height
    row = frame.data[line * frame.stride :][: frame.width]
    step = frame.width // 8
    # the left edge of the white bar, which follows upon the black one
    edge = next(x for x in range(frame.width) if row[x] > 230 and row[x - 8] < 20)
    columns = [(edge + step // 2 + step * bar) % frame.width for bar in range(8)]
    pairs = [chroma + line // 2 * frame.stride + x // 2 * 2 for x in columns]
    return [(row[x], *frame.data[pair : pair + 2]) for x, pair in zip(columns, pairs, strict=True)]


def assert_bars(frame: Frame) -> None:
    seen = bars(frame)
    near = (
        abs(a - b) <= 3 for one, bar in zip(seen, (*BARS, BLACK), strict=True) for a, b in zip(one, bar, strict=True)
    )
    assert all(near), seen


def colour(frame: Frame) -> int | None:
    """Which of the USB camera's colours a JPEG shows."""
    seen = pixel(Image.open(io.BytesIO(frame.data)).convert("RGB"), 320, 120)
    near = (max(abs(a - b) for a, b in zip(seen, each, strict=True)) <= 8 for each in COLOURS)
    return next((number for number, is_near in enumerate(near) if is_near), None)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_missing() -> None:
    listed = json.loads(run("kvmd", "drivers", "--json"))
    [driver] = [each for each in listed["drivers"] if each["name"] == "picamera2"]
    assert driver["problem"] is None
    assert listed["broken"] == []


def test_formats_are_those_that_picamera2_takes_them_for() -> None:
    from picamera2.encoders.v4l2_encoder import V4L2Encoder  # noqa: PLC0415  # in the guest alone

    for name in choices.ENCODABLE:
        encoder = V4L2Encoder(None, 0)
        encoder.format = name
        assert encoder._v4l2_format.to_bytes(4, "little").decode() == choices.FORMATS[name].fourcc


def test_bars_have_their_colours(capture: Capture) -> None:
    driver = capture(**VIRTUAL)
    for frame in take(driver, 5):
        assert (frame.format, frame.width, frame.height, frame.stride) == (PixelFormat.NV12, 640, 480, 640)
        assert_bars(frame)
    signal = signal_of(driver)
    assert (signal.width, signal.height, signal.format) == (640, 480, PixelFormat.NV12)
    assert "Virtual0" in driver.status().device


def test_size_is_the_cameras_suggestion_or_what_is_asked_for(capture: Capture) -> None:
    driver = capture(camera="Virtual*")
    [frame] = take(driver, 1)
    assert (frame.width, frame.height) == (1280, 720)
    driver.close()
    with pytest.raises(DriverError, match=r"does not do 800x600: it offers 1280x720 instead; set width and height so"):
        capture(camera="Virtual0", width=800, height=600)


def test_frame_rate_is_set_or_the_nearest(capture: Capture) -> None:
    # libcamera 0.7.1 takes the control, and lets the virtual camera run as fast as it can
    for asked, expected in ((30, 30), (1000, 60), (1, 30)):
        driver = capture(**VIRTUAL, frame_rate=asked)
        take(driver, 1)
        assert signal_of(driver).frame_rate == pytest.approx(expected, abs=0.01)
        driver.close()


def test_transform_is_asked_of_libcamera(capture: Capture) -> None:
    # the virtual camera says that it turns the picture, and does not
    for transform, orientation in (
        ("none", "Rotate0"),
        ("hflip", "Rotate0Mirror"),
        ("vflip", "Rotate180Mirror"),
        ("rotate180", "Rotate180"),
    ):
        driver = capture(**VIRTUAL, transform=transform)
        assert driver._camera is not None
        assert driver._camera._camera.libcamera_config.orientation.name == orientation
        driver.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exposure": 10_000}, r"has no control ExposureTime; it has FaceDetectMode, FrameDurationLimits; change"),
        ({"exposure": "auto"}, "has no control AeEnable"),
        ({"gain": 2.0}, "has no control AnalogueGain"),
        ({"focus": 1.5}, "has no control AfMode"),
        ({"white_balance": "daylight"}, "has no control AwbEnable"),
        ({"format": PixelFormat.YUYV}, "does not offer YUYV; it offers NV12"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_the_camera_has_not_is_refused_with_what_it_has(
    capture: Capture, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DriverError, match=message):
        capture(**VIRTUAL | options)


@pytest.mark.parametrize("wanted", [7, "no such camera"])
def test_unknown_camera_is_absent_and_the_others_are_named(capture: Capture, wanted: int | str) -> None:
    with pytest.raises(
        DeviceAbsent, match=rf"there is no camera {wanted}: 0 is Virtual Video Device \(Virtual0\); set"
    ):
        capture(camera=wanted)


def test_camera_in_use_is_busy_and_nothing_is_left_of_the_attempts(capture: Capture) -> None:
    owner = capture(**VIRTUAL)
    other = Picamera2Capture(Picamera2Options(**VIRTUAL, timeout=10), None)
    take(owner, 1)

    def attempt() -> None:
        with pytest.raises(DriverError, match="is in use by another program; `fuser"):
            other.open()

    attempt()
    before = open_files()
    for _ in range(ATTEMPTS):
        attempt()
    # pictures on their way have one each
    assert open_files() < before + ATTEMPTS // 2
    assert_bars(take(owner, 1)[0])
    owner.close()
    other.open()
    assert_bars(take(other, 1)[0])
    other.close()


def test_opening_and_closing_leaves_nothing_behind(capture: Capture) -> None:
    driver = capture(**VIRTUAL)

    def used() -> int:
        take(driver, 1)
        driver.close()
        gc.collect()
        return open_files()

    before = used()
    for _ in range(5):
        driver.open()
        assert used() <= before
    assert not any("thread_func" in thread.name or "listen" in thread.name for thread in threading.enumerate())


def test_callback_that_fails_is_a_loss_with_its_reason(capture: Capture) -> None:
    driver = capture(**VIRTUAL)
    frames = driver.frames()
    next(frames)

    def fail(_request: object) -> None:
        raise ValueError("the callback broke")

    assert driver._camera is not None
    driver._camera._camera.post_callback = fail
    with pytest.raises(DeviceLost, match="failed: the callback broke; plug it in again"):
        list(frames)
    assert driver.status().signal is None
    driver.close()
    assert_bars(take(capture(**VIRTUAL), 1)[0])


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str], capture: Capture) -> None:
    driver = capture(**VIRTUAL)
    take(driver, 2)
    driver.close()
    assert capfd.readouterr().err == ""


class TestEncoder:
    """The way of the Raspberry Pi's MJPEG hardware, with an encoder in software where that stands."""

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
        """How many pictures the encoder has made; more than three and the next breaks it, if that is set."""
        import simplejpeg  # noqa: PLC0415  # in the guest alone, as all that follows
        from picamera2.encoders import MultiEncoder  # noqa: PLC0415

        from kvmd_drivers.picamera2 import camera  # noqa: PLC0415

        made: list[int] = []
        self.limit = 1_000_000
        self.given = 0
        test = self

        class Software(MultiEncoder):  # type: ignore[misc]  # the library has no types
            def __init__(self) -> None:
                super().__init__(num_threads=1)

            def encode_func(self, request: Any, name: str) -> bytes:
                if len(made) == test.limit:
                    raise ValueError("the encoder broke")
                width, height = request.config[name]["size"]
                made.append(width)
                rows = request.make_buffer(name).reshape(height * 3 // 2, width)
                u, v = (rows[height:, offset::2].copy() for offset in (0, 1))
                jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(rows[:height].copy(), u, v, 90)
                return jpeg

            def outputframe(self, *picture: Any, **more: Any) -> None:
                """Count what is given away, in a thread that may be behind the one that encodes."""
                super().outputframe(*picture, **more)
                test.given += 1

        (tmp_path / "name").write_text("bcm2835-codec-encode\n")
        monkeypatch.setattr(camera, "ENCODER", tmp_path / "name")
        monkeypatch.setattr(camera, "MJPEGEncoder", Software)
        return made

    @pytest.mark.usefixtures("made")
    def test_newest_picture_alone_is_kept(self, capture: Capture) -> None:
        driver = capture(**VIRTUAL)
        with reading(driver) as frames:
            first = next(frames)
            assert (first.format, first.stride, first.width, first.height) == (PixelFormat.MJPEG, 0, 640, 480)
            assert Image.open(io.BytesIO(first.data)).size == (640, 480)
            before = self.given
            eventually(lambda: self.given >= before + 5, "five more pictures")
            second = next(frames)
        assert second.sequence >= first.sequence + 4
        assert first.timestamp < second.timestamp <= time.monotonic()
        assert signal_of(driver).format is PixelFormat.MJPEG

    # of picamera2's thread, which is the case in question
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_encoder_that_breaks_is_a_loss(self, made: list[int], capture: Capture) -> None:
        self.limit = 3
        driver = capture(**VIRTUAL, timeout=2)
        with pytest.raises(DeviceLost, match="sent no picture for 2 s"):
            list(driver.frames())
        assert len(made) == 3
        driver.close()
        self.limit = 1_000_000
        assert take(capture(**VIRTUAL), 1)


def test_usb_cameras_own_jpegs_go_through(camera: Camera, capture: Capture) -> None:
    camera.plug()
    driver = capture(**USB)
    frames = take(driver, 6)
    sent = camera.state()["pictures"]
    for frame in frames:
        assert (frame.format, frame.width, frame.height, frame.stride) == (PixelFormat.MJPEG, 640, 480, 0)
        assert hashlib.sha256(frame.data).hexdigest() in sent, "cut to what the camera sent, and not a byte more"
        assert colour(frame) is not None
    assert "534d:2109" in driver.status().device


def test_jpegs_are_cut_out_of_the_memory_that_sensors_use(
    camera: Camera, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from picamera2.allocators import DmaAllocator  # noqa: PLC0415  # in the guest alone, as what follows

    from kvmd_drivers.picamera2.camera import AnyCamera  # noqa: PLC0415

    monkeypatch.setattr(AnyCamera, "memory", lambda _self: DmaAllocator())
    camera.plug()
    frames = take(capture(**USB), 3)
    assert {hashlib.sha256(frame.data).hexdigest() for frame in frames} <= set(camera.state()["pictures"])


def test_usb_camera_gives_raw_pictures_too(camera: Camera, capture: Capture) -> None:
    camera.plug()
    frame = take(capture(**USB, format=PixelFormat.YUYV), 3)[-1]
    assert (frame.format, frame.width, frame.height, frame.stride) == (PixelFormat.YUYV, 640, 480, 1280)
    assert len(frame.data) == 1280 * 480
    assert not frame.full_range
    expected = [_ycbcr(*each) for each in COLOURS]
    y, u, _, v = frame.data[:4]
    assert min(max(abs(a - b) for a, b in zip((y, u, v), each, strict=True)) for each in expected) <= 1


def _ycbcr(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """ITU-R BT.601, section 2.5."""
    return (
        16 + round((65.481 * red + 128.553 * green + 24.966 * blue) / 255),
        128 + round((-37.797 * red - 74.203 * green + 112.0 * blue) / 255),
        128 + round((112.0 * red - 93.786 * green - 18.214 * blue) / 255),
    )


def test_what_usb_cameras_cannot_do(camera: Camera, capture: Capture) -> None:
    camera.plug()
    with pytest.raises(DriverError, match='cannot do transform = "hflip"; leave it out'):
        capture(**USB, transform="hflip")
    driver = capture(**USB, frame_rate=5)
    assert driver.status().remarks == ("the camera sets its frame rate itself: frame_rate is of no effect",)
    assert take(driver, 1)
    assert signal_of(driver).frame_rate is None


def test_cameras_are_found_by_the_number_that_the_message_names(camera: Camera, capture: Capture) -> None:
    camera.plug()
    with pytest.raises(DeviceAbsent) as raised:
        capture(camera=7)
    first, second = re.findall(r"\d is (.*?\(.*?\))", str(raised.value))
    assert {"Virtual0" in first, "Virtual0" in second} == {True, False}
    assert capture().status().device == first
    assert capture(camera=1).status().device == second


def test_usb_camera_in_use_by_v4l2_is_busy(camera: Camera, capture: Capture) -> None:
    node = camera.plug()
    command = ["v4l2-ctl", f"--device={node}", "--stream-mmap", "--stream-count=100000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        eventually(lambda: camera.state()["frames"] > 0, "v4l2-ctl to stream")
        with pytest.raises(DriverError, match="is in use by another program; `fuser"):
            capture(**USB)
        other.kill()
    eventually(lambda: _frame_of(capture), "the camera to be free")


def _frame_of(capture: Capture) -> bool:
    with contextlib.suppress(DriverError):
        return bool(take(capture(**USB), 1))
    return False


def test_unplug_is_a_loss_and_a_replug_is_found(camera: Camera, capture: Capture) -> None:
    camera.plug()
    driver = capture(**USB)
    frames = driver.frames()
    next(frames)
    camera.unplug()
    with pytest.raises(DeviceLost, match=r"534d:2109\) (is gone|failed: .*); plug it in again"):
        list(frames)
    assert driver.status().signal is None
    driver.close()
    eventually(lambda: not is_listed(), "libcamera to forget the camera")
    with pytest.raises(DeviceAbsent, match=r"there is no camera \*534d:2109\*"):
        driver.open()
    camera.plug(port=2)
    eventually(lambda: _frame_of(capture), "the camera in the other port")


def test_camera_that_goes_silent_is_lost_and_comes_back(camera: Camera, capture: Capture) -> None:
    camera.plug()
    driver = capture(**USB, timeout=2)
    frames = driver.frames()
    next(frames)
    camera.fault(Fault.STALL)
    with pytest.raises(DeviceLost, match="sent no picture for 2 s; it is opened anew"):
        list(frames)
    driver.close()
    camera.fault(Fault.NONE)
    eventually(lambda: _frame_of(capture), "pictures again")


def test_close_ends_an_iterator_that_waits(camera: Camera, capture: Capture) -> None:
    camera.plug()
    driver = capture(**USB)
    frames = driver.frames()
    next(frames)
    camera.fault(Fault.STALL)
    ended = threading.Event()

    def watch() -> None:
        list(frames)
        ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert not ended.wait(0.5)
    driver.close()
    assert ended.wait(patience())
    thread.join()
