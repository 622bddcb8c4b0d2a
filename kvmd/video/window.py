"""How many pictures may be on their way to a viewer that confirms them."""

from __future__ import annotations

import math

LEAST, MOST = 2, 16
"""Pictures on their way."""
SLACK = 0.05
"""Seconds by which a picture may take longer than the fastest one, and nothing is taken to queue up."""
MEMORY = 30.0
"""Seconds after which the fastest time is measured anew; the one before counts for as long again."""


class Window:
    """Pictures that were sent and are not confirmed: two at first, and more while they do not slow each other down.

    Where a network, or the buffers of a proxy, holds pictures back, each takes longer than the one before; then fewer
    are let go. So a viewer is never behind by more than a few pictures, and one that is far away still gets all.
    """

    def __init__(self) -> None:
        self._size = LEAST
        self._sent: dict[int, float] = {}
        self._best = self._best_before = math.inf
        self._since = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether one more may be sent."""
        return len(self._sent) < self._size

    def sent(self, number: int, now: float) -> None:
        """Note that a picture was sent."""
        self._sent[number] = now

    def seen(self, number: int, now: float) -> None:
        """Note that a picture was confirmed, and with it all that were sent before it; others are no error."""
        if number not in self._sent:
            return
        for earlier in list(self._sent):
            begun = self._sent.pop(earlier)
            if earlier == number:
                self._judge(now - begun, now)
                return

    def _judge(self, took: float, now: float) -> None:
        if now - self._since > MEMORY:
            self._best_before, self._best, self._since = self._best, took, now
        self._best = min(self._best, took)
        if took <= min(self._best, self._best_before) * 1.25 + SLACK:
            self._size = min(MOST, self._size + 1)
        else:
            self._size = max(LEAST, self._size // 2)
