"""Calls of what may hang: a driver's or plug-in's function, in a thread of its own, waited for only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from kvmd.errors import Unavailable
from kvmd.system.pulse import Beat, Pulse

T = TypeVar("T")

PLACES = 4
"""Calls at once, beyond which it is refused: what hangs costs no more threads than that."""

KEPT = 10.0
"""Seconds for which a thread waits for the next call: to hand one over is quicker than to start a thread for it."""


class _Call(Generic[T]):
    """A call, and what comes of it."""

    def __init__(self, function: Callable[[], T], doing: str, seconds: float) -> None:
        self.doing = doing
        self.seconds = seconds
        self.over = threading.Lock()
        self.over.acquire()
        self._function: Callable[[], T] = function
        self._result: T
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:  # it belongs to who called
            self._error = error
        except BaseException as error:  # such as SystemExit, which must end nobody else's thread
            self._error = RuntimeError(f"it raised {type(error).__name__}: {error}")

    def result(self) -> T:
        if self._error:
            raise self._error
        return self._result


class Bounded:
    """Calls functions of one driver or plug-in; its pulse tells when one does not come back.

    :param name: whose they are, for messages
    :param vital: as of ``Pulse``
    """

    def __init__(self, name: str, vital: bool = True) -> None:
        self.name = name
        self.pulse = Pulse(name, vital)
        self._places = threading.Semaphore(PLACES)
        self._handed: SimpleQueue[_Call[Any]] = SimpleQueue()
        self._idle = 0
        self._beats: dict[_Call[Any], Beat] = {}
        self._lock = threading.Lock()

    def call(self, doing: str, seconds: float, function: Callable[[], T]) -> T:
        """Return what the function does, or raise what it raises.

        :param doing: what it is, for messages
        :param seconds: how long to wait for it; it goes on after that, and nobody minds what comes of it
        :raises Unavailable: it did not come back in time, or others before it hang
        """
        if not self._places.acquire(timeout=0 if self._hangs() else seconds):
            raise Unavailable(f"{self.name}: {doing} is not tried: {PLACES} calls before it have not come back")
        call = _Call(partial(copy_context().run, function), doing, seconds)
        try:
            self._hand(call)
        except RuntimeError as error:  # the system has no thread left
            self._places.release()
            raise Unavailable(f"{self.name}: {doing} is not tried: {error}") from error
        if not call.over.acquire(timeout=seconds):
            raise Unavailable(f"{self.name}: {doing} did not come back within {seconds:g} s")
        return call.result()

    def _hand(self, call: _Call[Any]) -> None:
        """Give it to a thread that waits, or to a new one."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._handed.put(call)
                return
        threading.Thread(target=self._work, args=(call,), name=f"kvmd-call {self.name}", daemon=True).start()

    def _work(self, call: _Call[Any] | None) -> None:
        """Do one call after the other, in a thread."""
        while call:
            self._do(call)
            del call  # it holds what came of it
            call = self._next()

    def _next(self) -> _Call[Any] | None:
        """Wait for a call; return None where the thread has waited long enough and none is on its way."""
        while True:
            try:
                return self._handed.get(timeout=KEPT)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return None

    def _do(self, call: _Call[Any]) -> None:
        with self._lock:
            self._beats[call] = Beat.now(call.doing, call.seconds)
            self._show()
        call.run()
        with self._lock:
            del self._beats[call]
            self._idle += 1
            self._show()
        self._places.release()
        call.over.release()

    def _hangs(self) -> bool:
        """Tell whether a call has not come back in its time."""
        oldest = self.pulse.last
        return oldest is not None and time.monotonic() > oldest.moment + oldest.seconds

    def _show(self) -> None:
        """Let the pulse be that of the oldest call, which is the one that hangs."""
        self.pulse.last = next(iter(self._beats.values()), None)
