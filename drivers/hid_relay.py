"""USB relay boards of the kind "USBRelayN" (www.dcttech.com and others), which press a computer's buttons.

For: boards with one to eight relays that are HID devices, 16c0:05df. That USB id is V-USB's for any HID device of
anybody, so the product's name is looked at, too.

Works: pressing power and reset; checking that a relay has switched. Does not: lamps, which such a board has no inputs
for. Never met a real board.

Protocol, as public clients use it: a feature report without a number, FF and a relay's number to close it, FD to open
it, six more bytes. Feature report 1 reads five characters, the board's own serial number, and in the last of its eight
bytes a bit for each relay that is closed. Nodes and ioctls: Documentation/hid/hidraw.rst, linux/hidraw.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import struct
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Final

from msgspec import Meta

from kvmd import (
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    Match,
    PowerDriver,
    PowerStatus,
    RelayDriver,
    RelayOptions,
    hookimpl,
)

USB_ID: Final = (0x16C0, 0x05DF)
PRODUCT: Final = re.compile(r"\bUSBRelay([1-8])\b")
"""In the name that the kernel makes of manufacturer and product; the digit says how many relays there are."""

CLOSE, OPEN = 0xFF, 0xFD
STATE_REPORT: Final = 1
REPORT_SIZE: Final = 8
SERIAL_SIZE: Final = 5

NAME_SIZE: Final = 256

# linux/hidraw.h: the direction of the data, its size, the letter H, a number; alike on 32 and 64 bits
HIDIOCGRAWINFO: Final = 2 << 30 | 8 << 16 | 0x4803
HIDIOCGRAWNAME: Final = 2 << 30 | NAME_SIZE << 16 | 0x4804
HIDIOCSFEATURE: Final = 3 << 30 | (1 + REPORT_SIZE) << 16 | 0x4806
HIDIOCGFEATURE: Final = 3 << 30 | (1 + REPORT_SIZE) << 16 | 0x4807


class HidRelayOptions(RelayOptions, frozen=True, forbid_unknown_fields=True):
    """Which board, and which relay is wired to which button."""

    device: Annotated[str | None, Meta(description="The board's node, such as `/dev/hidraw0`; not set: found.")] = None
    path: Annotated[
        str | None, Meta(description="The port it is plugged into, udev's `ID_PATH`; `*` for any part.")
    ] = None

    def node(self) -> str | None:
        """Return the node that was named."""
        return self.device

    def selects(self, device: Device) -> bool:
        """Tell whether the board is in the port that was asked for."""
        return self.path is None or fnmatchcase(device.properties.get("ID_PATH", ""), self.path)


def command(channel: int, closed: bool) -> bytes:
    """Return what closes or opens a relay: no report number, and the report."""
    return bytes((0, CLOSE if closed else OPEN, channel)).ljust(1 + REPORT_SIZE, b"\0")


def closed_relays(report: bytes) -> set[int]:
    """Return the numbers of the relays that are closed, from feature report 1."""
    return {bit + 1 for bit in range(8) if report[REPORT_SIZE - 1] >> bit & 1}


class HidRelay(RelayDriver):
    """Presses buttons by the relays of a HID device."""

    name = "hid_relay"
    Options = HidRelayOptions
    matches = (Match("hidraw", {"HID_ID": "0003:000016C0:000005DF", "HID_NAME": "*USBRelay[1-8]*"}, 80),)

    def __init__(self, options: HidRelayOptions, device: Device | None) -> None:
        self._node = (device and device.node) or options.device or "no node"
        self._options = options
        super().__init__(options)
        self._label = f"USB relay board ({self._node})"
        self._fd = -1

    def open(self) -> None:
        """Prove that it is a relay board, and open the wired relays."""
        self.check_wiring()
        self._fd = _open_node(self._node)
        relays = self._identify()
        for channel in self.channels.values():
            if channel > relays:
                raise DriverError(
                    f"{self._label} has no relay {channel}: "
                    f"power.options.power_channel and reset_channel are 1 to {relays}"
                )
            self.switch(channel, closed=False)
        self.holding.allow()

    def watch(self, timeout: float) -> bool:
        """Wait for the board to be pulled, which ends a press: the kernel then hangs up. There are no lamps."""
        if self._fd < 0:
            raise DeviceLost(f"{self._label} is not open: the driver is closed")
        poll = select.poll()
        poll.register(self._fd, 0)  # of hang-ups and errors poll reports in any case
        if poll.poll(timeout * 1000):
            self.holding.end()
            raise DeviceLost(f"{self._label} is gone: was it pulled?")
        return False

    def status(self) -> PowerStatus:
        """Name the board."""
        return PowerStatus(self._label)

    def close(self) -> None:
        """Open the relay of a press that is under way, and let go of the node."""
        self.holding.end()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _identify(self) -> int:
        """Look at what it says of itself; return how many relays it has.

        :raises DriverError: it is something else
        """
        _, *usb_id = struct.unpack("=IHH", self._ioctl(HIDIOCGRAWINFO, bytes(8)))
        name = self._ioctl(HIDIOCGRAWNAME, bytes(NAME_SIZE)).partition(b"\0")[0].decode(errors="replace")
        product = PRODUCT.search(name)
        if tuple(usb_id) != USB_ID or not product:
            raise DriverError(
                f"{self._node} is no USB relay board but {usb_id[0]:04x}:{usb_id[1]:04x} {name}: "
                "set power.options.device to another node, or leave it out"
            )
        serial = self._state()[:SERIAL_SIZE].decode("ascii", errors="replace").rstrip("\0")
        self._label = f"{product[0]} {serial} ({self._node})"
        return int(product[1])

    def switch(self, channel: int, closed: bool) -> None:
        """Switch a relay, and see that it has obeyed."""
        self._ioctl(HIDIOCSFEATURE, command(channel, closed))
        if (channel in closed_relays(self._state())) is not closed:
            raise DriverError(f"relay {channel} of {self._label} did not {'close' if closed else 'open'}")

    def _state(self) -> bytes:
        return self._ioctl(HIDIOCGFEATURE, bytes((STATE_REPORT, *bytes(REPORT_SIZE))))

    def _ioctl(self, request: int, data: bytes) -> bytes:
        if self._fd < 0:
            raise DeviceLost(f"{self._label} is not open: the driver is closed")
        try:
            return fcntl.ioctl(self._fd, request, data)
        except OSError as error:
            raise DeviceLost(f"{self._label} is gone: {error.strerror}") from error


def _open_node(node: str) -> int:
    """Open a node for ourselves alone, among those that ask for that.

    :raises DeviceAbsent: there is none
    :raises DriverError: it cannot be used
    """
    with contextlib.ExitStack() as stack:
        try:
            fd = os.open(node, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
            stack.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _explain(node, error) from error
        stack.pop_all()
    return fd


def _explain(node: str, error: OSError) -> DriverError:
    """Say why a node could not be opened."""
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return DeviceAbsent(f"{node} is not there")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DriverError(f"{node} may not be opened: see that udev has 70-kvmd.rules and you are in the group kvmd")
    if error.errno == errno.EWOULDBLOCK:
        return DriverError(f"{node} is in use by another program, such as the kvmd daemon: end that one first")
    return DriverError(f"{node} cannot be used: {error.strerror}")


@hookimpl
def kvmd_drivers() -> Iterable[type[PowerDriver]]:
    """Offer the driver."""
    return [HidRelay]
