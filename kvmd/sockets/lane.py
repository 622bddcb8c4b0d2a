"""What one socket asks for and what may block, such as typing: done in threads, and nothing of it late."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

import msgspec

from kvmd.errors import Busy, Cancelled, DriverError, KvmdError, RequestError, Taken, Unavailable, Unsupported
from kvmd.sockets.messages import Input, Point, Power, Release, ReleaseAll, Text, Turns, Why
from kvmd.system.clock import milliseconds

LATE = 2.0
"""Seconds after which nothing is done any more."""
EARLY = 0.25
"""Seconds by which a client's idea of our clock may be ahead of it."""

Order = Input | Turns | Power | Text
Outcome = str | BaseException | None
"""What was done, in words, or why it was not; None: it goes on elsewhere, and is answered there."""

_REASONS: list[tuple[type[KvmdError], Why]] = [
    (RequestError, Why.MALFORMED),
    (Unsupported, Why.UNSUPPORTED),
    (Busy, Why.BUSY),
    (Taken, Why.TAKEN),
    (Cancelled, Why.CANCELLED),
    (DriverError, Why.OFFLINE),
    (Unavailable, Why.OFFLINE),
]


class Refusal(Exception):
    """Something is not done."""

    def __init__(self, reason: Why, info: str) -> None:
        super().__init__(info)
        self.reason = reason


def refusal_of(error: BaseException) -> Refusal | None:
    """Return how this is told to a client; None for what is a fault of ours."""
    if isinstance(error, Refusal):
        return error
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
    return Refusal(reason, str(error)) if reason else None


class Entry:
    """Something that waits for its turn.

    :param order: what is asked
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.ids = [order.id] if order.id is not None else []
        self._came = milliseconds(time.monotonic())

    @property
    def left(self) -> float:
        """Seconds before it is late."""
        return LATE - self._age / 1000

    def check(self) -> None:
        """Refuse what was meant too long ago; letting go never is.

        :raises Refusal: it was
        """
        if isinstance(self.order, Release | ReleaseAll):
            return
        age = self._age
        if age > LATE * 1000:
            raise Refusal(Why.LATE, f"it was meant {age / 1000:.1f} s ago; after {LATE:g} s nothing is done any more")
        if age < -EARLY * 1000:
            raise Refusal(Why.EARLY, f"at is {-age / 1000:.1f} s ahead of the daemon's clock")

    @property
    def _age(self) -> float:
        """Milliseconds since it was meant."""
        return milliseconds(time.monotonic()) - (self._came if self.order.at is None else self.order.at)

    def merge(self, later: Entry) -> bool:
        """Make one move of two; tell whether that can be."""
        merged = _merge(self.order, later.order)
        if merged:
            self.order, self._came = merged, later._came
            self.ids += later.ids
        return merged is not None


class Lane:
    """Does what is asked, in order; its methods run in the loop.

    :param pool: has the threads
    :param work: does what is asked, in a thread, and returns what came of it
    :param told: learns what came of an entry: this, or an error
    :param most: entries that may wait
    :param at_once: entries that may be in work; where it is 1, none begins before the one before has ended
    """

    def __init__(
        self,
        pool: Executor,
        work: Callable[[Entry], str | None],
        told: Callable[[Entry, Outcome], None],
        most: int,
        at_once: int = 1,
    ) -> None:
        self._pool = pool
        self._work = work
        self._told = told
        self._most = most
        self._waiting: deque[Entry] = deque()
        self._at_once = at_once
        self._working = 0

    def add(self, order: Order) -> None:
        """Do this when its turn comes.

        Where too much waits, it is refused; to let go, all that waits is.
        """
        entry = Entry(order)
        if self._waiting and self._waiting[-1].merge(entry):
            return
        if len(self._waiting) >= self._most:
            full = Refusal(Why.FULL, f"{self._most} inputs wait already for the device")
            if not isinstance(order, Release | ReleaseAll):
                self._told(entry, full)
                return
            entry.order = ReleaseAll(id=order.id)
            waiting = list(self._waiting)
            self.clear()
            for each in waiting:
                self._told(each, full)
        self._waiting.append(entry)
        self._go_on()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def _go_on(self) -> None:
        while self._waiting and self._working < self._at_once:
            entry = self._waiting.popleft()
            try:
                done = asyncio.get_running_loop().run_in_executor(self._pool, self._work, entry)
            except RuntimeError as error:  # no thread can be started, or the end has come
                self._told(entry, error)
                continue
            self._working += 1
            done.add_done_callback(partial(self._done, entry))

    def _done(self, entry: Entry, future: asyncio.Future[str | None]) -> None:
        self._working -= 1
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        self._told(entry, error or future.result())
        self._go_on()


def _merge(one: Order, other: Order) -> Order | None:
    if not (isinstance(one, Point) and isinstance(other, Point) and one.is_move and other.is_move):
        return None
    if one.is_absolute and other.is_absolute:
        return other
    if one.is_relative and other.is_relative:
        dx, dy = (one.dx or 0) + (other.dx or 0), (one.dy or 0) + (other.dy or 0)
        return msgspec.structs.replace(other, dx=dx, dy=dy)
    return None
