"""Answers that cannot be used, told once: a bad line has several a second."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

CALM = 60.0
"""Seconds without a bad answer after which the line counts as good again."""


class Trouble:
    """A line's bad answers: the log has the first, and in the end how many they were.

    :param port: its name, for people
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._count = 0
        self._last = 0.0

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of it, and do."""
        if not self._count:
            return ()
        return (
            f"the serial line on {self._port} is bad, keys may be late or lost: see that its wires are short and firm, "
            "or set a lower speed in set_baud; the daemon's log says what comes",
        )

    def add(self, error: Exception) -> None:
        """Count a bad answer."""
        if not self._count:
            logger.warning("the line on %s is bad: %s; more of it is counted, not told", self._port, error)
        self._count += 1
        self._last = time.monotonic()

    def rest(self) -> None:
        """Have it end, once there was none for a while."""
        if self._count and time.monotonic() - self._last > CALM:
            logger.warning("the line on %s is good again, after %d bad answers", self._port, self._count)
            self._count = 0
