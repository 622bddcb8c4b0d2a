"""Addresses and names as they stand in the settings: where to listen, whom to trust, what this machine is called."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

UNIX = "unix"
"""Stands for the address of whoever comes by a Unix socket, which has none."""

SUN_PATH = 107
"""Bytes of a Unix socket's path at most (unix(7): 108 with the NUL behind it)."""

_SCHEME = f"{UNIX}:"
_NAME = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]{1,253})(?::([0-9]{1,5}))?")

Network = IPv4Network | IPv6Network


class Name(NamedTuple):
    """A host, in small letters, without brackets and without a dot in the end; and a port, if one is given."""

    host: str
    port: int | None


def parse_address(address: str) -> tuple[str, int] | Path:
    """Read where to listen: ``ADDRESS:PORT``, or ``unix:`` and the path of a Unix socket.

    :raises ValueError: it is neither
    """
    if address.startswith(_SCHEME):
        return _parse_path(address)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        accepted = "ADDRESS:PORT, such as 127.0.0.1:80 or [::]:80, or unix:/PATH"
        raise ValueError(f'"{address}" is not an address; accepted: {accepted}')
    return host.strip("[]"), int(port)


def address_of(name: tuple[Any, ...] | str) -> str:
    """Write what ``getsockname()`` says as ``parse_address`` reads it."""
    if isinstance(name, str):
        return f"{_SCHEME}{name}"
    host, port = map(str, name[:2])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse_path(address: str) -> Path:
    path = address.removeprefix(_SCHEME)
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f'"{address}" is not an address; accepted: unix: and the whole path of a socket')
    if len(path.encode()) > SUN_PATH:
        raise ValueError(f'"{address}" is too long: the path of a socket has {SUN_PATH} bytes at most')
    return Path(path)


def parse_network(text: str) -> Network:
    """Read an address, or a network as ``ADDRESS/BITS``.

    :raises ValueError: it is neither
    """
    try:
        return ip_network(text, strict=False)
    except ValueError:
        accepted = f'an address or network, such as "127.0.0.1" or "192.0.2.0/24", or "{UNIX}"'
        raise ValueError(f'"{text}" is not the address of a proxy; accepted: {accepted}') from None


def parse_name(text: str) -> Name:
    """Read a host name or address, IPv6 in brackets, with or without a port.

    :raises ValueError: it is none
    """
    bare = f"[{text}]" if _is_ipv6(text) else text
    found = _NAME.fullmatch(bare.lower())
    if not found or int(found[2] or 0) > 65535 or (found[1].startswith("[") and not _is_ipv6(found[1].strip("[]"))):
        accepted = 'NAME or NAME:PORT, such as "kvm.example", without https:// and without a path'
        raise ValueError(f'"{text}" is not a name; accepted: {accepted}')
    return Name(plain_host(found[1]), int(found[2]) if found[2] else None)


def plain_host(host: str) -> str:
    """Return a host as it is compared: in small letters, without brackets, and IPv6 as short as it can be written."""
    bare = host.lower().rstrip(".").strip("[]")
    return str(ip_address(bare)) if _is_ipv6(bare) else bare


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
