"""kvmd-hal: a hardware abstraction daemon for IP-KVMs.

This is the face for authors of drivers and plug-ins: everything that they need is here, and nothing else is promised
to stay. docs/plugins.md shows how.
"""

from kvmd.board import Board, KnownBy, load_boards
from kvmd.capture import (
    CaptureDriver,
    CaptureStatus,
    EdidControl,
    Frame,
    PixelFormat,
    Signal,
    Timings,
    TimingsControl,
    YcbcrEncoding,
    jpeg_damage,
)
from kvmd.config import RoleSettings
from kvmd.device import Device, DeviceOptions, DriverOptions, Match, Monitor, list_devices
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
    COORDINATE_MAX,
    MAX_KEYS,
    MAX_MEDIA_KEYS,
    OWN_INPUT,
    STEP_MAX,
    AbsoluteMouseReport,
    Capability,
    ConsumerReport,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    Report,
    SystemReport,
)
from kvmd.hookspecs import Event, Service, hookimpl
from kvmd.keymap import Key, Page, find_keys, keys_of
from kvmd.memory import forget, recall, remember
from kvmd.mouse import Button, MouseEvent
from kvmd.power import PowerButton, PowerCapability, PowerDriver, PowerStatus, Press

__version__ = "0.1.0"

__all__ = [
    "COORDINATE_MAX",
    "MAX_KEYS",
    "MAX_MEDIA_KEYS",
    "OWN_INPUT",
    "STEP_MAX",
    "AbsoluteMouseReport",
    "Board",
    "Button",
    "Capability",
    "CaptureDriver",
    "CaptureStatus",
    "ConfigError",
    "ConsumerReport",
    "Device",
    "DeviceAbsent",
    "DeviceLost",
    "DeviceOptions",
    "DriverError",
    "DriverOptions",
    "EdidControl",
    "Event",
    "Frame",
    "HidDriver",
    "HidOffline",
    "HidStatus",
    "Key",
    "KeyboardReport",
    "KnownBy",
    "KvmdError",
    "Leds",
    "Match",
    "Monitor",
    "MouseEvent",
    "NoSignal",
    "Page",
    "PixelFormat",
    "PowerButton",
    "PowerCapability",
    "PowerDriver",
    "PowerStatus",
    "Press",
    "RelativeMouseReport",
    "Report",
    "RequestError",
    "RoleSettings",
    "Service",
    "Signal",
    "SystemReport",
    "Timings",
    "TimingsControl",
    "Unsupported",
    "YcbcrEncoding",
    "find_keys",
    "forget",
    "hookimpl",
    "jpeg_damage",
    "keys_of",
    "list_devices",
    "load_boards",
    "recall",
    "remember",
]
