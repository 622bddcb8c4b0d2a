"""Which camera, pixel format and controls to take of what libcamera offers: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from kvmd import DeviceAbsent, PixelFormat, YcbcrEncoding

FORMATS = {
    "MJPEG": PixelFormat.MJPEG,  # goes through untouched
    "YUV420": PixelFormat.YU12,  # what a JPEG is made of
    "NV12": PixelFormat.NV12,
    "YUYV": PixelFormat.YUYV,
    "UYVY": PixelFormat.UYVY,
    "RGB888": PixelFormat.BGR24,
    "BGR888": PixelFormat.RGB24,
}
"""libcamera's pixel formats by what it costs to make a JPEG of them.

Its names are of DRM, where a pixel's bytes are named from the last in memory to the first (UAPI drm_fourcc.h); V4L2's
begin with the first (UAPI videodev2.h, "RGB formats").
"""

ENCODABLE = ("YUV420", "NV12", "RGB888", "BGR888")
"""What the Raspberry Pi's hardware makes MJPEG of, as picamera2's ``V4L2Encoder`` has it."""

Size = tuple[int, int]
"""Width and height in pixels."""

Values = dict[str, bool | int | float | tuple[int, int]]
"""libcamera's controls by name, in its units."""


class Layout(msgspec.Struct, frozen=True):
    """What is in a camera's pictures; see ``Frame``."""

    format: PixelFormat
    width: int
    height: int
    stride: int
    full_range: bool
    encoding: YcbcrEncoding


def label(camera: Mapping[str, Any]) -> str:
    """Name a camera that ``global_camera_info()`` lists as a person would."""
    return f"{camera.get('Model', 'camera')} ({camera['Id']})"


def find(cameras: Sequence[Mapping[str, Any]], wanted: int | str | None) -> int:
    """Return the number of the camera that is wanted.

    :param cameras: as ``global_camera_info()`` lists them
    :param wanted: its number, or a shell pattern for its id or model; None for the first
    :raises DeviceAbsent: it is not among them
    """
    for number, camera in enumerate(cameras):
        names = [str(camera.get(key, "")) for key in ("Id", "Model")]
        if wanted in (None, number) or (isinstance(wanted, str) and any(fnmatchcase(name, wanted) for name in names)):
            return number
    if not cameras:
        raise DeviceAbsent("libcamera finds no camera; plug one in, and see that kvmd may open /dev/media*")
    present = ", ".join(f"{number} is {label(camera)}" for number, camera in enumerate(cameras))
    raise DeviceAbsent(f"there is no camera {wanted}: {present}; set `camera` to one of these")


def choose(offered: Sequence[str], wanted: PixelFormat | None, hardware: bool) -> tuple[str, bool] | None:
    """Choose the pixel format to capture; None if nothing that is offered will do.

    :param offered: libcamera's names
    :param wanted: the only format to take; None for any
    :param hardware: whether there is hardware that makes MJPEG
    :return: libcamera's name, and whether the hardware is to make MJPEG of it
    """
    if hardware and wanted in (None, PixelFormat.MJPEG) and "MJPEG" not in offered:
        for name in ENCODABLE:
            if name in offered:
                return name, True
    for name, known in FORMATS.items():
        if name in offered and wanted in (None, known):
            return name, False
    return None


def frame_durations(rate: float, limits: Sequence[Any]) -> tuple[int, int]:
    """Return libcamera's ``FrameDurationLimits`` for a frame rate, or for the nearest within the camera's limits.

    :param rate: frames a second
    :param limits: the shortest and the longest that the camera can do, in microseconds
    """
    duration = min(max(round(1e6 / rate), int(limits[0])), int(limits[1]))
    return duration, duration


def refusal(controls: Values, offered: Mapping[str, Sequence[Any]]) -> str | None:
    """Say which control a camera does not have, or not with that value; None if it takes all.

    :param offered: the least and the greatest value of each control that the camera has
    """
    for name, value in controls.items():
        if name not in offered:
            return f"has no control {name}; it has {', '.join(sorted(offered)) or 'none'}"
        least, greatest = offered[name][:2]
        if not least <= value <= greatest:
            return f"does not take {name} = {value}: it takes {least} to {greatest}"
    return None
