"""The audit: who did what, from where; never what was typed.

In the log, a line each, whose parts are fields of their own in systemd's journal (``KVMD_WHAT``, ``KVMD_WHO``,
``KVMD_FROM``), and the newest in memory for admins. What strangers can cause has a bound in both.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from datetime import UTC, datetime
from itertools import chain
from typing import Literal

import msgspec

from kvmd.access.grant import Grant
from kvmd.system.logs import SparingLog, printable

logger = logging.getLogger("kvmd.audit")

What = Literal["login", "logout", "refusal", "users", "edid", "power", "keyboard", "typing"]

KEPT = 1000
KEPT_APART = 200
"""Entries in memory; refusals, which strangers can cause, and hand-overs, which cost nothing, push out no others."""
PAUSE = 900.0
"""Seconds without a key or a click after which typing begins anew."""
TYPISTS = 256


class Entry(msgspec.Struct, frozen=True):
    """Something that somebody did, or was refused.

    :param at: by the wall clock
    :param who: a user's name as it was given, or which API key
    :param address: where from
    """

    at: datetime
    what: What
    who: str
    address: str
    detail: str


class Audit:
    """Notes who did what."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._apart: dict[str, deque[Entry]] = {what: deque(maxlen=KEPT_APART) for what in ("refusal", "keyboard")}
        self._typed: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._sparing = SparingLog(logger)

    def note(self, what: What, who: str, address: str, detail: str) -> None:
        """Note what somebody did.

        :param detail: in words, such as "logged in"
        """
        entry = Entry(datetime.now(UTC), what, printable(who), address, detail)
        fields = {"KVMD_WHAT": what, "KVMD_WHO": entry.who, "KVMD_FROM": address}
        line = ("%s: '%s' from %s: %s", what, entry.who, address or "here", detail)
        apart = self._apart.get(what)
        if apart is not None:
            apart.append(entry)
            self._sparing.log(logging.WARNING if what == "refusal" else logging.INFO, what, *line, fields=fields)
        else:
            self._entries.append(entry)
            logger.info(*line, extra={"journal": fields})

    def typed(self, grant: Grant) -> None:
        """Note that somebody begins to type or to point; called with each key and click, and notes the first alone."""
        now = time.monotonic()
        with self._lock:
            before, _ = self._typed.pop(grant.client, (None, ""))
            self._typed[grant.client] = now, grant.who
            if len(self._typed) > TYPISTS:
                self._typed.popitem(last=False)
        if before is None or now - before > PAUSE:
            self.note("typing", grant.who, grant.address, "began to type or point")

    def typists(self, seconds: float) -> dict[str, str]:
        """Return who typed or clicked within so many seconds: the names for people, by those of the clients."""
        since = time.monotonic() - seconds
        with self._lock:
            return {client: who for client, (last, who) in self._typed.items() if last > since}

    def entries(self) -> list[Entry]:
        """Return what is known still, the oldest first."""
        return sorted(chain(self._entries, *self._apart.values()), key=lambda entry: entry.at)
