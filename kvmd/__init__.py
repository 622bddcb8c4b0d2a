"""kvmd-hal: a hardware abstraction daemon for IP-KVMs.

This is the face for authors of drivers and plug-ins: everything that they need is here, and nothing else is promised
to stay. docs/plugins.md shows how.
"""

from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.board import Board, KnownBy, load_boards
from kvmd.contract.capture import (
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
from kvmd.contract.device import Device, DeviceOptions, DriverOptions, Match, Monitor, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.endpoint import Done, Nothing, endpoint
from kvmd.contract.hid import (
    COORDINATE_MAX,
    MAX_KEYS,
    MAX_MEDIA_KEYS,
    OWN_INPUT,
    STEP_MAX,
    AbsoluteMouseReport,
    Button,
    Capability,
    ConsumerReport,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Leds,
    MouseEvent,
    RelativeMouseReport,
    Report,
    SystemReport,
)
from kvmd.contract.number import CONTRACT
from kvmd.contract.power import PowerButton, PowerCapability, PowerDriver, PowerStatus, Press
from kvmd.contract.relays import RelayDriver, RelayOptions
from kvmd.contract.settings import RoleSettings
from kvmd.errors import (
    Busy,
    ConfigError,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    HidOffline,
    KvmdError,
    NoSignal,
    NotFound,
    RequestError,
    Taken,
    Unavailable,
    Unsupported,
)
from kvmd.input.keymap import Key, Page, find_keys, keys_of
from kvmd.plugins.hookspecs import Event, InputApi, KvmApi, PowerApi, Service, VideoApi, hookimpl
from kvmd.system.decoding import decode_json
from kvmd.system.memory import forget, recall, remember

__version__ = "0.1.0"

__all__ = [
    "CONTRACT",
    "COORDINATE_MAX",
    "MAX_KEYS",
    "MAX_MEDIA_KEYS",
    "OWN_INPUT",
    "STEP_MAX",
    "AbsoluteMouseReport",
    "BaseDriver",
    "Board",
    "Busy",
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
    "Done",
    "DriverError",
    "DriverOptions",
    "EdidControl",
    "Event",
    "Frame",
    "HidDriver",
    "HidOffline",
    "HidStatus",
    "InputApi",
    "Key",
    "KeyboardReport",
    "KnownBy",
    "KvmApi",
    "KvmdError",
    "Leds",
    "Match",
    "Monitor",
    "MouseEvent",
    "NoSignal",
    "NotFound",
    "Nothing",
    "Page",
    "PixelFormat",
    "PowerApi",
    "PowerButton",
    "PowerCapability",
    "PowerDriver",
    "PowerStatus",
    "Press",
    "RelativeMouseReport",
    "RelayDriver",
    "RelayOptions",
    "Report",
    "RequestError",
    "RoleSettings",
    "Service",
    "Signal",
    "SystemReport",
    "Taken",
    "Timings",
    "TimingsControl",
    "Unavailable",
    "Unsupported",
    "UserRole",
    "VideoApi",
    "YcbcrEncoding",
    "decode_json",
    "endpoint",
    "find_keys",
    "forget",
    "hookimpl",
    "jpeg_damage",
    "keys_of",
    "list_devices",
    "load_boards",
    "needs",
    "recall",
    "remember",
]
