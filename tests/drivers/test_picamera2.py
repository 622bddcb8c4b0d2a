"""What the picamera2 driver decides and how it fails; tests/kernel/test_picamera2.py has the real library.

A stand-in for the library shows what needs a sensor, or a camera that hangs: these are not to be had without hardware.
"""

from __future__ import annotations

import atexit
import enum
import importlib.machinery
import importlib.metadata
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from kvmd import ConfigError, DeviceAbsent, DeviceLost, DriverError, PixelFormat, YcbcrEncoding
from kvmd.contract.roles import CAPTURE
from kvmd.contract.settings import RoleSettings
from kvmd.plugins.registry import Registry
from kvmd.system.config import convert
from kvmd_drivers import picamera2 as driver_module
from kvmd_drivers.picamera2 import FLIPS, Picamera2Capture, Picamera2Options, choices, load
from tests.shadow import shadow

SENSOR = {"Model": "imx708", "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Num": 0, "Location": 2, "Rotation": 180}
WEBCAM = {"Model": "USB Video", "Id": "/base/scb/pcie/usb@0,0-1.2:1.0-534d:2109", "Num": 1}

CONTROLS = {
    "AeEnable": (False, True, True),
    "ExposureTime": (1, 66666, 20000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "AfMode": (0, 2, 0),
    "LensPosition": (0.0, 15.0, 1.0),
    "AwbEnable": (False, True, None),
    "AwbMode": (0, 7, 0),
    "FrameDurationLimits": (16666, 1_000_000, None),
}
"""Of a sensor, with least, greatest and default value."""


def options(**given: object) -> Picamera2Options:
    """Options as they are read from a file."""
    return convert(given, Picamera2Options, "kvmd.toml", "capture.options.")


# -- options


def test_nothing_is_asked_for_by_default() -> None:
    assert options().controls() == {}
    assert options().size() is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"exposure": 10_000}, {"ExposureTime": 10_000}),
        ({"exposure": "auto"}, {"AeEnable": True}),
        ({"gain": 2}, {"AnalogueGain": 2.0}),
        ({"focus": "auto"}, {"AfMode": 2}),
        ({"focus": 2}, {"AfMode": 0, "LensPosition": 2.0}),
        ({"white_balance": "auto"}, {"AwbEnable": True, "AwbMode": 0}),
        ({"white_balance": "cloudy"}, {"AwbEnable": True, "AwbMode": 6}),
    ],
)
def test_options_become_libcameras_controls(given: dict[str, object], expected: dict[str, object]) -> None:
    assert options(**given).controls() == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 640}, "width and height go together"),
        ({"width": 641, "height": 480}, "capture.options.width"),
        ({"exposure": 0}, "capture.options.exposure"),
        ({"exposure": "long"}, "capture.options.exposure"),
        ({"focus": -1}, "capture.options.focus"),
        ({"focus": "near"}, "capture.options.focus"),
        ({"white_balance": "green"}, "capture.options.white_balance"),
        ({"transform": "rotate90"}, "capture.options.transform"),
        ({"camera": -1}, "capture.options.camera"),
        ({"timeout": 11}, "capture.options.timeout"),
        ({"zoom": 2}, "zoom"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        options(**given)


def test_transforms_are_mirrors() -> None:
    assert FLIPS == {"none": (0, 0), "hflip": (1, 0), "vflip": (0, 1), "rotate180": (1, 1)}


# -- choices


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(None, 0), (0, 0), (1, 1), ("imx708", 0), ("*534d:2109", 1), ("USB*", 1), (SENSOR["Id"], 0)],
)
def test_camera_is_found_by_number_id_or_model(wanted: int | str | None, number: int) -> None:
    assert choices.find([SENSOR, WEBCAM], wanted) == number


@pytest.mark.parametrize("wanted", [2, "imx219", "1", "534d:2109"])
def test_camera_that_is_not_there_is_absent_and_the_others_are_named(wanted: int | str) -> None:
    message = rf"there is no camera {wanted}: 0 is imx708 \(/base/.*@1a\), 1 is USB Video \(/base/.*\); set `camera`"
    with pytest.raises(DeviceAbsent, match=message):
        choices.find([SENSOR, WEBCAM], wanted)


@pytest.mark.parametrize("wanted", [None, 0, "imx708"])
def test_no_camera_at_all_is_absent(wanted: int | str | None) -> None:
    with pytest.raises(DeviceAbsent, match="libcamera finds no camera; plug one in, and see that kvmd may open"):
        choices.find([], wanted)


def test_camera_without_a_model_has_a_name() -> None:
    assert choices.label({"Id": "Virtual0"}) == "camera (Virtual0)"


def test_formats_are_named_from_the_other_end() -> None:
    """DRM's BGR888 has red first in memory, as V4L2's RGB24 (UAPI drm_fourcc.h: "[23:0] B:G:R little endian")."""
    assert choices.FORMATS["BGR888"] is PixelFormat.RGB24
    assert choices.FORMATS["RGB888"] is PixelFormat.BGR24
    assert set(choices.FORMATS.values()) == set(PixelFormat) - {PixelFormat.GREY}


@pytest.mark.parametrize(
    ("offered", "wanted", "hardware", "expected"),
    [
        (["YUYV", "MJPEG"], None, False, ("MJPEG", False)),
        (["YUYV", "MJPEG"], None, True, ("MJPEG", False)),
        (["YUYV", "MJPEG"], PixelFormat.YUYV, False, ("YUYV", False)),
        (["XBGR8888", "BGR888", "NV12", "YUV420"], None, False, ("YUV420", False)),
        (["XBGR8888", "BGR888", "NV12", "YUV420"], None, True, ("YUV420", True)),
        (["XBGR8888", "BGR888", "NV12"], PixelFormat.MJPEG, True, ("NV12", True)),
        (["XBGR8888", "BGR888", "NV12"], PixelFormat.MJPEG, False, None),
        (["BGR888", "NV12"], PixelFormat.RGB24, True, ("BGR888", False)),
        (["YUYV"], None, True, ("YUYV", False)),
        (["XBGR8888", "SRGGB10"], None, True, None),
        ([], None, True, None),
    ],
)
def test_format_is_chosen_by_what_a_jpeg_costs(
    offered: list[str], wanted: PixelFormat | None, hardware: bool, expected: tuple[str, bool] | None
) -> None:
    assert choices.choose(offered, wanted, hardware) == expected


@pytest.mark.parametrize(("rate", "expected"), [(30, 33333), (60, 16667), (1000, 16666), (0.1, 1_000_000)])
def test_frame_rate_becomes_a_duration_within_the_cameras_limits(rate: float, expected: int) -> None:
    assert choices.frame_durations(rate, CONTROLS["FrameDurationLimits"]) == (expected, expected)


def test_controls_are_compared_with_what_the_camera_has() -> None:
    assert choices.refusal({}, {}) is None
    assert choices.refusal({"AeEnable": True, "ExposureTime": 66666, "LensPosition": 0.0}, CONTROLS) is None
    assert (
        choices.refusal({"ExposureTime": 66667}, CONTROLS) == "does not take ExposureTime = 66667: it takes 1 to 66666"
    )
    assert choices.refusal({"AfMode": 2}, {"Gamma": (0, 1)}) == "has no control AfMode; it has Gamma"
    assert choices.refusal({"AfMode": 2}, {}) == "has no control AfMode; it has none"


# -- the library, which may be missing, broken or noisy


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Hide a library, as if it were not installed."""

    def hide(name: str) -> None:
        monkeypatch.setitem(sys.modules, name, None)

    return hide


def test_problem_names_what_is_missing_and_the_command(absent: Callable[[str], None]) -> None:
    absent("picamera2")
    absent("libcamera")
    problem = str(Picamera2Capture.problem())
    assert problem.startswith("picamera2 and libcamera cannot be found; `apt install python3-picamera2 --no-install-r")
    assert f"`{sys.executable} -m pip install 'kvmd-hal[picamera2]'`" in problem


def test_problem_imports_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("picamera2", "libcamera"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert Picamera2Capture.problem() is None


def test_extra_of_the_package_is_the_one_that_problem_names() -> None:
    assert importlib.metadata.metadata("kvmd-hal").get_all("Provides-Extra", []).count("picamera2") == 1


@pytest.mark.parametrize("text", ["import pykms_of_another_planet", "1 / 0", "raise OSError(13, 'no')"])
def test_library_that_breaks_at_import_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "libcamera.py").write_text(text)
    monkeypatch.setitem(sys.modules, "picamera2", ModuleType("picamera2"))
    monkeypatch.delitem(sys.modules, "libcamera", raising=False)
    monkeypatch.delitem(sys.modules, "kvmd_drivers.picamera2.camera", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    driver = Picamera2Capture(options(), None)
    with pytest.raises(DriverError, match=r"picamera2 cannot be used: .*Error: .*; `apt install python3-picamera2"):
        driver.open()
    assert driver.status().device == "camera"
    driver.close()


def test_driver_without_its_library_is_listed_and_never_chosen_by_itself(absent: Callable[[str], None]) -> None:
    absent("picamera2")
    known = Registry()
    assert known.drivers_of(CAPTURE)["picamera2"] is Picamera2Capture
    assert not Picamera2Capture.matches
    choice = known.choose(CAPTURE, RoleSettings(), "kvmd.toml")
    assert "picamera2" not in [driver.name for driver, _ in choice._drivers]


# -- a stand-in for the library


class Range(enum.Enum):
    Full = 0
    Limited = 1


class Encoding(enum.Enum):
    Rec601 = 1
    Rec709 = 2


class ColorSpace(SimpleNamespace):
    Range = Range
    YcbcrEncoding = Encoding

    @classmethod
    def Sycc(cls) -> ColorSpace:  # noqa: N802  # libcamera's name
        return cls(range=Range.Full, ycbcrEncoding=Encoding.Rec601)


class Size(SimpleNamespace):
    pass


class Stream(SimpleNamespace):
    """What libcamera suggests for video."""

    size = Size(width=1920, height=1080)

    @property
    def formats(self) -> SimpleNamespace:
        return SimpleNamespace(pixel_formats=self.names, sizes=lambda _name: [self.size])


class Request:
    """A picture of an NV12 camera: black, in a buffer with some room at its end."""

    def __init__(self, number: int, used: int) -> None:
        plane = SimpleNamespace(bytes_used=used)
        metadata = SimpleNamespace(planes=[plane], timestamp=number * 10**7, sequence=number)
        self.request = SimpleNamespace(buffers={"stream": SimpleNamespace(metadata=metadata)})
        self.stream_map = {"main": "stream"}
        self.released = False

    def release(self) -> None:
        self.released = True


class MappedArray:
    def __init__(self, request: Request, name: str, reshape: bool, write: bool) -> None:
        assert (name, reshape, write) == ("main", False, False)
        assert not request.released

    def __enter__(self) -> SimpleNamespace:
        return SimpleNamespace(array=np.arange(64, dtype=np.uint8))

    def __exit__(self, *_: object) -> None:
        pass


class Encoder:
    """Stands for the hardware's; its thread is the test."""

    firsttimestamp = 5_000_000


class FakePicamera2:
    """A sensor, as picamera2 shows it."""

    cameras: ClassVar[list[Any]] = []
    present: ClassVar[list[dict[str, Any]]] = [SENSOR, WEBCAM]
    names: ClassVar[list[str]] = ["XBGR8888", "NV12", "YUV420"]
    properties: ClassVar[dict[str, Any]] = {"Model": "imx708", "ColorFilterArrangement": 0}
    space: ClassVar[ColorSpace | None] = ColorSpace.Sycc()
    used = 48

    def __init__(self, number: int, allocator: str) -> None:
        self.calls: list[object] = []
        self.notifymeread, self.notifyme_w = (SimpleNamespace(close=lambda: None), -1)
        self.number = number
        self.allocator = allocator
        self.camera_properties = self.properties
        self.camera_controls = CONTROLS
        stream = Stream(names=self.names)
        self.camera = SimpleNamespace(
            id=self.present[number]["Id"],
            generate_configuration=lambda _roles: SimpleNamespace(at=lambda _: stream),
        )
        self.modes = self._get_raw_modes()
        self.controls = SimpleNamespace(make_dict=lambda: self.set)
        self.set: dict[str, Any] = {"FrameDurationLimits": (33333, 33333)}
        self.count = itertools.count(1)
        self.ending = threading.Event()
        self.cameras.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return cls.present

    def _get_raw_modes(self) -> list[Any]:
        return ["raw"]

    def create_video_configuration(self, **asked: Any) -> dict[str, Any]:
        return asked

    def configure(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.libcamera_config = SimpleNamespace(at=lambda _: SimpleNamespace(color_space=self.space))

    def camera_configuration(self) -> dict[str, Any]:
        width, _ = self.asked["main"]["size"]
        return self.asked | {"main": {**self.asked["main"], "stride": width + 64}}

    def set_controls(self, controls: dict[str, Any]) -> None:
        self.set = self.set | controls

    def start(self) -> None:
        self.calls.append("start")

    def start_encoder(self, encoder: Encoder, output: Any, quality: int) -> None:
        self.output = output
        self.calls.append(("start_encoder", type(encoder), quality))

    def capture_request(self, wait: float) -> Request:
        assert wait > 0
        return Request(next(self.count), self.used)

    def process_requests(self, _display: None) -> None:
        raise RuntimeError("Failed to queue request: No such device") from OSError(19, "No such device")

    def cancel_all_and_flush(self) -> None:
        self.calls.append("cancel")

    def stop_encoder(self) -> None:
        self.calls.append("stop_encoder")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakePicamera2]]:
    """Put the stand-in where picamera2 would be; a class of its own for each test, to be changed."""

    class Picamera2(FakePicamera2):
        cameras: ClassVar[list[Any]] = []

    parts: dict[str, dict[str, Any]] = {
        "libcamera": {
            "ColorSpace": ColorSpace,
            "StreamRole": SimpleNamespace(VideoRecording=1),
            "Transform": lambda hflip, vflip: SimpleNamespace(hflip=int(hflip), vflip=int(vflip)),
        },
        "picamera2": {"Picamera2": Picamera2, "MappedArray": MappedArray, "CancelledError": CancelledError},
        "picamera2.allocators": {
            "Allocator": lambda: "none",
            "DmaAllocator": lambda: "dma",
            "LibcameraAllocator": lambda _camera: "libcamera's",
        },
        "picamera2.encoders": {"MJPEGEncoder": Encoder, "Quality": SimpleNamespace(VERY_HIGH=4)},
        "picamera2.outputs": {"Output": type("Output", (), {})},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "kvmd_drivers.picamera2.camera", raising=False)
    camera = load().__module__
    monkeypatch.setattr(sys.modules[camera], "ENCODER", tmp_path / "name")
    monkeypatch.setattr(sys.modules[camera], "PATIENCE", 0.2)
    yield Picamera2
    del sys.modules[camera], driver_module.camera


@pytest.fixture
def opened(fake: type[FakePicamera2]) -> Iterator[Callable[..., Picamera2Capture]]:  # noqa: ARG001  # it has to be there first
    """Open the driver with options; closed in the end."""
    drivers = []

    def open_it(**given: Any) -> Picamera2Capture:
        drivers.append(Picamera2Capture(options(**given), None))
        drivers[-1].open()
        return drivers[-1]

    yield open_it
    for driver in drivers:
        driver.close()


def frame_rate_of(driver: Picamera2Capture) -> float | None:
    signal = driver.status().signal
    assert signal is not None
    return signal.frame_rate


def test_sensor_is_asked_for_what_the_options_say(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]
) -> None:
    driver = opened(width=1280, height=720, transform="vflip", frame_rate=10, exposure=5000, focus=2, gain=1.5)
    camera = fake.cameras[-1]
    assert camera.asked["main"] == {"format": "YUV420", "size": (1280, 720)}
    assert (camera.asked["transform"].hflip, camera.asked["transform"].vflip) == (0, 1)
    assert camera.set == {
        "ExposureTime": 5000,
        "AnalogueGain": 1.5,
        "AfMode": 0,
        "LensPosition": 2.0,
        "FrameDurationLimits": (100_000, 100_000),
    }
    assert (camera.allocator, camera.modes) == ("dma", ["raw"])
    frame = next(driver.frames())
    assert (frame.format, frame.width, frame.height, frame.stride) == (PixelFormat.YU12, 1280, 720, 1280 + 64)
    assert (frame.sequence, frame.timestamp) == (1, 0.01)
    assert frame_rate_of(driver) == 10


def test_what_is_not_asked_for_is_left_to_the_camera(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]
) -> None:
    driver = opened()
    assert fake.cameras[-1].asked["main"] == {"format": "YUV420", "size": (1920, 1080)}
    assert fake.cameras[-1].set == {"FrameDurationLimits": (33333, 33333)}
    next(driver.frames())
    assert frame_rate_of(driver) == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"exposure": 100_000},
            "does not take ExposureTime = 100000: it takes 1 to 66666; change the option, or leave",
        ),
        ({"format": "YUYV"}, "does not offer YUYV; it offers XBGR8888, NV12, YUV420"),
        ({"camera": 5}, "there is no camera 5"),
    ],
)
def test_what_a_sensor_cannot_do_is_refused_and_it_is_closed(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], given: dict[str, object], words: str
) -> None:
    with pytest.raises(DriverError, match=words):
        opened(**given)
    if "camera" not in given:
        assert fake.cameras[-1].calls[-1] == "close"


def test_other_cameras_get_their_own_memory_and_are_not_asked_for_raw_modes(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]
) -> None:
    fake.properties = {"Model": "USB Video"}
    fake.names = ["YUYV", "MJPEG"]
    opened(camera=1)
    assert (fake.cameras[-1].number, fake.cameras[-1].allocator) == (1, "libcamera's")
    assert fake.cameras[-1].modes == [{"format": name, "size": (1920, 1080)} for name in fake.names]


def test_mjpeg_is_cut_to_what_is_used(fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]) -> None:
    fake.names = ["MJPEG"]
    frame = next(opened().frames())
    assert frame.data == bytes(range(48))
    assert (frame.format, frame.stride) == (PixelFormat.MJPEG, 0)


@pytest.mark.parametrize(
    ("space", "full_range", "encoding"),
    [
        (None, False, YcbcrEncoding.BT601),
        (ColorSpace.Sycc(), True, YcbcrEncoding.BT601),
        (ColorSpace(range=Range.Limited, ycbcrEncoding=Encoding.Rec709), False, YcbcrEncoding.BT709),
    ],
)
def test_colour_space_is_libcameras_own_word(
    fake: type[FakePicamera2],
    opened: Callable[..., Picamera2Capture],
    space: ColorSpace | None,
    full_range: bool,
    encoding: YcbcrEncoding,
) -> None:
    fake.space = space
    frame = next(opened().frames())
    assert (frame.full_range, frame.encoding) == (full_range, encoding)


def test_hardware_makes_mjpeg_where_there_is_some(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], tmp_path: Path
) -> None:
    (tmp_path / "name").write_text("bcm2835-codec-encode\n")
    driver = opened(width=640, height=480)
    assert fake.cameras[-1].calls == [("start_encoder", Encoder, 4), "start"]
    output = fake.cameras[-1].output
    output.outputframe(memoryview(b"first"), True, 0)
    output.outputframe(memoryview(b"second"), True, 40_000, None, False)
    frames = driver.frames()
    frame = next(frames)
    assert (frame.data, frame.sequence, frame.timestamp) == (b"second", 1, 5.04)
    assert (frame.format, frame.width, frame.height, frame.stride) == (PixelFormat.MJPEG, 640, 480, 0)
    threading.Timer(0.05, output.outputframe, (b"third", True, 80_000)).start()
    assert next(frames).data == b"third"
    driver.close()
    assert fake.cameras[-1].calls[-3:] == ["cancel", "stop_encoder", "close"]


@pytest.mark.parametrize("name", ["uvcvideo", "pispbe-input"])
def test_other_nodes_of_that_number_are_no_encoder(
    opened: Callable[..., Picamera2Capture], tmp_path: Path, name: str
) -> None:
    (tmp_path / "name").write_text(f"{name}\n")
    assert next(opened().frames()).format is PixelFormat.YU12


def test_hardware_is_left_alone_when_raw_pictures_are_asked_for(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], tmp_path: Path
) -> None:
    (tmp_path / "name").write_text("bcm2835-codec-encode\n")
    assert next(opened(format="NV12").frames()).format is PixelFormat.NV12
    assert fake.cameras[-1].calls == ["start"]


def test_encoder_that_falls_silent_is_a_loss(opened: Callable[..., Picamera2Capture], tmp_path: Path) -> None:
    (tmp_path / "name").write_text("bcm2835-codec-encode\n")
    driver = opened(timeout=0.05)
    with pytest.raises(DeviceLost, match=r"imx708 \(.*\) sent no picture for 0\.05 s; it is opened anew"):
        next(driver.frames())


def test_camera_that_libcamera_no_longer_finds_is_gone(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], tmp_path: Path
) -> None:
    (tmp_path / "name").write_text("bcm2835-codec-encode\n")
    driver = opened(timeout=0.05)
    fake.present = [WEBCAM]
    with pytest.raises(DeviceLost, match=r"imx708 \(.*\) is gone; plug it in again"):
        next(driver.frames())


def test_error_in_the_librarys_thread_reaches_who_waits(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]
) -> None:
    driver = opened()
    frames = driver.frames()
    next(frames)
    fake.cameras[-1].process_requests(None)
    assert fake.cameras[-1].calls[-1] == "cancel"
    with pytest.raises(DeviceLost, match=r"failed: \[Errno 19\] No such device; plug it in again"):
        next(frames)
    assert driver.status().signal is None


def test_error_while_one_waits_comes_at_once(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]
) -> None:
    driver = opened()

    def cancelled(wait: float) -> None:  # noqa: ARG001  # it does not last as long
        fake.cameras[-1].process_requests(None)
        raise CancelledError

    fake.cameras[-1].capture_request = cancelled
    with pytest.raises(DeviceLost, match=r"failed: \[Errno 19\] No such device"):
        next(driver.frames())


def refuse(cause: Exception) -> Callable[..., None]:
    def init(self: Any, number: int, allocator: str) -> None:  # noqa: ARG001  # picamera2's signature
        self.closed = []
        self.notifymeread = SimpleNamespace(close=lambda: self.closed.append("r"))
        self.notifyme_w = -1
        raise RuntimeError("Camera __init__ sequence did not complete.") from cause

    return init


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (RuntimeError("Failed to acquire camera: Device or resource busy"), "is in use by another program; `fuser -v"),
        (KeyError("sensor"), "'sensor'"),
        (PermissionError(13, "denied", "/dev/dma_heap/linux,cma"), "did not complete|denied"),
    ],
)
def test_camera_that_cannot_be_opened_says_why(
    fake: type[FakePicamera2],
    opened: Callable[..., Picamera2Capture],
    monkeypatch: pytest.MonkeyPatch,
    cause: RuntimeError | KeyError | PermissionError,
    words: str,
) -> None:
    monkeypatch.setattr(fake, "__init__", refuse(cause))
    closed: list[int] = []
    shadow(monkeypatch, sys.modules[load().__module__], "os", close=closed.append)
    with pytest.raises(DriverError, match=words):
        opened()
    assert closed == [-1], "the pipe that picamera2 forgets"


def test_memory_without_permission_names_the_file_and_the_page(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_memory() -> None:
        raise PermissionError(13, "Permission denied", "/dev/dma_heap/linux,cma")

    monkeypatch.setattr(sys.modules[load().__module__], "DmaAllocator", refuse_memory)
    with pytest.raises(
        DriverError, match="kvmd may not open /dev/dma_heap/linux,cma; let group video do so, as docs/pic"
    ):
        opened()
    assert fake.cameras[-1].calls[-1] == "close"


def test_camera_that_hangs_in_closing_is_left_behind(
    fake: type[FakePicamera2],
    opened: Callable[..., Picamera2Capture],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = opened()
    camera = fake.cameras[-1]
    let_go = threading.Event()
    camera.close = let_go.wait
    unregistered: list[object] = []
    monkeypatch.setattr(atexit, "unregister", unregistered.append)
    driver.close()
    assert "hangs in closing and is left behind; restart kvmd if it stays busy" in caplog.text
    assert unregistered == [let_go.wait]
    driver.close()
    [thread] = [each for each in threading.enumerate() if each.name == "kvmd-picamera2"]
    let_go.set()
    thread.join()


def test_error_in_closing_does_not_keep_the_camera_open(
    fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture], caplog: pytest.LogCaptureFixture
) -> None:
    driver = opened()

    def fail() -> None:
        raise RuntimeError("Encoder already stopped")

    fake.cameras[-1].stop_encoder = fail
    driver.close()
    assert fake.cameras[-1].calls[-1] == "close"
    assert "Encoder already stopped" in caplog.text


@pytest.mark.usefixtures("fake")
def test_what_the_library_logs_is_for_those_who_look_for_trouble(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    load()
    logging.getLogger("picamera2.picamera2").warning("Camera %s", "stumbles")
    [record] = [each for each in caplog.records if "stumbles" in each.getMessage()]
    assert (record.name, record.levelno) == ("kvmd_drivers.picamera2.library", logging.DEBUG)


def test_close_ends_an_iterator_that_waits(fake: type[FakePicamera2], opened: Callable[..., Picamera2Capture]) -> None:
    driver = opened()
    frames = driver.frames()
    next(frames)
    camera = fake.cameras[-1]

    def until_cancelled(wait: float) -> None:
        assert camera.ending.wait(wait + 5)
        raise CancelledError

    camera.capture_request, camera.cancel_all_and_flush = until_cancelled, camera.ending.set
    threading.Timer(0.05, driver.close).start()
    assert list(frames) == []
    assert list(frames) == []


def test_frames_need_an_open_camera(opened: Callable[..., Picamera2Capture]) -> None:
    driver = opened()
    driver.close()
    with pytest.raises(DriverError, match="is not open"):
        next(driver.frames())
    assert driver.status().signal is None


def test_options_are_data() -> None:
    assert msgspec.json.decode(msgspec.json.encode(options(camera=1)), type=Picamera2Options) == options(camera=1)
