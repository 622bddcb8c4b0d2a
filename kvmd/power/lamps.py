"""What the lamps on a computer's front say: on, off, sleeping, disk activity. Pure: the time comes from outside."""

from __future__ import annotations

from collections import deque

from kvmd.contract.reports import PowerState

EDGES = 3
WINDOW = 5.0
"""A power lamp that changes so often within so many seconds blinks. Boards blink with periods of 1 to 4 s; switching a
computer off and on again takes two changes."""

CALM = 2.5
"""Seconds without a change after which a lamp blinks no more."""

AFTERGLOW = 0.3
"""Seconds for which a disk is active after its lamp changed: people look at it, and it flickers."""


class Lamps:
    """Follows both lamps; times are in seconds of ``time.monotonic()``."""

    def __init__(self) -> None:
        self._lit: bool | None = None
        self._edges: deque[float] = deque(maxlen=EDGES)
        self._disk: bool | None = None
        self._disk_changed = -AFTERGLOW

    def see(self, power: bool | None, disk: bool | None, changed: bool, now: float) -> None:
        """Take a look at the lamps.

        :param power: whether the power lamp is lit; None where there is none
        :param disk: the same of the disk lamp
        :param changed: whether the driver says that one of them changed since the last look, be it only briefly
        """
        power_changed = power is not self._lit
        if power_changed and self._lit is not None:
            self._edges.append(now)
        if disk is not None and (disk is not self._disk or (changed and not power_changed)) and self._disk is not None:
            self._disk_changed = now
        self._lit, self._disk = power, disk

    def power(self, now: float) -> PowerState:
        """Return what the power lamp says."""
        if self._lit is None:
            return PowerState.UNKNOWN
        if self._blinks(now):
            return PowerState.SLEEPING
        return PowerState.ON if self._lit else PowerState.OFF

    def disk_active(self, now: float) -> bool | None:
        """Tell whether the disk works; None where no lamp says so."""
        if self._disk is None:
            return None
        return self._disk or now - self._disk_changed < AFTERGLOW

    def _blinks(self, now: float) -> bool:
        edges = self._edges
        return len(edges) == EDGES and edges[-1] - edges[0] < WINDOW and now - edges[-1] < CALM
