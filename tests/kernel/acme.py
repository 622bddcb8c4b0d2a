"""A vendor's package in one module, packed by vendor.py: a keyboard at the other end of a chip that is a HID device.

The chip is :mod:`uhid`; each output report is a report of a boot keyboard (USB HID 1.11, appendix B.1).
"""

from __future__ import annotations

import contextlib
import os
import select

from kvmd import (
    Capability,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    DriverOptions,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Match,
    Report,
    Unsupported,
    hookimpl,
)

NAME = "Acme Typist"


def payload(report: KeyboardReport) -> bytes:
    """Return what the chip is sent: a report without a number, which hidraw wants to be 0."""
    return bytes((0, report.modifiers, 0, *report.keys)).ljust(9, b"\0")


class AcmeHid(HidDriver):
    """Types through an Acme Typist."""

    name = "acme"
    matches = (Match("hidraw", {"HID_NAME": f"{NAME}*"}, 80),)
    capabilities = Capability.KEYBOARD

    def __init__(self, options: DriverOptions, device: Device | None) -> None:  # noqa: ARG002  # it has none
        self._node = (device and device.node) or ""
        self._fd = -1

    def open(self) -> None:
        """Open the node, which a rule has given to kvmd."""
        try:
            self._fd = os.open(self._node, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise DeviceAbsent("no Acme Typist is plugged in") from error
        except OSError as error:
            raise DriverError(f"{self._node} cannot be opened: {error.strerror}") from error

    def send(self, report: Report) -> None:
        """Write a report."""
        if not isinstance(report, KeyboardReport):
            raise Unsupported("an Acme Typist has keys alone")
        try:
            os.write(self._fd, payload(report))
        except OSError as error:
            raise self._lost() from error

    def watch(self, timeout: float) -> bool:
        """Wait for the chip to be pulled: the kernel then hangs up."""
        poll = select.poll()
        poll.register(self._fd, 0)
        if poll.poll(timeout * 1000):
            raise self._lost()
        return False

    def status(self) -> HidStatus:
        """Name the chip."""
        return HidStatus(f"{NAME} ({self._node})")

    def close(self) -> None:
        """Let go of the node."""
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)

    def _lost(self) -> DeviceLost:
        return DeviceLost(f"{NAME} ({self._node}) is gone: was it pulled?")


@hookimpl
def kvmd_drivers() -> list[type[HidDriver]]:
    """Bring the driver."""
    return [AcmeHid]
