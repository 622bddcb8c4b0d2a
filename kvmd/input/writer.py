"""The one who writes to the HID driver: one report after the other, in the order in which they were asked for.

Mouse moves that wait behind a slow device become one: of places the latest counts, of steps the sum. Keys, buttons
and wheels are never merged.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from kvmd.contract.hid import STEP_MAX, AbsoluteMouseReport, RelativeMouseReport, Report


class Entry:
    """A report that waits for its turn, or has had it.

    :param report: what is to be sent
    :param is_move: whether it does nothing but move the pointer
    """

    def __init__(self, report: Report, is_move: bool) -> None:
        self.report = report
        self.is_move = is_move
        self.done = False
        self.error: Exception | None = None


class Writer:
    """Hands reports to the hardware for any number of threads; those that wait take turns.

    :param send: hands over one report and returns when it was taken; raises otherwise
    """

    def __init__(self, send: Callable[[Report], None]) -> None:
        self._send = send
        self._queue: deque[Entry] = deque()
        self._queueing = threading.Lock()
        self._writing = threading.Lock()

    def submit(self, report: Report, is_move: bool = False) -> Entry:
        """Give a report its place in the order; the caller has to ``finish`` it."""
        with self._queueing:
            last = self._queue[-1] if self._queue else None
            merged = _merge(last.report, report) if last and last.is_move and is_move else None
            if last and merged:
                last.report = merged
                return last
            entry = Entry(report, is_move)
            self._queue.append(entry)
            return entry

    def finish(self, entry: Entry) -> None:
        """Return once the report was taken; meanwhile help with those before it.

        :raises DriverError: it was not taken
        """
        while not entry.done:
            with self._writing:
                if not entry.done:
                    self._write_next()
        if entry.error is not None:
            raise entry.error

    def send(self, report: Report) -> None:
        """Submit a report and finish it."""
        self.finish(self.submit(report))

    def _write_next(self) -> None:
        with self._queueing:
            entry = self._queue.popleft()
        try:
            self._send(entry.report)
        except Exception as error:  # it belongs to the one who asked for this report
            entry.error = error
        finally:
            entry.done = True


def _merge(last: Report, report: Report) -> Report | None:
    """Make one move of two; None if that cannot be."""
    if isinstance(last, AbsoluteMouseReport) and isinstance(report, AbsoluteMouseReport):
        return report
    if isinstance(last, RelativeMouseReport) and isinstance(report, RelativeMouseReport):
        dx, dy = last.dx + report.dx, last.dy + report.dy
        if max(abs(dx), abs(dy)) <= STEP_MAX:
            return msgspec.structs.replace(report, dx=dx, dy=dy)
    return None
