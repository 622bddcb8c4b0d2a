"""The chord by which a person at the local keyboard lets go of the target, and takes it back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

GAP: Final = 1.0
"""Seconds within which the next strike has to follow."""


class Chord:
    """Recognises the chord in one keyboard's events.

    A strike is complete once all of its keys were down together, no other key with them, and all are up again: then no
    key is down of which the target, or the local console, would miss the release.

    :param keys: evdev codes
    :param times: how often they are to be struck
    """

    def __init__(self, keys: Iterable[int], times: int) -> None:
        self._keys = frozenset(keys)
        self._times = times
        self._down: set[int] = set()
        self._whole = False  # whether all keys of the chord, and no other, have been down together
        self._count = 0
        self._last = 0.0

    def feed(self, code: int, value: int, time: float) -> bool:
        """Note an event of a key, and tell whether it completes the chord.

        :param code: evdev's for the key
        :param value: 1 down, 0 up, 2 autorepeat
        :param time: in seconds, of any clock
        """
        if value:
            self._down.add(code)
        else:
            self._down.discard(code)
        if code not in self._keys:
            self._whole, self._count = False, 0
        self._whole = self._whole or self._down == self._keys
        if self._down or not self._whole:
            return False
        self._whole = False
        self._count = self._count + 1 if time - self._last <= GAP else 1
        self._last = time
        if self._count < self._times:
            return False
        self._count = 0
        return True
