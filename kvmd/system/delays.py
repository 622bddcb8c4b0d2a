"""Delays that grow with each failure, of each kind apart: for what strangers can try."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple


class _Failures(NamedTuple):
    times: int
    last: float


class Delays:
    """Counts failures and says how long to wait after them, by the monotonic clock.

    :param free: failures after which nothing has to be waited
    :param longest: seconds of a delay; the first is one second, and each is twice the one before
    :param forgotten: seconds without a failure after which they are forgotten
    :param kinds: how many kinds are remembered; the one that was quiet for longest is forgotten first
    """

    def __init__(self, free: int, longest: float, forgotten: float, kinds: int = 4096) -> None:
        self._free = free
        self._longest = longest
        self._forgotten = forgotten
        self._kinds = kinds
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, kind: Hashable) -> float:
        """Return in how many seconds the next try is allowed; 0 where it is now."""
        with self._lock:
            return self._wait(kind, time.monotonic())

    def take(self, kind: Hashable) -> float:
        """Count a failure where a try is allowed, as ``wait`` tells; what is not allowed is not counted."""
        with self._lock:
            now = time.monotonic()
            wait = self._wait(kind, now)
            if not wait:
                self._failures[kind] = _Failures(self._count(kind) + 1, now)
                self._failures.move_to_end(kind)
                if len(self._failures) > self._kinds:
                    self._failures.popitem(last=False)
            return wait

    def give_back(self, kind: Hashable) -> None:
        """Take the latest failure off the count, as if it had not been; the delay is that of those before it."""
        with self._lock:
            known = self._failures.get(kind)
            if known and known.times > 1:
                self._failures[kind] = known._replace(times=known.times - 1)
            else:
                self._failures.pop(kind, None)

    def _count(self, kind: Hashable) -> int:
        known = self._failures.get(kind)
        return known.times if known else 0

    def _wait(self, kind: Hashable, now: float) -> float:
        known = self._failures.get(kind)
        if known and now - known.last >= max(self._forgotten, self._longest):
            del self._failures[kind]
            known = None
        if not known or known.times < self._free:
            return 0.0
        delay = min(2.0 ** min(known.times - self._free, 60), self._longest)
        return max(0.0, known.last + delay - now)
