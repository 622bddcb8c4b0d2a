"""A simulated Acme, which sees a grey screen that gets lighter: put what talks to the real one in its place."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

WIDTH: Final = 320
HEIGHT: Final = 240
RATE: Final = 25.0
"""Pictures a second."""


class Picture(NamedTuple):
    """A picture of the device: a byte a pixel, and its number."""

    data: bytes
    number: int


class Acme:
    """The device, once it is open."""

    cable = True
    """Whether a source is at the other end of the cable."""

    def __init__(self) -> None:
        self._opened = time.monotonic()

    def wait(self, patience: float) -> Picture | None:
        """Wait for the next picture; None if none comes in time."""
        if not self.cable:
            time.sleep(patience)
            return None
        number = int((time.monotonic() - self._opened) * RATE) + 1
        time.sleep(max(0.0, self._opened + number / RATE - time.monotonic()))
        return Picture(bytes((number % 256,)) * (WIDTH * HEIGHT), number)

    def close(self) -> None:
        """Let go of the device."""
