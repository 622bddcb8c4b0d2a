"""The newest picture, for all who watch and for those who wait for a single one."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

from kvmd.contract.capture import Frame
from kvmd.video.forms import to_message, to_part

REFRESH = 1.0
"""Seconds after which an unchanged picture is sent again, so that both ends know that the other is there."""


class Rate:
    """Counts pictures and tells how many there were a second, and how large, over the last two seconds."""

    WINDOW = 2.0

    def __init__(self) -> None:
        self._counted: deque[tuple[float, int]] = deque(maxlen=1000)

    def count(self, frame: Frame) -> None:
        """Note a picture."""
        self._counted.append((time.monotonic(), len(frame.data)))

    def per_second(self) -> float:
        """Return the pictures a second, to one decimal."""
        return round(len(self._recent()) / self.WINDOW, 1)

    def kilobits_per_second(self) -> int:
        """Return what they weigh."""
        return round(sum(self._recent()) * 8 / 1000 / self.WINDOW)

    def _recent(self) -> list[int]:
        since = time.monotonic() - self.WINDOW
        return [size for stamp, size in tuple(self._counted) if stamp > since]


class Broadcaster:
    """Holds the newest picture, and tells those who want it that there is one.

    :param numbers: of pictures; a counter that several share who show the same screen
    """

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        self.sent = Rate()
        self.stopped = False
        self._viewers = 0
        self._wakers: list[Callable[[], None]] = []
        self._waiting: dict[Future[Frame | None], float] = {}
        self._frame: Frame | None = None
        self._live = False
        self._numbers = numbers or itertools.count(1)
        self._number = 0
        self._forms: dict[str, bytes] = {}
        self._made = 0.0
        self._lock = threading.RLock()

    @property
    def viewers(self) -> int:
        """How many watch the stream."""
        return self._viewers

    @property
    def watched(self) -> bool:
        """Whether anybody wants pictures; if not, none needs to be encoded."""
        return bool(self._viewers or self._waiting)

    def stop(self) -> None:
        """Show nothing any more: all streams end, and nobody waits."""
        with self._lock:
            self.stopped = True
            waiting = list(self._waiting)
        for future in waiting:
            _resolve(future, None)
        self._wake()

    def publish(self, frame: Frame, live: bool = True) -> None:
        """Show this picture from now on.

        :param frame: a frame of MJPEG whose data nobody changes; the very object of the last one means: unchanged
        :param live: whether it shows the computer's screen, else it is a slate
        """
        with self._lock:
            if self.stopped or (live and not self.watched):
                return  # It was in work when the last viewer left, and would be old for the next.
            unchanged = self._frame is not None and self._frame.data is frame.data
            self._frame = frame
            self._live = live
            served = [future for future, since in self._waiting.items() if live and frame.timestamp >= since]
            if not unchanged:
                self._renew()
                self.sent.count(frame)
        for future in served:
            _resolve(future, frame)
        if not unchanged:
            self._wake()

    def clear(self) -> None:
        """Show nothing until the next picture comes."""
        with self._lock:
            self._frame = None
            self._forms = {}

    def part(self, now: float) -> tuple[bytes, int]:
        """Return the part of the stream that everybody gets, and its number; empty while there is no picture.

        It is built once for each picture, and anew under another number when that has not changed for a while.

        :param now: in seconds of ``time.monotonic()``
        """
        return self._in_form("part", partial(to_part, now=now), now)

    def message(self, now: float) -> tuple[bytes, int]:
        """Return the same as a frame of a WebSocket."""
        return self._in_form("message", lambda frame: to_message(frame, self._number, live=self._live), now)

    def _in_form(self, form: str, make: Callable[[Frame], bytes], now: float) -> tuple[bytes, int]:
        with self._lock:
            if self._frame is None:
                return b"", self._number
            if self._forms and now - self._made >= REFRESH:
                self._renew()
            if not self._forms:
                self._made = now
            if form not in self._forms:
                self._forms[form] = make(self._frame)
            return self._forms[form], self._number

    def _renew(self) -> None:
        """Give what is shown from now on another number."""
        self._number = next(self._numbers)
        self._forms = {}

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have this called, in any thread, when there is another picture, and when the end comes."""
        with self._lock:
            self._wakers.append(wake)

    def join(self) -> None:
        """Count somebody who watches from now on."""
        with self._lock:
            self._viewers += 1

    def leave(self) -> None:
        """Count out somebody who does not watch any more."""
        with self._lock:
            self._viewers -= 1
            self._forget_if_unwatched()

    def next_picture(self) -> Future[Frame | None]:
        """Return what will hold a picture of the screen that was taken after this call; None when the end comes.

        Cancel it where it is not waited for any more.
        """
        future: Future[Frame | None] = Future()
        with self._lock:
            if self.stopped:
                future.set_result(None)
                return future
            self._waiting[future] = time.monotonic()
        future.add_done_callback(self._served)
        return future

    def wait_fresh(self, timeout: float) -> Frame | None:
        """Wait for a picture of the screen that was taken after this call; None if there is none in time.

        :param timeout: in seconds
        """
        future = self.next_picture()
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            return None

    def _served(self, future: Future[Frame | None]) -> None:
        with self._lock:
            self._waiting.pop(future, None)
            self._forget_if_unwatched()

    def _wake(self) -> None:
        for wake in tuple(self._wakers):
            wake()

    def _forget_if_unwatched(self) -> None:
        """Nobody watches, so no new pictures come: the next viewer must not see this old one."""
        if self._live and not self.watched:
            self._frame = None


def _resolve(future: Future[Frame | None], frame: Frame | None) -> None:
    """Give the picture to who waits, unless it was not waited for any more just now."""
    if future.set_running_or_notify_cancel():
        future.set_result(frame)
