"""How tests wait: for the event itself, and for as long as this machine may need for it.

A wait costs nothing where its event comes, so it is long, and the longer the slower the machine is.
"""

import os
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")

LIMIT = 300.0
"""Seconds after which an event will not come any more, on an idle machine of the usual speed."""
SAMPLE = 0.25
"""Seconds for which the machine's speed is measured."""
ROUNDS = 5_000 if os.environ.get("KVMD_LAB") == "guest" else 50_000
"""Rounds of work a second on an idle machine of the usual speed; the guest of the kernel tests is emulated."""
SLOWEST = 10.0
"""A machine that seems to be slower than that was held up for a moment."""


def slowness() -> float:
    """Measure how much longer everything takes now than on an idle machine of the usual speed: 1 to 10 times."""
    begin = time.monotonic()
    rounds = 0
    while (passed := time.monotonic() - begin) < SAMPLE:
        sum(range(1000))
        rounds += 1
    return min(max(1.0, ROUNDS * passed / rounds), SLOWEST)


@cache
def patience() -> float:
    """How long to wait for an event at most, in seconds, as this machine was when that was first asked."""
    return LIMIT * slowness()


def moment(seconds: float) -> float:
    """Return what is so many seconds on an idle machine of the usual speed, for deadlines that a test shortens."""
    return seconds * patience() / LIMIT


class Deadline:
    """A point in time that moves away while the machine is slow.

    :param seconds: how far it is away on an idle machine of the usual speed
    """

    def __init__(self, seconds: float = LIMIT) -> None:
        self.seconds = seconds
        self._begin = time.monotonic()
        self._limit = patience() / LIMIT * seconds

    def passed(self) -> bool:
        """Tell whether it has passed, also by the speed that the machine has now."""
        waited = time.monotonic() - self._begin
        if waited > self._limit:
            self._limit = max(self._limit, slowness() * self.seconds)
        return waited > self._limit

    def __str__(self) -> str:
        return f"{self._limit:.0f} s"


def eventually(probe: Callable[[], T | None], what: str, pause: float = 0.05) -> T:
    """Ask until the answer is true.

    :param what: what is being waited for, for the message
    :param pause: seconds between two questions at least; one that takes longer than this is asked as much less often
    :return: the first true answer
    :raise TimeoutError: it did not come
    """
    deadline = Deadline()
    while True:
        asked = time.monotonic()
        if answer := probe():
            return answer
        if deadline.passed():
            raise TimeoutError(f"waited {deadline} for {what}; the last answer was {answer!r}")
        # what is waited for needs the processor too
        time.sleep(max(pause, time.monotonic() - asked))
