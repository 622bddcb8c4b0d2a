"""Sessions: who has logged in, since when, and why some have ended.

Tokens are random and long, and live in memory: a restart ends every session.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime

import msgspec

from kvmd.access.credentials import digest

MOST = 100
"""Beyond which the one that was quiet for longest ends."""
REMEMBERED = 200
"""Sessions that have ended of which the reason is known still."""


class Session(msgspec.Struct):
    """A login that has not ended.

    :param stamp: the hash of the password that was shown; None where a plug-in has judged it
    :param address: where it was begun
    :param began: by the wall clock, for showing
    :param begun: in seconds of ``time.monotonic()``
    :param used: when it was used last, in the same
    """

    user: str
    stamp: str | None
    address: str
    began: datetime
    begun: float
    used: float

    @property
    def idle(self) -> float:
        """Seconds since it was used last."""
        return round(time.monotonic() - self.used, 1)


class Sessions:
    """All of them.

    :param idle: seconds without use after which one ends
    :param longest: seconds after which one ends, however much it is used
    """

    def __init__(self, idle: float, longest: float) -> None:
        self._idle = idle
        self._longest = longest
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, user: str, stamp: str | None, address: str) -> tuple[str, str | None]:
        """Begin a session.

        :return: its token, and whose session ended for it, if one did
        """
        token, now = secrets.token_hex(16), time.monotonic()
        with self._lock:
            for client in list(self._sessions):
                self._look(client, now)
            crowded_out = None
            if len(self._sessions) >= MOST:
                client, session = next(iter(self._sessions.items()))
                self._end(client, f"there were {MOST} sessions, and this one was quiet for longest")
                crowded_out = session.user
            self._sessions[client_of(token)] = Session(user, stamp, address, datetime.now(UTC), now, now)
        return token, crowded_out

    def use(self, client: str) -> Session | None:
        """Return a session that has not ended, and note that it is used."""
        now = time.monotonic()
        with self._lock:
            session = self._look(client, now)
            if session:
                session.used = now
                self._sessions.move_to_end(client)
            return session

    def end(self, client: str, why: str) -> Session | None:
        """End a session, for this reason; None where there was none."""
        with self._lock:
            return self._end(client, why)

    def why_ended(self, client: str) -> str:
        """Tell why a session is not there, in words that follow "the session has ended: "."""
        return self._ended.get(client, "it is not known here, as after a restart")

    def all(self) -> dict[str, Session]:
        """List those that have not ended, by their clients' names, the one that was used last at the end."""
        now = time.monotonic()
        with self._lock:
            return {client: session for client in list(self._sessions) if (session := self._look(client, now))}

    def _look(self, client: str, now: float) -> Session | None:
        session = self._sessions.get(client)
        if session and now - session.begun >= self._longest:
            self._end(client, f"it lasted for {_duration(self._longest)}, the longest that is set")
        elif session and now - session.used >= self._idle:
            self._end(client, f"it was not used for {_duration(self._idle)}")
        return self._sessions.get(client)

    def _end(self, client: str, why: str) -> Session | None:
        session = self._sessions.pop(client, None)
        if session:
            self._ended[client] = why
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
        return session


def client_of(token: str) -> str:
    """Name a session in logs and tables without giving its token away."""
    return f"session:{digest(token)[:32]}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
