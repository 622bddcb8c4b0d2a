"""A camera of picamera2's. This module imports the library, and is itself imported when a camera is opened.

What the comments say of picamera2 and libcamera was seen with versions 0.3.38 and 0.7.1.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import libcamera
import msgspec
import picamera2
from picamera2.allocators import Allocator, DmaAllocator, LibcameraAllocator
from picamera2.encoders import MJPEGEncoder, Quality
from picamera2.outputs import Output

from kvmd import YcbcrEncoding

from .choices import FORMATS, Layout, Size, Values
from .library import reason_of

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a camera may take to close; one that takes longer is left behind."""

ENCODER = Path("/sys/class/video4linux/video11/name")
"""Of the node that ``MJPEGEncoder`` opens: an encoder up to the Raspberry Pi 4, something else or nothing elsewhere."""

Untyped = Any
"""Of a library that has no types."""


class Picture(msgspec.Struct, frozen=True):
    """A picture's bytes, the time it was taken, in seconds of ``time.monotonic()``, and its number."""

    data: bytes
    timestamp: float
    sequence: int


class Newest(Output):  # type: ignore[misc]  # it has no types
    """Keeps an encoder's newest picture, whose thread must neither be held up nor see an exception."""

    def __init__(self, encoder: Untyped) -> None:
        super().__init__()
        self._encoder = encoder
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._count = 0

    def outputframe(self, frame: Untyped, _keyframe: bool = True, timestamp: int = 0, *_rest: object) -> None:
        """Take a picture from the encoder, in place of one that nobody took.

        :param timestamp: microseconds since its first picture
        """
        taken = (self._encoder.firsttimestamp + timestamp) / 1e6
        with self._changed:
            self._picture = Picture(bytes(frame), taken, self._count)
            self._count += 1
            self._changed.notify()

    def take(self, timeout: float) -> Picture:
        """Wait for a picture that was not taken yet, for so many seconds.

        :raises TimeoutError: none came
        """
        with self._changed:
            self._changed.wait_for(lambda: self._picture, timeout)
            picture, self._picture = self._picture, None
        if picture is None:
            raise TimeoutError
        return picture


class AnyCamera(picamera2.Picamera2):  # type: ignore[misc]  # it has no types
    """Picamera2 for cameras of all kinds; it is made for a Raspberry Pi's first."""

    def __init__(self, number: int) -> None:
        self.failure: Exception | None = None
        try:
            super().__init__(number, allocator=Allocator())
        except Exception:
            # It forgets these, and there is an attempt every few seconds.
            self.notifymeread.close()
            os.close(self.notifyme_w)
            raise

    def memory(self) -> Untyped:
        """Return what keeps the pictures: others than a sensor abort the process unless libcamera does."""
        return DmaAllocator() if self._is_sensor() else LibcameraAllocator(self.camera)

    def video(self) -> Untyped:
        """Return the stream that libcamera suggests for video."""
        return self.camera.generate_configuration([libcamera.StreamRole.VideoRecording]).at(0)

    def next_request(self, timeout: float) -> Untyped:
        """Wait for the newest picture, which has to be released; for so many seconds.

        :raises TimeoutError: none came
        """
        if self.failure is None:
            # After a failure, who waits is cancelled, or forgotten where its turn had come.
            with contextlib.suppress(picamera2.CancelledError, TimeoutError):
                return self.capture_request(wait=timeout)
        raise self.failure or TimeoutError

    def process_requests(self, display: Untyped) -> None:
        """Keep an error from ending the thread in silence; who waits for a picture is told."""
        try:
            super().process_requests(display)
        except Exception as error:  # of an encoder or of a camera that is gone
            self.failure = error
            self.cancel_all_and_flush()

    def _is_sensor(self) -> bool:
        """Tell whether it is a sensor, as picamera2 does."""
        return "ColorFilterArrangement" in self.camera_properties

    def _get_raw_modes(self) -> Untyped:
        """List modes for cameras, too, that send no raw stream; some refuse to be asked for one."""
        if self._is_sensor():
            return super()._get_raw_modes()
        formats = self.video().formats
        modes = [(str(name), size) for name in formats.pixel_formats for size in formats.sizes(name)]
        return [{"format": name, "size": (size.width, size.height)} for name, size in modes]


class Camera:
    """An open camera.

    :param number: its place in ``list()``
    """

    def __init__(self, number: int) -> None:
        self._camera = AnyCamera(number)
        self._id = self._camera.camera.id
        self._newest: Newest | None = None
        self.frame_rate: float | None = None
        """Frames a second, once it runs; None where the camera keeps that to itself."""

    @staticmethod
    def list() -> Sequence[Mapping[str, Any]]:
        """List the cameras that libcamera finds, with ``Id`` and ``Model``."""
        cameras: Sequence[Mapping[str, Any]] = picamera2.Picamera2.global_camera_info()
        return cameras

    def is_present(self) -> bool:
        """Tell whether libcamera still finds it."""
        return any(each["Id"] == self._id for each in self.list())

    def offer(self) -> tuple[Sequence[str], Size]:
        """Return the pixel formats for video, by libcamera's names, and the size that it suggests."""
        video = self._camera.video()
        return [str(name) for name in video.formats.pixel_formats], (video.size.width, video.size.height)

    def controls(self) -> Mapping[str, Any]:
        """Return the least, greatest and default value of each control that the camera has."""
        controls: Mapping[str, Any] = self._camera.camera_controls
        return controls

    def has_encoder(self) -> bool:
        """Tell whether there is hardware that makes MJPEG; picamera2 starts it for cameras with a frame rate alone."""
        if "FrameDurationLimits" not in self.controls():
            return False
        with contextlib.suppress(OSError):
            return ENCODER.read_text().startswith("bcm2835-codec")
        return False

    def configure(self, name: str, size: Size, flips: tuple[bool, bool]) -> tuple[Layout | None, tuple[bool, bool]]:
        """Set what to capture; libcamera adjusts what the camera cannot do.

        :param name: the pixel format, by libcamera's name
        :param flips: whether to mirror left to right, and top to bottom
        :return: what pictures there will be, None if in a format that kvmd does not know; and whether they are mirrored
        """
        self._camera.allocator = self._camera.memory()
        asked = self._camera.create_video_configuration(
            main={"format": name, "size": size},
            transform=libcamera.Transform(hflip=flips[0], vflip=flips[1]),
            colour_space=libcamera.ColorSpace.Sycc(),  # JPEG's own, for which nothing has to be converted
        )
        self._camera.configure(asked)
        got = self._camera.camera_configuration()
        # What picamera2 has as "colour_space" is the nearest of three.
        space = self._camera.libcamera_config.at(0).color_space
        return _layout(got["main"], space), (bool(got["transform"].hflip), bool(got["transform"].vflip))

    def start(self, controls: Values, encode: bool) -> None:
        """Let the camera run.

        :param encode: whether the hardware is to make MJPEG
        """
        self._camera.set_controls(controls)
        # Set by us, or by picamera2 for a sensor.
        shortest, longest = self._camera.controls.make_dict().get("FrameDurationLimits", (0, 1))
        self.frame_rate = 1e6 / shortest if shortest == longest else None
        if encode:
            encoder = MJPEGEncoder()
            self._newest = Newest(encoder)
            self._camera.start_encoder(encoder, self._newest, quality=Quality.VERY_HIGH)
        self._camera.start()

    def take(self, timeout: float) -> Picture:
        """Wait for the newest picture, for so many seconds.

        :raises TimeoutError: none came
        """
        if self._newest:
            return self._newest.take(timeout)
        request = self._camera.next_request(timeout)
        try:
            metadata = request.request.buffers[request.stream_map["main"]].metadata
            used = sum(plane.bytes_used for plane in metadata.planes)  # MJPEG does not fill its buffer
            with picamera2.MappedArray(request, "main", reshape=False, write=False) as mapped:
                data = mapped.array[:used].tobytes()
            return Picture(data, metadata.timestamp / 1e9, metadata.sequence)
        finally:
            request.release()

    def close(self, name: str) -> None:
        """Let go of the camera, or leave it behind if that hangs.

        :param name: for the log
        """
        thread = threading.Thread(target=_close, args=(self._camera, name), name="kvmd-picamera2", daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            # picamera2 would try it once more when Python ends, and hang there.
            atexit.unregister(self._camera.close)
            logger.error("%s hangs in closing and is left behind; restart kvmd if it stays busy", name)


def _layout(stream: Mapping[str, Any], space: Untyped) -> Layout | None:
    """Read a stream's configuration; the colour space may be None."""
    known = FORMATS.get(stream["format"])
    if known is None:
        return None
    full = space is not None and space.range == libcamera.ColorSpace.Range.Full
    bt709 = space is not None and space.ycbcrEncoding == libcamera.ColorSpace.YcbcrEncoding.Rec709
    encoding = YcbcrEncoding.BT709 if bt709 else YcbcrEncoding.BT601
    stride = 0 if stream["format"] == "MJPEG" else stream["stride"]
    width, height = stream["size"]
    return Layout(known, width, height, stride, full, encoding)


def _close(camera: AnyCamera, name: str) -> None:
    for step in (camera.cancel_all_and_flush, camera.stop_encoder, camera.close):
        try:
            step()
        except Exception as error:  # the last has to be tried, whatever became of the others
            logger.warning("%s: %s: %s", name, step.__name__, reason_of(error))
