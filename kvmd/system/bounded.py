"""Calls of what may hang: a driver's or plug-in's function, in a thread of its own, waited for only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from kvmd.errors import Unavailable
from kvmd.system.pulse import Beat, Pulse

T = TypeVar("T")

PLACES = 4
"""Calls at once, beyond which it is refused: what hangs costs no more threads than that."""


class Bounded:
    """Calls functions of one driver or plug-in; its pulse tells when one does not come back.

    :param name: whose they are, for messages
    :param vital: as of ``Pulse``
    """

    def __init__(self, name: str, vital: bool = True) -> None:
        self.name = name
        self.pulse = Pulse(name, vital)
        self._calls: dict[Future[Any], Beat] = {}
        self._places = threading.Semaphore(PLACES)
        self._lock = threading.Lock()

    def call(self, doing: str, seconds: float, function: Callable[[], T]) -> T:
        """Return what the function does, or raise what it raises.

        :param doing: what it is, for messages
        :param seconds: how long to wait for it; it goes on after that, and nobody minds what comes of it
        :raises Unavailable: it did not come back in time, or others before it hang
        """
        if not self._places.acquire(timeout=0 if self._hangs() else seconds):
            raise Unavailable(f"{self.name}: {doing} is not tried: {PLACES} calls before it have not come back")
        future: Future[T] = Future()
        try:
            threading.Thread(
                target=self._run,
                args=(future, partial(copy_context().run, function), doing, seconds),
                name=f"kvmd-call {self.name} {doing}",
                daemon=True,
            ).start()
        except RuntimeError as error:  # the system has no thread left
            self._places.release()
            raise Unavailable(f"{self.name}: {doing} is not tried: {error}") from error
        wait([future], seconds)
        if not future.done():
            raise Unavailable(f"{self.name}: {doing} did not come back within {seconds:g} s")
        return future.result()

    def _run(self, future: Future[T], function: Callable[[], T], doing: str, seconds: float) -> None:
        with self._lock:
            self._calls[future] = Beat.now(doing, seconds)
            self._show()
        try:
            result = function()
        except Exception as error:  # it belongs to who called
            self._forget(future)
            future.set_exception(error)
        except BaseException as error:  # such as SystemExit, which must end nobody else's thread
            self._forget(future)
            future.set_exception(RuntimeError(f"it raised {type(error).__name__}: {error}"))
        else:
            self._forget(future)
            future.set_result(result)

    def _hangs(self) -> bool:
        """Tell whether a call has not come back in its time."""
        oldest = self.pulse.last
        return oldest is not None and time.monotonic() > oldest.moment + oldest.seconds

    def _forget(self, future: Future[T]) -> None:
        with self._lock:
            self._calls.pop(future)
            self._show()
        self._places.release()

    def _show(self) -> None:
        """Let the pulse be that of the oldest call, which is the one that hangs."""
        self.pulse.last = next(iter(self._calls.values()), None)
