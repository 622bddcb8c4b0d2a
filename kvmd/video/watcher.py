"""Somebody who watches on a socket, and confirms what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable

from kvmd.video.viewers import Viewers
from kvmd.video.window import Window


class Watcher:
    """Takes the newest picture whenever it can take one; its methods run in the loop.

    :param offer: sends a picture where nothing waits to be sent, and tells whether it did
    """

    def __init__(self, offer: Callable[[bytes], bool]) -> None:
        self.due = 0.0
        self.shown = 0
        self._offer = offer
        self._interval = 0.0
        self._window = Window()
        self._viewers: Viewers | None = None

    @property
    def watches(self) -> bool:
        """Whether it gets pictures."""
        return self._viewers is not None

    def watch(self, viewers: Viewers | None, fps: float | None = None) -> None:
        """Watch among these from now on, and nowhere else; None: not at all.

        :param fps: pictures a second at most; None for all
        """
        self._interval = 1 / fps if fps else 0.0
        self.due = 0.0
        before, self._viewers = self._viewers, viewers
        if before is viewers:
            return
        if viewers:
            viewers.join(self)  # before the other is left, or nothing would be encoded for a moment
        if before:
            before.leave(self)

    def seen(self, number: int) -> None:
        """Note that a picture was seen."""
        had_room = self._window.is_open
        self._window.seen(number, time.monotonic())
        if not had_room:
            self.want()

    def want(self) -> None:
        """Take the newest picture, if there is room for it now."""
        if self._viewers:
            self._viewers.offer(self)

    def take(self, part: bytes, number: int, now: float) -> None:
        """Send a picture, unless it was sent, is not due, or others are on their way still."""
        if not part or number == self.shown or now < self.due or not self._window.is_open:
            return
        if self._offer(part):
            self.shown = number
            self.due = max(self.due + self._interval, now - self._interval)
            self._window.sent(number & 0xFFFFFFFF, now)

    def check(self, now: float) -> None:
        """Do nothing: the socket itself is looked after."""

    def end(self) -> None:
        """Do nothing: no more pictures come, and the socket stays."""
