"""Serial relay boards that press a computer's buttons: LCUS-1 to LCUS-8 and others that speak like them.

For: boards with a CH340 (1a86:7523) and one to eight relays. That USB id says nothing of a relay: it is any adapter's,
also a CH9329's, and no command asks a board what it is. So the driver has to be named in the settings, with its port,
and writes to no other.

Works: pressing power and reset. Does not: lamps; seeing whether a relay obeyed, since a board acknowledges nothing.
Never met a real board.

Protocol, as sellers describe it: 9600 baud, 8N1; four bytes switch a relay, A0, its number, 01 to close it or 00 to
open it, and the sum of the three. Some boards answer the byte FF with the state of each relay as text; others do not,
so it is not asked.
"""

from __future__ import annotations

import contextlib
import errno
import select
import termios
import time
from collections.abc import Iterable
from typing import Annotated, Any, Final

from msgspec import Meta

from kvmd import (
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    PowerDriver,
    PowerStatus,
    RelayDriver,
    RelayOptions,
    hookimpl,
)

BAUD: Final = 9600
START: Final = 0xA0
MAX_CHANNEL: Final = 8

RELEASES: Final = 2
"""How often a relay is told to open: nothing is acknowledged, and a lost command would leave a button pressed."""

PAUSE: Final = 0.02
"""Seconds between two commands, so that a board need not keep the second; four bytes take 4 ms."""


class SerialRelayOptions(RelayOptions, frozen=True, forbid_unknown_fields=True):
    """Which serial port, and which relay is wired to which button."""

    device: Annotated[
        str | None, Meta(description="The port, such as a link in `/dev/serial/by-path/`; it has to be given.")
    ] = None


def command(channel: int, closed: bool) -> bytes:
    """Return the four bytes that close or open a relay."""
    frame = bytes((START, channel, closed))
    return frame + bytes((sum(frame) & 0xFF,))


class SerialRelay(RelayDriver):
    """Presses buttons by relays behind a serial port."""

    name = "serial_relay"
    Options = SerialRelayOptions
    wakes = ("tty",)

    def __init__(self, options: SerialRelayOptions, device: Device | None) -> None:  # noqa: ARG002  # it is in the options
        self._options = options
        super().__init__(options)
        self._port: Any = None

    def open(self) -> None:
        """Open the port for ourselves alone, and open the wired relays."""
        self._port = _open_port(self._checked_path())
        for channel in self.channels.values():
            self.switch(channel, closed=False)
        self.holding.allow()

    def watch(self, timeout: float) -> bool:
        """Wait for the adapter to be pulled, which ends a press: the kernel then hangs up. There are no lamps."""
        poll = select.poll()
        poll.register(self._opened().fileno(), 0)  # of hang-ups and errors poll reports in any case
        if poll.poll(timeout * 1000):
            self.holding.end()
            raise DeviceLost(f"{self._options.device} is gone: was the relay board pulled?")
        return False

    def status(self) -> PowerStatus:
        """Name the port."""
        return PowerStatus(f"serial relay board ({self._options.device})")

    def close(self) -> None:
        """Open the relay of a press that is under way, and close the port."""
        self.holding.end()
        port, self._port = self._port, None
        if port:
            with contextlib.suppress(OSError, termios.error):
                port.close()

    def _checked_path(self) -> str:
        """Return the port's path, once the options make sense.

        :raises DriverError: they do not
        """
        options = self._options
        if options.device is None:
            raise DriverError(
                "serial_relay writes to no port that was not named: "
                "set power.options.device to the relay board's link in /dev/serial/by-path/"
            )
        self.check_wiring()
        return options.device

    def _opened(self) -> Any:  # noqa: ANN401  # pyserial has no types
        if port := self._port:
            return port
        raise DeviceLost(f"{self._options.device} is not open: the driver is closed")

    def switch(self, channel: int, closed: bool) -> None:
        """Switch a relay; it is told twice to open, as nothing is acknowledged."""
        for _ in range(1 if closed else RELEASES):
            self._write(command(channel, closed))

    def _write(self, data: bytes) -> None:
        try:
            self._opened().write(data)
        except (OSError, termios.error) as error:
            raise DeviceLost(f"{self._options.device} is gone: {error.args[-1]}") from error
        time.sleep(PAUSE)


def _open_port(path: str) -> Any:  # noqa: ANN401  # pyserial has no types
    """Open a port.

    :raises DeviceAbsent: there is none
    :raises DriverError: it cannot be used
    """
    import serial  # noqa: PLC0415  # the driver can be listed without it

    try:
        return serial.Serial(path, BAUD, write_timeout=1, exclusive=True)
    except (OSError, termios.error) as error:
        raise _explain(path, error) from error


def _explain(path: str, error: Exception) -> DriverError:
    """Say why a port could not be opened."""
    number = getattr(error, "errno", None)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return DeviceAbsent(f"{path} is not there: power.options.device names the relay board's port")
    if number in {errno.EACCES, errno.EPERM}:
        return DriverError(f"{path} may not be opened: be in the group dialout, or root")
    if number in {errno.EAGAIN, errno.EBUSY}:
        return DriverError(
            f"{path} is in use: by another program, or by the driver ch9329, which looks for its chip behind any CH340 "
            "until hid.driver or hid.options.device says where that is"
        )
    return DriverError(f"{path} cannot be used: {error.args[-1]}")


@hookimpl
def kvmd_drivers() -> Iterable[type[PowerDriver]]:
    """Offer the driver."""
    return [SerialRelay]
