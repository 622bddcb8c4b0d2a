"""Wake-on-LAN: a packet that switches a computer on through its network card.

For: computers whose firmware and card are set to wake by a magic packet, in the same Ethernet as the KVM.

Works: waking, also with SecureOn. Does not: switching off, buttons and lamps; knowing whether the packet was heard.

The packet, as AMD's "Magic Packet Technology" (publication 20213) describes it: six bytes FF, the card's address
sixteen times, and SecureOn's password after it. It goes out as a UDP broadcast, to port 9 (discard) by custom; cards
look for the bytes alone.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta

from kvmd import (
    Device,
    DeviceAbsent,
    DriverError,
    DriverOptions,
    PowerCapability,
    PowerDriver,
    PowerStatus,
    hookimpl,
)

IP_UNICAST_IF: Final = 50
"""linux/in.h: the interface of what is no multicast, which includes a broadcast; needs no privilege (ip(7))."""

PAUSE: Final = 0.1
"""Seconds between packets."""

EVERYONE: Final = "255.255.255.255"
SUCH_AS: Final = "twelve hexadecimal digits such as 52:54:00:12:34:56"
ADDRESS_FORMAT: Final = re.compile(
    r"[0-9a-f]{2}(?P<separator>[:-])(?:[0-9a-f]{2}(?P=separator)){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}",
    re.IGNORECASE,
)


class WolOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Which computer, and by what way."""

    mac: Annotated[
        str | None, Meta(description="The hardware address of the computer's network card; it has to be given.")
    ] = None
    secure_on: Annotated[
        str | None,
        Meta(
            description="SecureOn's password, six bytes written like a hardware address.",
            extra={"secret": True},
        ),
    ] = None
    interface: Annotated[
        str | None, Meta(description="The network interface that sends, such as `eth0`; not set: as the routes say.")
    ] = None
    broadcast: Annotated[
        str, Meta(description="Where it is sent: everyone, or a network's broadcast address, such as `192.168.1.255`.")
    ] = EVERYONE
    port: Annotated[int, Meta(ge=1, le=65535, description="The UDP port.")] = 9
    packets: Annotated[int, Meta(ge=1, le=20, description="How often the packet is sent.")] = 3


def parse_address(text: str) -> bytes | None:
    """Return the six bytes of a hardware address, in any of the ways in which people write it; None if it is none."""
    if ADDRESS_FORMAT.fullmatch(text.strip()):
        return bytes.fromhex(re.sub("[^0-9A-Fa-f]", "", text))
    return None


def magic_packet(mac: bytes, secure_on: bytes = b"") -> bytes:
    """Return the bytes for which the card looks."""
    return b"\xff" * 6 + mac * 16 + secure_on


class Wol(PowerDriver):
    """Wakes a computer over the network."""

    name = "wol"
    Options = WolOptions
    capabilities = PowerCapability.WAKE

    def __init__(self, options: WolOptions, device: Device | None) -> None:  # noqa: ARG002  # there are none
        self._options = options
        self._packet = b""

    def open(self) -> None:
        """Check the addresses, and that the interface is there."""
        options = self._options
        packet = magic_packet(_card(options.mac), _password(options.secure_on))
        try:
            socket.inet_pton(socket.AF_INET, options.broadcast)
        except OSError as error:
            raise DriverError(
                f'power.options.broadcast = "{options.broadcast}" is no IPv4 address; {EVERYONE} is everyone\'s'
            ) from error
        self._interface_index()
        self._packet = packet

    def wake(self) -> None:
        """Send the packet, a few times since nobody acknowledges it."""
        if not self._packet:
            raise DriverError("no packet can be sent: the driver is closed")
        options = self._options
        try:
            with contextlib.closing(self._socket()) as sender:
                for number in range(options.packets):
                    if number:
                        time.sleep(PAUSE)
                    sender.sendto(self._packet, (options.broadcast, options.port))
        except OSError as error:
            way = options.interface or "the network"
            raise DriverError(
                f"the packet cannot be sent to {options.broadcast} over {way}: {error.strerror}; "
                "set power.options.interface and broadcast to those of the computer's network"
            ) from error

    def status(self) -> PowerStatus:
        """Say who is woken; the password stays a secret."""
        over = f" over {self._options.interface}" if self._options.interface else ""
        return PowerStatus(f"Wake-on-LAN for {self._options.mac}{over}")

    def close(self) -> None:
        """Nothing is held."""
        self._packet = b""

    def _socket(self) -> socket.socket:
        """Make a socket that broadcasts over the interface."""
        index = self._interface_index()
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if index:
            sender.setsockopt(socket.IPPROTO_IP, IP_UNICAST_IF, struct.pack("!I", index))
        return sender

    def _interface_index(self) -> int:
        """Return the kernel's number of the interface; 0 where none is asked for.

        :raises DeviceAbsent: there is no such
        """
        name = self._options.interface
        if name is None:
            return 0
        try:
            return socket.if_nametoindex(name)
        except OSError as error:
            names = ", ".join(sorted(each for _, each in socket.if_nameindex()))
            raise DeviceAbsent(
                f'no network interface is called "{name}": power.options.interface; there are: {names}'
            ) from error


def _card(mac: str | None) -> bytes:
    """Check the address of the network card.

    :raises DriverError: there is none, or it is no card's
    """
    if mac is None:
        raise DriverError("nobody to wake: set power.options.mac to the address of the computer's network card")
    address = parse_address(mac)
    if address is None:
        raise DriverError(f'power.options.mac = "{mac}" is no hardware address, {SUCH_AS}')
    if address[0] & 1:
        raise DriverError(f'power.options.mac = "{mac}" is the address of a group, and of no network card')
    return address


def _password(text: str | None) -> bytes:
    """Check SecureOn's password, without repeating a wrong one.

    :raises DriverError: it is none
    """
    password = b"" if text is None else parse_address(text)
    if password is None:
        raise DriverError(f"power.options.secure_on is no password of six bytes, {SUCH_AS}")
    return password


@hookimpl
def kvmd_drivers() -> Iterable[type[PowerDriver]]:
    """Offer the driver."""
    return [Wol]
