"""Tells one plug-in what happened, in a thread of its own: one that hangs holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from kvmd.system.pulse import Pulse

logger = logging.getLogger(__name__)

ROOM = 100
"""Messages that may wait; a plug-in that takes none of them learns of no others."""


class Courier:
    """Makes calls in their order, one after the other; the thread is there from the first one on.

    :param name: the plug-in's
    :param doing: what is called, for messages
    :param failed: told what a call raised
    """

    def __init__(self, name: str, doing: str, failed: Callable[[BaseException], object]) -> None:
        self.pulse = Pulse(f"plug-in {name}", vital=False)
        self._doing = doing
        self._failed = failed
        self._calls: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._full = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def send(self, call: Callable[[], object]) -> None:
        """Have a call made; returns at once."""
        with self._changed:
            if len(self._calls) >= ROOM:
                self._note_full()
                return
            self._full = False
            self._calls.append(call)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"kvmd-events {self.pulse.name}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Make the calls that wait, and end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _note_full(self) -> None:
        if not self._full:
            logger.error("%s: %d calls of %s wait; it misses what happens now", self.pulse.name, ROOM, self._doing)
        self._full = True

    def _run(self) -> None:
        while (call := self._next()) is not None:
            with self.pulse.busy(self._doing):
                try:
                    call()
                except BaseException as error:  # whatever a stranger's plug-in raises ends nothing here
                    logger.exception("%s: %s failed", self.pulse.name, self._doing)
                    self._failed(error)

    def _next(self) -> Callable[[], object] | None:
        """Wait for the next call; None in the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._stopped)
            return self._calls.popleft() if self._calls else None
