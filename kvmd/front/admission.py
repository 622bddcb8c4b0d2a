"""Who may be connected: bounds in all and for each address, and places for those who are logged in."""

from __future__ import annotations

import ipaddress
import resource
from collections import Counter
from collections.abc import Callable

from kvmd.contract.addresses import UNIX
from kvmd.front.request import Refusal

MOST = 384
"""Connections in all, however many files may be open."""
LEAST = 16


class Place:
    """One connection's place.

    :param group: whom it is from, see ``group_of``
    :param trial: set where strangers have no place: what they are answered with; who is known is let in
    :param end: ends the connection at once
    """

    def __init__(self, group: str, trial: Refusal | None, end: Callable[[], object]) -> None:
        self.group = group
        self.trial = trial
        self.end = end
        self.known = False
        self.evictable = True
        """Whether it may end for another's sake: it waits for a request, or for the rest of one."""


class Admission:
    """Gives places to connections.

    A connection is a stranger's until a request on it has shown who sends it. Strangers have half of the places, and
    those from one address a quarter; when these are taken, the stranger that has waited the longest for its own request
    has to go. Where all strangers are served just now, the next one is let in on trial: only to show that it is known.
    So nobody can hold the others up by keeping connections, and whoever logs in has the other half.

    A trusted proxy's connections carry many people's requests. Before a request they count among all strangers alone;
    with each request they become those of the one who sends it, a stranger again.

    :param files: how many files this process may have open; connections take a quarter
    """

    def __init__(self, files: int | None = None) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if files is None else files
        self.most = MOST if files == resource.RLIM_INFINITY else min(MOST, max(LEAST, files // 4))
        self.strangers = self.most // 2
        self.each = self.most // 4
        self.trials = self.most // 8
        self.known_each = self.most // 2
        self._places: dict[Place, None] = {}
        self._strangers: Counter[str] = Counter()
        self._known: Counter[str] = Counter()

    def admit(self, group: str, end: Callable[[], object], *, shared: bool = False) -> Place:
        """Give a connection a place, of a stranger for now.

        :param shared: whether it is a trusted proxy's, so that its address has no bound
        :raises Refusal: there is none
        """
        trial = self._make_room(None if shared else group)
        on_trial = [place for place in self._places if place.trial]
        if trial and len(on_trial) >= self.trials:
            self._end(on_trial[0])
        if len(self._places) >= self.most and not self._evict():
            raise Refusal(503, "too many connections")
        place = Place(group, trial, end)
        self._places[place] = None
        if not trial:
            self._strangers[group] += 1
        return place

    def move(self, place: Place, group: str) -> None:
        """Count a connection for another address, as a stranger's until it has shown again that it is known."""
        if place in self._places:
            self._count_out(place)
            place.group, place.known = group, False
            place.trial = self._make_room(group)
            if not place.trial:
                self._strangers[group] += 1

    def know(self, place: Place) -> bool:
        """Note that this connection's client has shown who it is; tell whether it may be served.

        Where its address has many that are known, it stays a stranger's.
        """
        if place in self._places and not place.known and self._known[place.group] < self.known_each:
            self._count_out(place)
            place.known, place.trial = True, None
            self._known[place.group] += 1
        return place.trial is None

    def leave(self, place: Place) -> None:
        """Give a place back; a second time changes nothing."""
        if place in self._places:
            del self._places[place]
            self._count_out(place)

    def _make_room(self, group: str | None) -> Refusal | None:
        """Make room for one more stranger, of this address; return what it is answered where there is none."""
        if group is not None and self._strangers[group] >= self.each and not self._evict(group):
            return Refusal(429, "too many connections from this address")
        if self._strangers.total() >= self.strangers and not self._evict():
            return Refusal(503, "too many connections")
        return None

    def _evict(self, group: str | None = None) -> bool:
        """End the stranger that has waited the longest, of this address or of the one that has the most."""
        waiting = [
            place
            for place in self._places
            if place.evictable and not place.known and not place.trial and group in {None, place.group}
        ]
        if waiting:
            self._end(max(waiting, key=lambda place: self._strangers[place.group]))  # the first of them, the oldest
        return bool(waiting)

    def _end(self, place: Place) -> None:
        self.leave(place)
        place.end()

    def _count_out(self, place: Place) -> None:
        if not place.trial:
            counts = self._known if place.known else self._strangers
            counts[place.group] -= 1
            counts += Counter()  # leaves out those that have none


def plain_address(host: str) -> str:
    """Return a socket's address without a zone, and as IPv4 where IPv6 only carries it."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def group_of(host: str) -> str:
    """Return what stands for an address where one is counted: itself, or its network of 64 bits, which one person has.

    :param host: as ``plain_address`` returns it, or ``unix``
    """
    if host == UNIX:
        return host
    address = ipaddress.ip_address(host)
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
