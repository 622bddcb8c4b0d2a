"""The threads in which the app is asked: some for strangers, and others that only those who are logged in can take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kvmd.front.request import Refusal

T = TypeVar("T")

KNOWN_THREADS = 12
STRANGERS_THREADS = 4
WAITING = 8
"""Requests for each thread, with the one in work, beyond which the next one is refused."""


class Pool:
    """A few threads, and as many requests as they can get done soon.

    :param threads: how many; each is started when it is first needed
    """

    def __init__(self, name: str, threads: int) -> None:
        self._room = threads * WAITING
        self._taken = 0
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
            future = self._executor.submit(work)
        except RuntimeError as error:  # no thread can be started, or the end has come
            self._release()
            raise Refusal(503, f"no thread for this request: {error}") from error
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take nothing any more; what is in work goes on, nobody waits for it."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: Future[T] | None = None) -> None:
        with self._lock:
            self._taken -= 1


class Pools:
    """One for strangers, and one for the others: neither's requests wait behind the other's."""

    def __init__(self) -> None:
        self.known = Pool("kvmd-web", KNOWN_THREADS)
        self.strangers = Pool("kvmd-web-strangers", STRANGERS_THREADS)

    def close(self) -> None:
        """Take nothing any more."""
        self.known.close()
        self.strangers.close()
