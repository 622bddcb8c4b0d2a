"""A simulated microcontroller on a pseudo-terminal: ``python -m kvmd_picotype.simulator`` runs one by itself."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import sys
import threading
import tty
from typing import Final

from kvmd import Leds

from .protocol import ANSWER, Command, Frame, Parser, State, Status

LOCK_KEYS: Final = {0x53: 1, 0x39: 2, 0x47: 4}
"""The host's lamp of each lock key (HUT 1.5, section 10), as a bit of its report."""
SIZES: Final[dict[int, int]] = {Command.STATE: 0, Command.KEYBOARD: 8, Command.POINTER: 7}
"""Bytes that go with each command."""


class Simulator:
    """The microcontroller, and the target that it is plugged into; a context manager."""

    def __init__(self) -> None:
        self.host = True
        """Whether the target's USB cable is in."""
        self.loses = 0
        """How many of the next answers are lost on the line."""
        self.reports: list[tuple[int, bytes]] = []
        """What the target has got: commands with their payloads."""
        self._leds = 0
        self._down = b""
        self._last = Frame(-1, 0)
        self._status = Status.DONE
        self._parser = Parser()
        self._master, self._slave = os.openpty()  # with our own end open, a driver may come and go
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._ending = os.eventfd(0)
        self._thread = threading.Thread(target=self._run, name="picotype-simulator", daemon=True)

    def __enter__(self) -> Simulator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Pull it out of the KVM; nothing happens if it is."""
        if self._thread.is_alive():
            os.eventfd_write(self._ending, 1)
            self._thread.join()
            for each in (self._master, self._slave, self._ending):
                os.close(each)

    def wait(self) -> None:
        """Wait for its end."""
        self._thread.join()

    @property
    def keys(self) -> list[tuple[int, ...]]:
        """The keys of each keyboard report, in order."""
        return [tuple(filter(None, payload[2:])) for command, payload in self.reports if command == Command.KEYBOARD]

    @property
    def places(self) -> list[tuple[int, int]]:
        """The places of each pointer report, in order."""
        return [
            struct.unpack_from("<HH", payload, 1) for command, payload in self.reports if command == Command.POINTER
        ]

    def _run(self) -> None:
        while self._ending not in select.select([self._master, self._ending], [], [])[0]:
            for frame in self._parser.feed(os.read(self._master, 4096)):
                self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        """Act on a frame, unless it is the last one once more, and answer it."""
        if frame != self._last:
            self._status = self._act(frame)
            self._last = frame
        if self.loses:
            self.loses -= 1
            return
        state = State(self._status, self.host, Leds.from_bits(self._leds))
        os.write(self._master, Frame(frame.number, frame.command | ANSWER, state.encode()).encode())

    def _act(self, frame: Frame) -> Status:
        if SIZES.get(frame.command) != len(frame.payload):
            return Status.NOT_UNDERSTOOD
        if frame.command == Command.STATE:
            return Status.DONE
        if not self.host:
            return Status.NO_HOST
        if frame.command == Command.KEYBOARD:
            for key in set(frame.payload[2:]) - set(self._down):
                self._leds ^= LOCK_KEYS.get(key, 0)
            self._down = frame.payload[2:]
        self.reports.append((frame.command, frame.payload))
        return Status.DONE


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), Simulator() as simulator:
        sys.stdout.write(f'a picotype: hid.options = {{ device = "{simulator.path}" }}; Ctrl+C ends it\n')
        sys.stdout.flush()
        simulator.wait()
