"""Drivers that need no hardware, the devices they are for, and what was refused."""

# ruff: noqa: ARG002

from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from msgspec import Meta

from kvmd.contract.capture import CaptureDriver, CaptureStatus, Frame
from kvmd.contract.device import Device, DeviceOptions, DriverOptions, Match
from kvmd.contract.hid import Capability, HidDriver, HidStatus, Report
from kvmd.errors import ConfigError


class Fake(CaptureDriver):
    """A driver whose hardware is never touched."""

    name = "fake"

    def __init__(self, options: DriverOptions, device: Device | None) -> None:
        self.options = options
        self.device = device

    def open(self) -> None: ...
    def close(self) -> None: ...

    def frames(self) -> Iterator[Frame]:
        raise NotImplementedError

    def status(self) -> CaptureStatus:
        raise NotImplementedError


class ColourOptions(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    colour: Annotated[str, Meta(description="Any.")] = "red"


class Webcam(Fake):
    name = "webcam"
    Options = DeviceOptions
    matches = (Match("video4linux", score=20), Match("video4linux", {"ID_VENDOR_ID": "1111"}, score=70))


class Dongle(Fake):
    name = "dongle"
    Options = ColourOptions
    matches = (Match("video4linux", {"ID_VENDOR_ID": "534d"}, score=80), Match("media", score=0))


class Stranger(Fake):
    name = "stranger"


class Typist(HidDriver):
    name = "typist"
    capabilities = Capability.KEYBOARD
    matches = (Match("udc", score=50), Match("hidg", score=0))

    def __init__(self, options: DriverOptions, device: Device | None) -> None:
        self.device = device

    def open(self) -> None: ...
    def send(self, report: Report) -> None: ...
    def close(self) -> None: ...

    def watch(self, timeout: float) -> bool:
        raise NotImplementedError

    def status(self) -> HidStatus:
        raise NotImplementedError


CAMERA = Device("video4linux", "video0", "/sys/0", "/dev/video0", {"ID_VENDOR_ID": "2222"})
DONGLE = Device("video4linux", "video1", "/sys/1", "/dev/video1", {"ID_VENDOR_ID": "534d", "ID_SERIAL_SHORT": "a"})
TWIN = Device("video4linux", "video2", "/sys/2", "/dev/video2", {"ID_VENDOR_ID": "534d", "ID_SERIAL_SHORT": "b"})
UDC = Device("udc", "dummy_udc.0", "/sys/3")
HIDG = Device("hidg", "hidg0", "/sys/4", "/dev/hidg0")


def refusal(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*args, **kwargs)
    return str(raised.value)
