"""kvmd-hal: a hardware abstraction daemon for IP-KVMs.

This is the face for authors of drivers and plug-ins: everything that they need is here, and nothing else is promised
to stay. docs/plugins.md shows how.
"""

from kvmd.board import Board, KnownBy
from kvmd.capture import CaptureDriver, CaptureStatus, Frame, PixelFormat, Signal, YcbcrEncoding, jpeg_damage
from kvmd.config import RoleSettings
from kvmd.device import Device, DeviceOptions, DriverOptions, Match
from kvmd.errors import (
    ConfigError,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    HidOffline,
    KvmdError,
    NoSignal,
    RequestError,
    Unsupported,
)
from kvmd.hid import (
    AbsoluteMouseReport,
    Capability,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    Report,
)
from kvmd.hookspecs import Event, hookimpl

__version__ = "0.1.0"

__all__ = [
    "AbsoluteMouseReport",
    "Board",
    "Capability",
    "CaptureDriver",
    "CaptureStatus",
    "ConfigError",
    "Device",
    "DeviceAbsent",
    "DeviceLost",
    "DeviceOptions",
    "DriverError",
    "DriverOptions",
    "Event",
    "Frame",
    "HidDriver",
    "HidOffline",
    "HidStatus",
    "KeyboardReport",
    "KnownBy",
    "KvmdError",
    "Leds",
    "Match",
    "NoSignal",
    "PixelFormat",
    "RelativeMouseReport",
    "Report",
    "RequestError",
    "RoleSettings",
    "Signal",
    "Unsupported",
    "YcbcrEncoding",
    "hookimpl",
    "jpeg_damage",
]
