"""The virtual computer: what its keyboard, its mouse, its power buttons and its cables do to it.

Pure logic behind one lock: no pixels and no threads. It has a clock to read; what was due happens when it is looked at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from kvmd import (
    DriverOptions,
    HidOffline,
    KeyboardReport,
    Leds,
    PowerButton,
    Report,
)

from .front_panel import FrontPanel, Lamps, Phase
from .session import Session, State


class VirtualOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """What the options of all three drivers have in common."""

    computer: Annotated[
        str, Meta(min_length=1, description="Which computer; drivers of the same computer name share one.")
    ] = "default"


class Computer:
    """A computer with keyboard and mouse, a screen and a front panel, each at the end of a cable that can be pulled.

    Every method may be called from any thread.

    :param clock: tells the time in seconds; it never goes back
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = threading.Condition()
        self._clock = clock
        self._front = FrontPanel()
        self._followed = (self._front.phase, self._front.since)
        self._signal = True
        self._host = True
        self._panel = True
        self._session = Session(self._front)

    @property
    def signal(self) -> bool:
        """Whether the video cable is plugged in."""
        return self._signal

    @property
    def host(self) -> bool:
        """Whether the USB cable is plugged in."""
        return self._host

    @property
    def panel(self) -> bool:
        """Whether the cable to the front panel is plugged in."""
        return self._panel

    @property
    def phase(self) -> Phase:
        """What the computer does."""
        with self._changed:
            self._catch_up()
            return self._front.phase

    @property
    def lamps(self) -> Lamps:
        """The lamps of the front panel."""
        with self._changed:
            return self._front.lamps(self._catch_up())

    @property
    def leds(self) -> Leds:
        """The lock lamps."""
        with self._changed:
            self._catch_up()
            return self._session.leds

    @property
    def down(self) -> KeyboardReport:
        """The keys that are down."""
        with self._changed:
            self._catch_up()
            return self._session.down

    def no_signal(self) -> str:
        """Say why no picture comes; nothing if one does."""
        if not self._signal:
            return "no signal: the virtual computer's cable is unplugged"
        reasons = {Phase.OFF: "is switched off", Phase.ASLEEP: "is asleep; a key or the power button wakes it"}
        reason = reasons.get(self.phase)
        return f"no signal: the virtual computer {reason}" if reason else ""

    def no_host(self) -> str:
        """Say why no report is taken; nothing if they are."""
        if not self._host:
            return "no host: the virtual computer's USB cable is unplugged"
        return "no host: the virtual computer is switched off" if self.phase is Phase.OFF else ""

    def plug_video(self, plugged: bool) -> None:
        """Plug the video cable in, or pull it."""
        with self._changed:
            self._signal = plugged
            self._changed.notify_all()

    def plug_host(self, plugged: bool) -> None:
        """Plug the USB cable in, or pull it; what was held is released by that."""
        with self._changed:
            if plugged == self._host:
                return
            self._host = plugged
            self._session.release()
            self._changed.notify_all()

    def plug_panel(self, plugged: bool) -> None:
        """Plug the cable to the front panel in, or pull it; a button that it held down is released by that."""
        with self._changed:
            self._panel = plugged
            if not plugged:
                self.release(*PowerButton)
            self._changed.notify_all()

    def switch(self, on: bool) -> None:
        """Give the computer power, or cut its power."""
        with self._changed:
            self._front.switch(on, self._clock())
            self._follow()

    def press(self, button: PowerButton) -> None:
        """Press a button of the front panel down, if its cable is plugged in."""
        with self._changed:
            if self._panel:
                self._front.press(button, self._clock())
                self._follow()

    def release(self, *buttons: PowerButton) -> None:
        """Let buttons of the front panel go."""
        with self._changed:
            for button in buttons:
                self._front.release(button, self._clock())
            self._follow()

    def is_down(self, button: PowerButton) -> bool:
        """Tell whether a button of the front panel is pressed."""
        return self._front.is_down(button)

    def take(self, report: Report) -> None:
        """Act on a report.

        :raises HidOffline: there is nobody to take it
        """
        with self._changed:
            if reason := self.no_host():
                raise HidOffline(reason)
            self._session.take(report, self._clock())
            self._follow()
            self._changed.notify_all()

    def state(self) -> State:
        """Return what there is to see; the same object until something changes."""
        with self._changed:
            return self._session.state(self._catch_up())

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until the condition holds, at most ``timeout`` seconds, and tell whether it does."""
        with self._changed:
            deadline = self._clock() + timeout
            while not condition():
                now = self._catch_up()
                if now >= deadline:
                    return False
                self._changed.wait(min(deadline, self._front.next_change(now)) - now)
            return True

    def wake(self) -> None:
        """Have those who wait look at their condition again."""
        with self._changed:
            self._changed.notify_all()

    def _catch_up(self) -> float:
        """Let happen what was due, and return the time."""
        now = self._clock()
        self._front.advance(now)
        self._follow()
        return now

    def _follow(self) -> None:
        """Do what it means that another phase has begun, if one has."""
        before, self._followed = self._followed, (self._front.phase, self._front.since)
        if self._followed == before:
            return
        if self._front.phase in {Phase.OFF, Phase.STARTING}:
            self._session.forget()
        self._changed.notify_all()


_computers: dict[str, Computer] = {}
_guard = threading.Lock()


def shared(name: str) -> Computer:
    """Return the computer of this name, the same for all drivers of a process."""
    with _guard:
        return _computers.setdefault(name, Computer())


def find(name: str) -> Computer | None:
    """Return the computer of this name if a driver has asked for it."""
    with _guard:
        return _computers.get(name)
