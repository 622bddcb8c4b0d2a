"""At most so many in so much time, of each kind apart: for what strangers can cause.

Our own, where `limits` would do: that counts by the wall clock, which jumps on boards without a battery-backed one, and
importing it took 0.8 s of a slow board's start.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable


class Rate:
    """Counts events in a window that slides, by the monotonic clock.

    :param most: events of one kind within the window
    :param window: its length, in seconds
    :param kinds: how many kinds are remembered; the one that was quiet for longest is forgotten first
    """

    def __init__(self, most: int, window: float, kinds: int = 4096) -> None:
        self._most = most
        self._window = window
        self._kinds = kinds
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, kind: Hashable) -> float:
        """Return in how many seconds one more would be within the limit; 0 where it is now."""
        with self._lock:
            return self._wait(kind, time.monotonic())

    def take(self, kind: Hashable) -> float:
        """Count one more where it is within the limit, as ``wait`` tells; what is beyond it is not counted."""
        with self._lock:
            now = time.monotonic()
            wait = self._wait(kind, now)
            if not wait:
                self._times.setdefault(kind, deque()).append(now)
                self._times.move_to_end(kind)
                self._forget(now)
            return wait

    def give_back(self, kind: Hashable) -> None:
        """Take the latest of a kind off the count, as if it had not been."""
        with self._lock:
            times = self._times.get(kind)
            if times:
                times.pop()
            if not times:
                self._times.pop(kind, None)

    def _wait(self, kind: Hashable, now: float) -> float:
        times = self._times.get(kind, deque())
        while times and times[0] <= now - self._window:
            times.popleft()
        return times[0] + self._window - now if len(times) >= self._most else 0.0

    def _forget(self, now: float) -> None:
        """Drop the kinds that are quiet by now, and as many more as there is no room for."""
        while self._times:
            kind, times = next(iter(self._times.items()))
            if len(self._times) <= self._kinds and times and times[-1] > now - self._window:
                return
            del self._times[kind]
