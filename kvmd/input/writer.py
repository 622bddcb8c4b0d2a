"""The one who writes to the HID driver: one report after the other, in the order in which they were asked for.

It is a thread of its own, so that a driver that hangs holds up nobody who asks for something: who waits is told.

Mouse moves that wait behind a slow device become one: of places the latest counts, of steps the sum. Keys, buttons
and wheels are never merged.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from kvmd.contract.hid import STEP_MAX, AbsoluteMouseReport, RelativeMouseReport, Report
from kvmd.errors import HidOffline
from kvmd.system.pulse import Pulse

LIMIT = 5.0
"""Seconds that the hardware has to take a report; longer than the time-outs of all drivers."""


class Entry:
    """A report that waits for its turn, or has had it.

    :param report: what is to be sent
    :param is_move: whether it does nothing but move the pointer
    """

    def __init__(self, report: Report, is_move: bool) -> None:
        self.report = report
        self.is_move = is_move
        self.done = threading.Event()
        self.error: Exception | None = None


class Writer:
    """Hands reports to the hardware for any number of threads.

    :param send: hands over one report and returns when it was taken; raises otherwise
    :param stuck: told that it has not come back in time
    """

    def __init__(self, send: Callable[[Report], None], stuck: Callable[[HidOffline], None] = lambda _: None) -> None:
        self.pulse = Pulse("HID writer")
        self._send = send
        self._stuck = stuck
        self._queue: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._begun: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="kvmd-hid-write", daemon=True)

    def start(self) -> None:
        """Begin to write what is submitted."""
        self._thread.start()

    def close(self) -> None:
        """Write what is queued still, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident:
            self._thread.join()

    def submit(self, report: Report, is_move: bool = False) -> Entry:
        """Give a report its place in the order; the caller has to ``finish`` it."""
        with self._changed:
            last = self._queue[-1] if self._queue else None
            merged = _merge(last.report, report) if last and last.is_move and is_move else None
            if last and merged:
                last.report = merged
                return last
            entry = Entry(report, is_move)
            self._queue.append(entry)
            self._changed.notify()
            return entry

    def finish(self, entry: Entry) -> None:
        """Return once the report was taken.

        :raises DriverError: it was not taken. One that would still have to wait is never sent.
        """
        while not entry.done.wait(self._patience()):
            if self._patience() <= 0:
                raise self._withdraw(entry)
        if entry.error is not None:
            raise entry.error

    def send(self, report: Report) -> None:
        """Submit a report and finish it."""
        self.finish(self.submit(report))

    def _patience(self) -> float:
        """Return for how many seconds more it makes sense to wait."""
        begun = self._begun
        if begun is not None:
            return max(0.0, begun + LIMIT - time.monotonic())
        return LIMIT if self._thread.is_alive() else 0.0

    def _withdraw(self, entry: Entry) -> HidOffline:
        """Take an entry out of the queue, so that no key is pressed long after it was asked for."""
        with self._changed, contextlib.suppress(ValueError):
            self._queue.remove(entry)
        if not self._thread.is_alive():
            return HidOffline("keyboard and mouse: the daemon is not running")
        error = HidOffline(f"the driver hangs: it has not taken a report for more than {LIMIT:g} s")
        self._stuck(error)
        return error

    def _write(self) -> None:
        while (entry := self._next()) is not None:
            self._begun = time.monotonic()
            with self.pulse.busy("send()"):
                try:
                    self._send(entry.report)
                except Exception as error:  # it belongs to the one who asked for this report
                    entry.error = error
                except BaseException as error:  # such as SystemExit, which ends no thread here
                    entry.error = RuntimeError(f"the driver raised {type(error).__name__}: {error}")
            self._begun = None
            entry.done.set()

    def _next(self) -> Entry | None:
        """Wait for the next entry; None in the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return self._queue.popleft() if self._queue else None


def _merge(last: Report, report: Report) -> Report | None:
    """Make one move of two; None if that cannot be."""
    if isinstance(last, AbsoluteMouseReport) and isinstance(report, AbsoluteMouseReport):
        return report
    if isinstance(last, RelativeMouseReport) and isinstance(report, RelativeMouseReport):
        dx, dy = last.dx + report.dx, last.dy + report.dy
        if max(abs(dx), abs(dy)) <= STEP_MAX:
            return msgspec.structs.replace(report, dx=dx, dy=dy)
    return None
