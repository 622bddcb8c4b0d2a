"""A simulated Acme, with a computer at its other end: put what talks to the real one in its place."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

CAPS_LOCK: Final = 0x39
"""A key by which the computer switches a lamp (HUT 1.5, section 10)."""
CAPS_LAMP: Final = 2
"""That lamp's bit (HID 1.11, appendix B.1)."""


class State(NamedTuple):
    """How the computer stands: whether it is there, and its lamps."""

    host: bool
    lamps: int


class Acme:
    """The device, once it is open."""

    host = True
    """Whether a computer is at the other end."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._lamps = 0
        self._news = threading.Condition()

    def write(self, data: bytes) -> bool:
        """Hand over a report; False if there is no computer to take it."""
        with self._news:
            if self.host:
                self.written.append(data)
                self._lamps ^= CAPS_LAMP if data[0] == 1 and CAPS_LOCK in data[3:] else 0
                self._news.notify_all()
            return self.host

    def wait(self, known: State, timeout: float) -> State:
        """Wait for something else than what is known, and return how the computer stands then."""
        with self._news:
            self._news.wait_for(lambda: State(self.host, self._lamps) != known, timeout)
            return State(self.host, self._lamps)

    def close(self) -> None:
        """Let go of the device."""
