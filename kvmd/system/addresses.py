"""What this machine is called on the network: its names and its IP addresses."""

from __future__ import annotations

import ctypes
import os
import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

MOST_ADDRESSES = 32
"""Machines with containers have one for each."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*")
"""RFC 1123 section 2.1, and underscores, which hosts do have."""


class _Ifaddrs(ctypes.Structure):
    """The head of ``struct ifaddrs``, getifaddrs(3)."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
    )


_WHERE = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
"""Offset and length of the address in ``struct sockaddr_in`` and ``sockaddr_in6``, ip(7) and ipv6(7)."""


def host_names() -> list[str]:
    """List the names by which this machine is reached: its own, the one of multicast DNS (RFC 6762), localhost."""
    own = socket.gethostname().lower()
    if not _NAME.fullmatch(own):
        return ["localhost"]
    return list(dict.fromkeys([own, f"{own.partition('.')[0]}.local", "localhost"]))


def addresses() -> list[Address]:
    """List the addresses of this machine, without those that hold on one link alone.

    :raises OSError: the system does not say
    """
    found = dict.fromkeys(address for address in _interface_addresses() if not address.is_link_local)
    return list(found)[:MOST_ADDRESSES]


def _interface_addresses() -> Iterator[Address]:
    libc = ctypes.CDLL(None, use_errno=True)
    first = ctypes.c_void_p()
    if libc.getifaddrs(ctypes.byref(first)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        entry = first.value
        while entry:
            found = _Ifaddrs.from_address(entry)
            if address := _read(found.address):
                yield address
            entry = found.next
    finally:
        libc.freeifaddrs(first)


def _read(sockaddr: int | None) -> Address | None:
    """Read a ``struct sockaddr``; None where it is not one of IP."""
    family = ctypes.c_ushort.from_address(sockaddr).value if sockaddr else socket.AF_UNSPEC
    if not sockaddr or family not in _WHERE:
        return None
    offset, length = _WHERE[socket.AddressFamily(family)]
    return ip_address(ctypes.string_at(sockaddr + offset, length))
