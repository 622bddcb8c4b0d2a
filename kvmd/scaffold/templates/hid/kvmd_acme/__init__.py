"""Acme: say here which devices the driver is for, what works, what does not, and where that is documented.

As it is, it drives the simulated device in device.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kvmd import (
    AbsoluteMouseReport,
    Board,
    Capability,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    HidDriver,
    HidOffline,
    HidStatus,
    KeyboardReport,
    Leds,
    Report,
    Unsupported,
    hookimpl,
    load_boards,
)

from .device import Acme, State

NO_HOST: Final = "no computer takes what Acme sends: it is off, asleep, or the cable is out"


def encode(report: Report) -> bytes:
    """Write a report as the device takes it.

    :raises Unsupported: it cannot
    """
    if isinstance(report, KeyboardReport):
        return struct.pack("<BBx6s", 1, report.modifiers, bytes(report.keys))
    if isinstance(report, AbsoluteMouseReport):
        return struct.pack("<BBHHbb", 2, report.buttons, report.x, report.y, report.wheel, report.hwheel)
    raise Unsupported(f"acme cannot send a {type(report).__name__}")


class AcmeHid(HidDriver):
    """Acme's keyboard and pointer."""

    name = "acme"
    Options = DeviceOptions
    capabilities = Capability.KEYBOARD | Capability.LEDS | Capability.ABSOLUTE_MOUSE

    def __init__(self, options: DeviceOptions, device: Device | None) -> None:  # noqa: ARG002  # it has no options of its own
        self._label = str(device or "Acme")
        self._acme: Acme | None = None
        self._state = State(host=False, lamps=0)

    def open(self) -> None:
        """Open the device."""
        try:
            self._acme = Acme()
            self._state = self._acme.wait(self._state, 0)
        except OSError as error:
            raise DeviceAbsent(f"{self._label} cannot be opened: {error.strerror}") from error

    def send(self, report: Report) -> None:
        """Hand over a report, and return once the computer has taken it."""
        data, acme = encode(report), self._opened()
        try:
            taken = acme.write(data)
        except OSError as error:
            raise DeviceLost(f"{self._label} is gone: {error.strerror}") from error
        if not taken:
            raise HidOffline(NO_HOST)

    def watch(self, timeout: float) -> bool:
        """Wait until the lamps change, or the computer comes or goes."""
        before = self._state
        try:
            self._state = self._opened().wait(before, timeout)
        except OSError as error:
            raise DeviceLost(f"{self._label} is gone: {error.strerror}") from error
        if not self._state.host:
            raise HidOffline(NO_HOST)
        return before.lamps != self._state.lamps

    def status(self) -> HidStatus:
        """Tell how the computer stands."""
        state = self._state
        return HidStatus(self._label, state.host, Leds.from_bits(state.lamps) if state.host else None)

    def close(self) -> None:
        """Let go of the device."""
        acme, self._acme = self._acme, None
        if acme:
            acme.close()

    def _opened(self) -> Acme:
        if acme := self._acme:
            return acme
        raise DeviceLost(f"{self._label} is not open: the driver is closed")


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_drivers() -> Iterable[type[HidDriver]]:
    """Offer the driver."""
    return [AcmeHid]


@hookimpl
def kvmd_boards() -> list[Board]:
    """Offer the board."""
    return load_boards(Path(__file__).parent)
