"""The threads in which the app is asked: some for strangers, and others that only those who are logged in can take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kvmd.front.request import Refusal
from kvmd.system.pulse import Pulse

T = TypeVar("T")

KNOWN_THREADS = 12
STRANGERS_THREADS = 4
WAITING = 8
"""Requests for each thread, with the one in work, beyond which the next one is refused."""


class Pool:
    """A few threads, and as many requests as they can get done soon.

    Its pulse beats while no thread is free, each time one ends a request: without that none answers any more.

    :param name: of the threads
    :param whose: requests, for people
    :param threads: how many; each is started when it is first needed
    """

    def __init__(self, name: str, whose: str, threads: int) -> None:
        self.pulse = Pulse(f"web requests of {whose}")
        self._threads = threads
        self._room = threads * WAITING
        self._taken = 0
        self._working = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, name)

    async def run(self, work: Callable[[], T]) -> T:
        """Run this in a thread, and return what it returns.

        :raises Refusal: too much is waiting already
        """
        with self._lock:
            if self._taken >= self._room:
                raise Refusal(503, "too many requests are in work")
            self._taken += 1
        try:
            future = self._executor.submit(self._work, work)
        except RuntimeError as error:  # no thread can be started, or the end has come
            self._release()
            raise Refusal(503, f"no thread for this request: {error}") from error
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take nothing any more; what is in work goes on, nobody waits for it."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _work(self, work: Callable[[], T]) -> T:
        self._count(1)
        try:
            return work()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._working += change
            if self._working == self._threads:
                self.pulse.beat("no thread is free")
            else:
                self.pulse.rest()

    def _release(self, _: Future[T] | None = None) -> None:
        with self._lock:
            self._taken -= 1


class Pools:
    """One for strangers, and one for the others: neither's requests wait behind the other's."""

    def __init__(self) -> None:
        self.known = Pool("kvmd-web", "those who are logged in", KNOWN_THREADS)
        self.strangers = Pool("kvmd-web-strangers", "strangers", STRANGERS_THREADS)

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of both."""
        return [self.known.pulse, self.strangers.pulse]

    def close(self) -> None:
        """Take nothing any more."""
        self.known.close()
        self.strangers.close()
