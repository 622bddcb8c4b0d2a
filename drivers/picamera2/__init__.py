"""Camera sensors, through libcamera and Raspberry Pi's picamera2: a camera that is pointed at a screen.

Works: any camera that libcamera finds and picamera2 opens; the camera's own MJPEG, the hardware's MJPEG up to the
Raspberry Pi 4, else raw frames; choice of size, frame rate and transform; exposure, gain, focus and white balance;
unplug and replug.

Does not work: HDMI-to-CSI bridges, for which libcamera has no support; what a sensor sends before it is made a picture
of (Bayer); turning the picture by a quarter.

Documented in "The Picamera2 Library" (Raspberry Pi Ltd) and libcamera's ``control_ids_core.yaml``; docs/picamera2.md
says how to use it.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from kvmd import (
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceLost,
    DriverError,
    DriverOptions,
    Frame,
    PixelFormat,
    Signal,
    hookimpl,
)

from . import choices, library
from .choices import Layout, Size, Values

if TYPE_CHECKING:
    from .camera import Camera

logger = logging.getLogger(__name__)

Auto = Literal["auto"]
Light = Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"]
"""In the order of libcamera's ``AwbModeEnum``."""

AF_MANUAL, AF_CONTINUOUS = 0, 2
"""Of libcamera's ``AfModeEnum``."""

Transform = Literal["none", "hflip", "vflip", "rotate180"]
FLIPS: dict[Transform, tuple[bool, bool]] = {
    "none": (False, False),
    "hflip": (True, False),
    "vflip": (False, True),
    "rotate180": (True, True),
}
"""Whether each mirrors left to right, and top to bottom."""

_Even = Annotated[int, Meta(ge=2, multiple_of=2)]
_Positive = Annotated[float, Meta(gt=0)]
_Number = Annotated[int, Meta(ge=0)]
_Microseconds = Annotated[int, Meta(ge=1)]
_Dioptres = Annotated[float, Meta(ge=0)]


class Picamera2Options(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Which camera, and what to ask of it; what is not set is left to the camera."""

    camera: Annotated[
        _Number | str | None,
        Meta(description="Its number, or its id or model, `*` for any part. By default 0; USB cameras come last."),
    ] = None
    width: Annotated[_Even | None, Meta(description="In pixels, an even number, together with `height`.")] = None
    height: Annotated[_Even | None, Meta(description="In pixels, an even number, together with `width`.")] = None
    frame_rate: Annotated[
        _Positive | None, Meta(description="Frames a second; the camera may take the nearest that it can do.")
    ] = None
    format: Annotated[
        PixelFormat | None,
        Meta(description="The pixel format, by V4L2's name. By default MJPEG, else what is cheapest to encode."),
    ] = None
    transform: Annotated[
        Transform,
        Meta(description="Mirrors the picture left to right (`hflip`), top to bottom (`vflip`), or both."),
    ] = "none"
    exposure: Annotated[_Microseconds | Auto | None, Meta(description="Exposure time in microseconds.")] = None
    gain: Annotated[_Positive | None, Meta(description="Analogue gain; 1.0 is none.")] = None
    focus: Annotated[
        _Dioptres | Auto | None,
        Meta(description="In dioptres: 1 / metres to the screen. `auto` keeps looking for it."),
    ] = None
    white_balance: Annotated[Light | None, Meta(description="The kind of light that is white.")] = None
    timeout: Annotated[
        float, Meta(gt=0, le=10, description="Seconds without a frame after which the camera is lost.")
    ] = 2.0

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together: set both or none")

    def size(self) -> Size | None:
        """Return the size that is asked for."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    def controls(self) -> Values:
        """Return what is asked for as libcamera's controls, by their names and in their units."""
        values: Values = {}
        if self.exposure == "auto":
            values["AeEnable"] = True
        elif self.exposure is not None:
            values["ExposureTime"] = self.exposure
        if self.gain is not None:
            values["AnalogueGain"] = self.gain
        if self.focus == "auto":
            values["AfMode"] = AF_CONTINUOUS
        elif self.focus is not None:
            values |= {"AfMode": AF_MANUAL, "LensPosition": self.focus}
        if self.white_balance is not None:
            values |= {"AwbEnable": True, "AwbMode": get_args(Light).index(self.white_balance)}
        return values


def load() -> type[Camera]:
    """Import picamera2, which looks into every /dev/video* meanwhile, and what is built on it.

    :raises DriverError: it cannot be imported
    """
    with library.importing():
        kind: type[Camera] = import_module(".camera", __package__).Camera
    return kind


class Picamera2Capture(CaptureDriver):
    """A camera sensor or USB camera, pointed at a screen, through libcamera."""

    name = "picamera2"
    Options = Picamera2Options

    def __init__(self, options: Picamera2Options, device: Device | None) -> None:  # noqa: ARG002  # it has no matches
        self._options = options
        self._name = "camera" if options.camera is None else f"camera {options.camera}"
        self._camera: Camera | None = None
        self._layout: Layout | None = None
        self._signal: Signal | None = None
        self._remarks: tuple[str, ...] = ()

    @classmethod
    def problem(cls) -> str | None:
        """Say what has to be installed."""
        return library.problem()

    def open(self) -> None:
        """Open the camera and let it run; see ``CaptureDriver.open``."""
        self.close()
        # picamera2 leaves a closed camera in cycles, which hold the memory of its pictures.
        gc.collect()
        kind = load()
        try:
            with library.errors_of(self._name):
                present = kind.list()
            number = choices.find(present, self._options.camera)
            self._name = choices.label(present[number])
            with library.errors_of(self._name):
                self._camera = kind(number)
                self._layout = self._start(self._camera)
        except BaseException:
            self.close()
            raise

    def frames(self) -> Generator[Frame]:
        """Yield the newest picture each time; see ``CaptureDriver.frames``."""
        camera, layout, timeout = self._camera, self._layout, self._options.timeout
        if camera is None or layout is None:
            raise DriverError(f"{self._name} is not open")
        while camera is self._camera:
            try:
                with library.losses_of(self._name, camera.is_present, timeout):
                    picture = camera.take(timeout)
            except DeviceLost:
                self._signal = None
                if camera is not self._camera:
                    return  # it was closed meanwhile
                raise
            self._signal = Signal(layout.width, layout.height, camera.frame_rate, layout.format)
            yield Frame(
                data=picture.data,
                format=layout.format,
                width=layout.width,
                height=layout.height,
                stride=layout.stride,
                timestamp=picture.timestamp,
                sequence=picture.sequence,
                full_range=layout.full_range,
                encoding=layout.encoding,
            )

    def status(self) -> CaptureStatus:
        """Tell the camera's name and what it sends."""
        return CaptureStatus(self._name, self._signal, remarks=self._remarks)

    def close(self) -> None:
        """Let go of the camera, or leave it behind if it hangs; an iterator that waits for a frame ends."""
        camera, self._camera = self._camera, None
        self._layout = self._signal = None
        self._remarks = ()
        if camera is not None:
            camera.close(self._name)

    def _start(self, camera: Camera) -> Layout:
        """Set what is asked for, and let the camera run.

        :return: what its pictures are
        """
        options = self._options
        offered, size = camera.offer()
        choice = choices.choose(offered, options.format, camera.has_encoder())
        if choice is None:
            asked = options.format.value if options.format else "a pixel format that kvmd knows"
            raise DriverError(f"{self._name} does not offer {asked}; it offers {', '.join(offered)}")
        name, encode = choice
        flips = FLIPS[options.transform]
        layout, flipped = camera.configure(name, options.size() or size, flips)
        if layout is None or (layout.format is not choices.FORMATS[name] and options.format):
            raise DriverError(f"{self._name} offers {name}, and then sends something else; set another `format`")
        if options.size() not in (None, (layout.width, layout.height)):
            raise DriverError(
                f"{self._name} does not do {options.width}x{options.height}: it offers {layout.width}x{layout.height} "
                "instead; set width and height so, or leave them out"
            )
        if flipped != flips:
            raise DriverError(f'{self._name} cannot do transform = "{options.transform}"; leave it out')
        camera.start(self._controls(camera), encode)
        logger.info("%s: %s %dx%d%s", self._name, name, layout.width, layout.height, ", made MJPEG" if encode else "")
        return msgspec.structs.replace(layout, format=PixelFormat.MJPEG, stride=0) if encode else layout

    def _controls(self, camera: Camera) -> Values:
        """Return the controls to set, once the camera has them all."""
        offered, values = camera.controls(), self._options.controls()
        refusal = choices.refusal(values, offered)
        if refusal:
            raise DriverError(f"{self._name} {refusal}; change the option, or leave it out")
        limits = offered.get("FrameDurationLimits")
        if self._options.frame_rate and limits:
            values["FrameDurationLimits"] = choices.frame_durations(self._options.frame_rate, limits)
        elif self._options.frame_rate:
            self._remarks = ("the camera sets its frame rate itself: frame_rate is of no effect",)
        return values


@hookimpl
def kvmd_drivers() -> list[type[CaptureDriver]]:
    """Name the driver of this plug-in."""
    return [Picamera2Capture]
