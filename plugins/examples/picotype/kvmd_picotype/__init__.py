"""Picotype: a microcontroller that is a USB keyboard and pointer to the target, and is told what to do by serial line.

For: what is built from a Pico, an ESP32-S3 or the like and speaks the protocol in this package's README; found by its
USB id, 1209:0001, which is for private tests (pid.codes): get one of your own for what you sell.

Works: keyboard with lamps; a pointer that goes to places, with five buttons and two wheels. Does not: relative mouse,
media and power keys, which the protocol does not have. Never met hardware: tested with its simulator.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta

from kvmd import (
    Capability,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    HidDriver,
    HidOffline,
    HidStatus,
    Leds,
    Match,
    Report,
    hookimpl,
)

from .link import Link
from .protocol import Command, State, Status, command_for

NO_HOST: Final = "the target has not accepted the picotype's keyboard: it is off, asleep, or its USB cable is out"
UNKNOWN: Final = State(Status.NO_HOST, host=False, leds=Leds())


class PicotypeOptions(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    """Which serial port, and how often to ask."""

    poll: Annotated[float, Meta(ge=0.05, le=2, description="Seconds between two questions for host and lamps.")] = 0.25


class Picotype(HidDriver):
    """Types through a microcontroller on a serial line."""

    name = "picotype"
    Options = PicotypeOptions
    matches = (Match("tty", {"ID_VENDOR_ID": "1209", "ID_MODEL_ID": "0001"}, score=80),)
    capabilities = Capability.KEYBOARD | Capability.LEDS | Capability.ABSOLUTE_MOUSE

    def __init__(self, options: PicotypeOptions, device: Device | None) -> None:
        self._options = options
        self._path = options.device or (device.node if device else None)
        self._link: Link | None = None
        self._state = self._told = UNKNOWN
        self._closing = threading.Event()

    def open(self) -> None:
        """Open the port, and see that a picotype answers."""
        if not self._path:
            raise DeviceAbsent("no picotype is plugged in; set hid.options.device")
        link = Link(self._path)
        try:
            self._state = self._told = link.ask(Command.STATE)
        except BaseException:
            link.close()
            raise
        self._closing.clear()
        self._link = link

    def send(self, report: Report) -> None:
        """Send a report, and return once the target has taken it."""
        self._state = self._opened().ask(*command_for(report))
        if self._state.status == Status.NO_HOST:
            raise HidOffline(NO_HOST)

    def watch(self, timeout: float) -> bool:
        """Ask for host and lamps again and again, until there is news."""
        until = time.monotonic() + timeout
        while True:
            state = self._state = self._opened().ask(Command.STATE)
            left = until - time.monotonic()
            if (state.host, state.leds) != (self._told.host, self._told.leds) or left <= 0:
                break
            self._closing.wait(min(left, self._options.poll))
        before, self._told = self._told, state
        if not state.host:
            raise HidOffline(NO_HOST)
        return before.leds != state.leds

    def status(self) -> HidStatus:
        """Tell how the target stood in the last answer."""
        state = self._state
        return HidStatus(f"picotype on {self._path}", state.host, state.leds if state.host else None)

    def close(self) -> None:
        """Close the port."""
        self._closing.set()
        link, self._link = self._link, None
        if link:
            link.close()

    def _opened(self) -> Link:
        link = self._link
        if link is None:
            raise DeviceLost("the picotype is not open: the driver is closed")
        return link


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_drivers() -> Iterable[type[HidDriver]]:
    """Offer the driver."""
    return [Picotype]
