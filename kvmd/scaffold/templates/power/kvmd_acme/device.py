"""A simulated Acme, wired to a computer's front panel: put what talks to the real one in its place."""

from __future__ import annotations

import threading
from typing import ClassVar


class Acme:
    """The device, once it is open."""

    pressed: ClassVar[set[str]] = set()
    """The buttons that are down: ``power``, ``reset``."""
    lamp = False
    """Whether the computer's power lamp is lit."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def switch(self, button: str, down: bool) -> None:
        """Press a button, or release it."""
        (self.pressed.add if down else self.pressed.discard)(button)

    def wait(self, known: bool, timeout: float) -> bool:
        """Wait until the lamp is another than the one that is known, and return how it is then."""
        if self.lamp == known:
            self._closed.wait(timeout)
        return self.lamp

    def close(self) -> None:
        """Let go of the device."""
        self._closed.set()
