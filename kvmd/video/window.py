"""How many pictures may be on their way to a viewer that confirms them."""

from __future__ import annotations

import math

LEAST, MOST = 2, 16
"""Pictures on their way."""
SLACK = 0.05
"""Seconds by which a picture may take longer than one that is alone, and nothing is taken to queue up."""
MEMORY = 60.0
"""Seconds after which it is measured anew how long one takes that is alone on its way."""


class Window:
    """Pictures that were sent and are not confirmed: two at first, and more while they do not slow each other down.

    Where a network, or the buffers of a proxy, holds pictures back, each takes longer than the one before; then fewer
    are let go. So a viewer is never behind by more than a few pictures, and one that is far away still gets all. They
    are compared with a picture that was alone on its way; where there was none for long, all others wait for one.
    """

    def __init__(self) -> None:
        self._size = LEAST
        self._sent: dict[int, tuple[float, bool]] = {}
        self._alone = math.inf
        self._measured = -math.inf
        self._measuring = False

    @property
    def is_open(self) -> bool:
        """Whether one more may be sent."""
        return len(self._sent) < (1 if self._measuring else self._size)

    def sent(self, number: int, now: float) -> None:
        """Note that a picture was sent."""
        self._sent[number] = now, not self._sent

    def seen(self, number: int, now: float) -> None:
        """Note that a picture was confirmed, and with it all that were sent before it; others are no error."""
        if number not in self._sent:
            return
        for earlier in list(self._sent):
            since, was_alone = self._sent.pop(earlier)
            if earlier == number:
                self._judge(now - since, was_alone, now)
                return

    def _judge(self, took: float, was_alone: bool, now: float) -> None:
        as_usual = took <= self._alone * 1.25 + SLACK
        if was_alone and (as_usual or self._measuring):
            self._alone = took if self._measuring else min(self._alone, took)
            self._measured, self._measuring = now, False
        else:
            self._measuring = self._measuring or now - self._measured > MEMORY
        self._size = min(MOST, self._size + 1) if as_usual else max(LEAST, self._size // 2)
