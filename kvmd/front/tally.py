"""What would be logged too often is logged once, and from then on as a count."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two messages of one kind."""


class Tally:
    """Counts what happens, by kind."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def note(self, kind: str, detail: object = "") -> None:
        """Log this, unless it was logged a short while ago; then it is counted.

        :param kind: what happened, in words; there are few of them
        :param detail: of this once
        """
        now = time.monotonic()
        if now - self._told.get(kind, -EVERY) >= EVERY:
            self._tell(kind, f"; {self._untold.pop(kind)} times more before" if kind in self._untold else "", detail)
            self._told[kind] = now
        else:
            self._untold[kind] = self._untold.get(kind, 0) + 1

    def flush(self, now: float) -> None:
        """Log the counts that are due."""
        for kind in [kind for kind in self._untold if now - self._told[kind] >= EVERY]:
            self._tell(kind, f"; {self._untold.pop(kind)} times more", "")
            self._told[kind] = now

    def _tell(self, kind: str, count: str, detail: object) -> None:
        logger.warning("%s%s%s", kind, f": {detail}" if detail else "", count)
