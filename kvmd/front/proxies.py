"""Proxies before this server: whom those that are trusted ask for.

A proxy is the peer of all its clients' connections. What it says of them is believed where it is trusted, for anybody
could send the same headers. ``X-Forwarded-For`` grows to the right, a hop at a time: the client is the right-most
address that is no trusted proxy's. What stands left of it the client may have made up.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import NamedTuple

from kvmd.contract.addresses import UNIX, parse_network
from kvmd.front.admission import plain_address
from kvmd.front.request import HOST

logger = logging.getLogger(__name__)

HOPS = 32
"""Hops that are looked at."""
HINTS = 8
"""Proxies that are named in the log, each once."""

_FOR = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]*)?")
"""An address with a port; a bare one of IPv6 has none."""
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""Some proxies say so of WebSockets (Traefik)."""
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class Asked(NamedTuple):
    """Who asks, and where, as the client sees it.

    :param address: the client's
    :param host: in place of the Host header; empty where that one is right
    :param prefix: the folder in which the client finds us, such as ``/kvm``; empty for none
    """

    address: str
    scheme: str
    host: str = ""
    prefix: str = ""


class Proxies:
    """Those that are trusted.

    :param trusted: addresses and networks, and ``unix`` for whoever comes by a Unix socket
    """

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._unix = UNIX in trusted
        self._networks = [parse_network(network) for network in trusted if network != UNIX]
        self._hinted: set[str] = set()

    def __contains__(self, address: str) -> bool:
        if address == UNIX:
            return self._unix
        found = ip_address(address)
        return any(found in network for network in self._networks)

    def asked(self, peer: str, scheme: str, headers: list[tuple[str, str]]) -> Asked:
        """Tell who asks.

        What cannot be read is left out: the client then is the last one whose address could be, a proxy at the worst.

        :param peer: the address of the connection
        :param scheme: of the connection
        :param headers: of the request
        """
        hops = _values("x-forwarded-for", headers)
        if peer not in self:
            if hops:
                self._hint(peer)
            return Asked(peer, scheme)
        address, place = self._client(peer, hops)

        def said(name: str) -> str:
            values = _values(name, headers)
            return (values[-1 - place] if len(values) == len(hops) else values[-1]) if values else ""

        host, prefix = said("x-forwarded-host"), said("x-forwarded-prefix").rstrip("/")
        return Asked(
            address,
            _SCHEMES.get(said("x-forwarded-proto").lower(), scheme),
            host if HOST.fullmatch(host.encode("latin-1")) else "",
            prefix if _PREFIX.fullmatch(prefix) else "",
        )

    def _client(self, peer: str, hops: list[str]) -> tuple[str, int]:
        """Return the client's address, and its place from the right, 0 for the last hop."""
        address, place = peer, 0
        for number, hop in enumerate(reversed(hops)):
            found = _read(hop)
            if not found:
                break
            address, place = found, number
            if address not in self:
                break
        return address, place

    def _hint(self, peer: str) -> None:
        if peer not in self._hinted and len(self._hinted) < HINTS:
            self._hinted.add(peer)
            logger.warning(
                "%s sends X-Forwarded-For and is no trusted proxy: all who come through it count as one; if it sets "
                'that header itself, set web.trusted_proxies = ["%s"]',
                peer,
                peer,
            )


def _values(name: str, headers: list[tuple[str, str]]) -> list[str]:
    """Return the last values of a header, each of which may come more than once, or with commas."""
    given = ",".join(value for found, value in headers if found == name)
    return [value.strip() for value in given.rsplit(",", HOPS)[-HOPS:]] if given else []


def _read(hop: str) -> str:
    """Return an address without its port; empty if there is none."""
    found = _FOR.fullmatch(hop)
    try:
        return plain_address((found[1] or found[2]) if found else hop)
    except ValueError:
        return ""
