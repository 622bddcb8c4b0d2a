"""Who may be connected: bounds in all and for each address, and places for those who are logged in."""

from __future__ import annotations

import ipaddress
import itertools
import resource
from collections import Counter
from collections.abc import Callable

from kvmd.front.request import Refusal

MOST = 384
"""Connections in all, however many files may be open."""
LEAST = 16


class Place:
    """One connection's place.

    :param group: whom it is from, see ``group_of``
    :param end: ends the connection at once
    """

    def __init__(self, group: str, number: int, end: Callable[[], object]) -> None:
        self.group = group
        self.number = number
        self.end = end
        self.known = False
        self.evictable = True
        """Whether it may end for another's sake: it waits for a request, or for the rest of one."""


class Admission:
    """Gives places to connections.

    A connection is a stranger's until a request on it has shown who sends it. Strangers have half of the places, and
    those from one address an eighth; when these are taken, the stranger that waits the longest for its own request has
    to go. So nobody can hold the others up by keeping connections, and whoever logs in has the other half.

    :param files: how many files this process may have open; connections take a quarter
    """

    def __init__(self, files: int | None = None) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if files is None else files
        self.most = MOST if files == resource.RLIM_INFINITY else min(MOST, max(LEAST, files // 4))
        self.strangers = self.most // 2
        self.strangers_each = max(4, self.most // 8)
        self.known_each = self.most // 2
        self._places: dict[int, Place] = {}
        self._strangers: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._numbers = itertools.count()

    def admit(self, group: str, end: Callable[[], object]) -> Place:
        """Give a connection a place, of a stranger for now.

        :raises Refusal: there is none
        """
        if self._strangers[group] >= self.strangers_each and not self._evict(group):
            raise Refusal(429, "too many connections from this address")
        full = self._strangers.total() >= self.strangers or len(self._places) >= self.most
        if full and not self._evict(None):
            raise Refusal(503, "too many connections")
        place = Place(group, next(self._numbers), end)
        self._places[place.number] = place
        self._strangers[group] += 1
        return place

    def know(self, place: Place) -> None:
        """Note that this connection's client has shown who it is; it stays a stranger's where its address has many."""
        if place.known or place.number not in self._places or self._known[place.group] >= self.known_each:
            return
        place.known = True
        self._take_from(self._strangers, place.group)
        self._known[place.group] += 1

    def leave(self, place: Place) -> None:
        """Give a place back; a second time changes nothing."""
        if self._places.pop(place.number, None):
            self._take_from(self._known if place.known else self._strangers, place.group)

    def _evict(self, group: str | None) -> bool:
        """End the stranger that has waited the longest, of this address or of the one that has the most."""
        waiting = [
            place
            for place in self._places.values()
            if place.evictable and not place.known and group in {None, place.group}
        ]
        if not waiting:
            return False
        victim = min(waiting, key=lambda place: (-self._strangers[place.group], place.number))
        self.leave(victim)
        victim.end()
        return True

    @staticmethod
    def _take_from(counts: Counter[str], group: str) -> None:
        counts[group] -= 1
        if not counts[group]:
            del counts[group]


def plain_address(host: str) -> str:
    """Return a socket's address without a zone, and as IPv4 where IPv6 only carries it."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def group_of(host: str) -> str:
    """Return what stands for an address where one is counted: itself, or its network of 64 bits, which one person has.

    :param host: as ``plain_address`` returns it
    """
    address = ipaddress.ip_address(host)
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
