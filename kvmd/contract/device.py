"""What is plugged in: devices as udev knows them, tables that match them, and their coming and going.

pyudev lives here and nowhere else: beyond this file a device is a frozen struct.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec
import pyudev
from msgspec import Meta

logger = logging.getLogger(__name__)

_local = threading.local()

_SUBSYSTEM_OF_MAJOR = {81: "video4linux", 4: "tty", 166: "tty", 188: "tty", 204: "tty"} | dict.fromkeys(
    range(136, 144), "tty"
)
"""Character devices by major number (Documentation/admin-guide/devices.txt), for nodes that sysfs does not know."""


class Device(msgspec.Struct, frozen=True):
    """A device of the kernel, at one moment.

    :param subsystem: the kernel's class, such as ``video4linux``
    :param name: the kernel's name, such as ``video0``
    :param path: its folder in sysfs
    :param node: its node in /dev, where it has one
    :param properties: udev's properties, such as ``ID_VENDOR_ID`` and ``ID_PATH``
    """

    subsystem: str
    name: str
    path: str = ""
    node: str | None = None
    properties: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def usb_id(self) -> str | None:
        """Its USB vendor and product, as ``lsusb`` shows; None for what is no part of a USB device."""
        vendor, product = self.properties.get("ID_VENDOR_ID"), self.properties.get("ID_MODEL_ID")
        return f"{vendor}:{product}" if vendor and product else None

    def __str__(self) -> str:
        names = (self.properties.get(name) for name in ("ID_V4L_PRODUCT", "ID_MODEL", "HID_NAME"))
        label = next(filter(None, names), self.name)
        return f"{label} ({self.node})" if self.node else label


_NO_PATTERN = re.compile(r'[\x00-\x1f\x7f"\\|]')
"""Characters that a udev rule cannot have, or takes for something else than a shell does (udev(7))."""


class Match(msgspec.Struct, frozen=True):
    """A row of a driver's table: which devices it is for.

    :param subsystem: the kernel's class
    :param properties: udev properties that must be there, as shell patterns, without quotes, backslashes and bars
    :param score: how well the driver suits; among drivers that match, the highest wins. 0: a node the driver needs
        beside its device, which is no reason to choose the driver
    """

    subsystem: str
    properties: Mapping[str, str] = msgspec.field(default_factory=dict)
    score: int = 50

    def __post_init__(self) -> None:
        for text in (self.subsystem, *self.properties, *self.properties.values()):
            if found := _NO_PATTERN.search(text):
                raise ValueError(f"{text!r} cannot be a pattern of udev's: put ? in the place of {found[0]!r}")

    def accepts(self, device: Device) -> bool:
        """Tell whether the device is of this row."""
        return device.subsystem == self.subsystem and all(
            fnmatchcase(device.properties.get(name, ""), pattern) for name, pattern in self.properties.items()
        )


class DriverOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every driver's ``Options`` builds on."""

    def node(self) -> str | None:
        """Return the node in /dev that the options name, known to udev or not."""
        return None

    def selects(self, device: Device) -> bool:  # noqa: ARG002  # for drivers that select
        """Tell whether a device that ``matches`` found may be used."""
        return True


UsbId = Annotated[str, Meta(pattern="^[0-9a-f]{4}:[0-9a-f]{4}$")]


class DeviceOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Options of a driver whose device is one among several: which one. None given: the best match."""

    device: Annotated[str | None, Meta(description="A node, such as `/dev/video0` or a link in `/dev/v4l/by-id/`.")] = (
        None
    )
    usb_id: Annotated[UsbId | None, Meta(description="USB vendor and product, as `lsusb` shows.")] = None
    serial: Annotated[str | None, Meta(description="The USB serial number, udev's `ID_SERIAL_SHORT`.")] = None
    path: Annotated[
        str | None, Meta(description="The port it is plugged into, udev's `ID_PATH`; `*` for any part.")
    ] = None
    name: Annotated[str | None, Meta(description="The device's or the kernel's name for it; `*` for any part.")] = None

    def node(self) -> str | None:
        """Return the node that was named."""
        return self.device

    def selects(self, device: Device) -> bool:
        """Tell whether the device has the USB id, serial number, port and name that were asked for."""
        udev = device.properties.get
        names = (device.name, udev("ID_V4L_PRODUCT", ""), udev("ID_MODEL", ""))
        tests = [
            self.usb_id is None or self.usb_id == device.usb_id,
            self.serial is None or self.serial == udev("ID_SERIAL_SHORT"),
            self.path is None or fnmatchcase(udev("ID_PATH", ""), self.path),
            self.name is None or any(fnmatchcase(name, self.name) for name in names),
        ]
        return all(tests)


def best_match(matches: Iterable[Match], device: Device) -> int:
    """Return the highest score among the rows that accept the device; 0 if none does."""
    return max((match.score for match in matches if match.accepts(device)), default=0)


def list_devices(subsystems: Iterable[str]) -> list[Device]:
    """List what is plugged in now, sorted by sysfs path so that the order is the same each time."""
    found = [_freeze(raw) for name in sorted(set(subsystems)) for raw in _context().list_devices(subsystem=name)]
    return sorted(found, key=lambda device: device.path)


def device_at(node: str) -> Device | None:
    """Return the device behind a node in /dev, also where udev does not know it; None if there is no such node."""
    try:
        status = Path(node).stat()
    except OSError:
        return None
    if not stat.S_ISCHR(status.st_mode):
        return None
    try:
        return msgspec.structs.replace(_freeze(pyudev.Devices.from_device_file(_context(), node)), node=node)
    except (pyudev.DeviceNotFoundError, OSError):
        subsystem = _SUBSYSTEM_OF_MAJOR.get(os.major(status.st_rdev), "")
        return Device(subsystem=subsystem, name=Path(node).name, node=node)


class Monitor:
    """Calls back whenever a device of these subsystems comes, changes or goes.

    :param subsystems: the kernel's classes to listen to
    :param changed: called with udev's word for it (``add``, ``remove``, ``change`` …) and the device, in a thread of
        the monitor's own
    """

    def __init__(self, subsystems: Iterable[str], changed: Callable[[str, Device], None]) -> None:
        self._changed = changed
        # Without udevd nobody sends on its netlink group, and the kernel's own events are all there is.
        source = "udev" if Path("/run/udev/control").exists() else "kernel"
        monitor = pyudev.Monitor.from_netlink(_context(), source)
        for subsystem in sorted(set(subsystems)):
            monitor.filter_by(subsystem)
        self._observer = pyudev.MonitorObserver(monitor, callback=self._received, name="kvmd-udev")

    def start(self) -> None:
        """Begin to listen."""
        self._observer.start()

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        if self._observer.is_alive():
            self._observer.stop()

    def _received(self, raw: pyudev.Device) -> None:
        device = _freeze(raw)
        logger.debug("udev: %s %s", raw.action, device.path)
        self._changed(raw.action or "", device)


def _context() -> pyudev.Context:
    """Return the thread's own context: libudev's are not for several (libudev(3)).

    Making one is slow, as pyudev runs programs to find the library.
    """
    if not hasattr(_local, "context"):
        _local.context = pyudev.Context()
    context: pyudev.Context = _local.context
    return context


def _freeze(raw: pyudev.Device) -> Device:
    return Device(
        subsystem=raw.subsystem or "",
        name=raw.sys_name,
        path=raw.sys_path,
        node=raw.device_node,
        properties=dict(raw.properties),
    )
