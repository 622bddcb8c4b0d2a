"""Slowing down those who guess passwords, and those who keep the hash busy."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kvmd.errors import AuthError, TooManyAttempts
from kvmd.system.delays import Delays
from kvmd.system.rate import Rate

FOR_ONE_USER = 5
"""Wrong logins for one user name from one network before the first delay, which doubles with each further one."""
FOR_ALL_USERS = 20
"""The same, whatever the user names."""
LONGEST = 60.0
FORGOTTEN = 900.0
"""Seconds: the longest delay, and after how many without a wrong login all are forgotten."""
AT_KNOWN = 30
WINDOW = 60.0
"""Wrong passwords of a user from one network within these seconds, beyond which not even a known one is compared."""

AT_ONCE = 2
"""Passwords that are hashed at once; each takes 64 MiB and a core (argon2-cffi's default, RFC 9106 section 4)."""
WAITING = 2
"""Requests that wait for their turn; each holds a thread of the web server."""
TURN = 2.0
"""Seconds for which they do."""


class Limiter:
    """Decides which password may be looked at."""

    def __init__(self) -> None:
        self._for_one_user = Delays(FOR_ONE_USER, LONGEST, FORGOTTEN)
        self._for_all_users = Delays(FOR_ALL_USERS, LONGEST, FORGOTTEN)
        self._at_known = Rate(AT_KNOWN, WINDOW)
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def attempt(self, user: str, network: str) -> Iterator[None]:
        """Look at a password inside of this; it counts as wrong unless the block ends without ``AuthError``.

        :raises TooManyAttempts: it must not be looked at: too many were wrong, or too many are in work
        """
        counts = ((self._for_one_user, (user, network)), (self._for_all_users, network))
        _refuse(max(delays.wait(kind) for delays, kind in counts))
        with self._turn():
            # Counted before it is known to be wrong, so that guesses in parallel do not get by.
            _refuse(self._for_one_user.take((user, network)))
            wait = self._for_all_users.take(network)
            if wait:
                self._for_one_user.give_back((user, network))
            _refuse(wait)
            try:
                yield
            except AuthError:
                raise
            except BaseException:
                _give_back(counts)
                raise
            _give_back(counts)

    def refuse_guesses_at_known(self, user: str, network: str) -> None:
        """Refuse to compare with passwords that are known to be right, which is quick and so has a limit of its own.

        :raises TooManyAttempts: too many were wrong
        """
        _refuse(self._at_known.wait((user, network)))

    def count_guess_at_known(self, user: str, network: str) -> None:
        """Count a password that was none of the known ones."""
        self._at_known.take((user, network))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for one of the places in which passwords are hashed; no lock is held meanwhile.

        :raises TooManyAttempts: there are others enough
        """
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            if not self._turns.acquire(timeout=TURN):
                raise _busy()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()


def network_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 that a host of IPv6 has to itself (RFC 4291, 2.5.4).

    An IPv4 address that is written as one of IPv6 is that IPv4 address (RFC 4291, section 2.5.5.2).
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))


def _give_back(counts: tuple[tuple[Delays, object], ...]) -> None:
    for delays, kind in counts:
        delays.give_back(kind)


def _refuse(wait: float) -> None:
    if wait:
        wait = max(1.0, wait)
        raise TooManyAttempts(f"too many wrong logins; try again in {math.ceil(wait)} s", wait)


def _busy() -> TooManyAttempts:
    return TooManyAttempts(f"too many logins at once; try again in {TURN:.0f} s", TURN)
