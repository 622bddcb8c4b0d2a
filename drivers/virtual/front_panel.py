"""The virtual computer's front panel: two buttons, two lamps, and the phases from off to running and back.

It has no clock: whoever looks says what time it is, in seconds of a clock that never goes back. What was due since the
last look happens then, at its own time.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

from kvmd import PowerButton

OVERRIDE: Final = 4.0
"""Seconds for which the power button is held to force the power off (ACPI 6.5, "Power Button Override")."""

FLICKER: Final = 0.1
"""Seconds for which the disk lamp stays as it is at work."""

SLEEP_BLINK: Final = 0.5
"""Seconds for which the power lamp of a computer that sleeps is dark, and then lit."""

DISK_AT_WORK: Final = "##.#.###..#.##.#"
"""The disk lamp at work, again and again."""

DISK_FOUND: Final = 1.2
"""Seconds after the start at which the firmware turns to the disk."""


class Phase(enum.Enum):
    """What the computer does."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ASLEEP = "asleep"


AFTERWARDS: Final = {Phase.STARTING: (2.4, Phase.RUNNING), Phase.STOPPING: (2.0, Phase.OFF)}
"""The phases that end by themselves: after how many seconds, and what follows."""


class Lamps(msgspec.Struct, frozen=True):
    """The lamps that are lit."""

    power: bool
    disk: bool


class FrontPanel:
    """The buttons, the lamps and the phase; a computer that runs at first, and has for long."""

    def __init__(self) -> None:
        self.phase = Phase.RUNNING
        self.since = -math.inf
        self._down: dict[PowerButton, float] = {}
        self._stops_on_release = False

    def press(self, button: PowerButton, now: float) -> None:
        """Press a button down.

        The power button switches on, wakes, and while the firmware runs switches off. The operating system waits
        for it to be released.
        """
        self.advance(now)
        if button in self._down:
            return
        self._down[button] = now
        if button is PowerButton.RESET:
            if self.phase is not Phase.OFF:
                self._enter(Phase.STARTING, now)
        elif self.phase is Phase.RUNNING:
            self._stops_on_release = True
        else:
            answer = {Phase.OFF: Phase.STARTING, Phase.ASLEEP: Phase.RUNNING, Phase.STARTING: Phase.OFF}
            self._enter(answer.get(self.phase, self.phase), now)

    def release(self, button: PowerButton, now: float) -> None:
        """Let a button go; a short press asks a computer that runs to shut down."""
        self.advance(now)
        if self._down.pop(button, None) is not None and button is PowerButton.POWER and self._stops_on_release:
            self.shut_down(now)

    def is_down(self, button: PowerButton) -> bool:
        """Tell whether a button is pressed."""
        return button in self._down

    def switch(self, on: bool, now: float) -> None:
        """Give it power, or cut the power."""
        self.advance(now)
        if on != (self.phase is not Phase.OFF):
            self._enter(Phase.STARTING if on else Phase.OFF, now)

    def shut_down(self, now: float) -> None:
        """Begin an orderly end, as the operating system does."""
        self._leave(Phase.RUNNING, Phase.STOPPING, now)

    def sleep(self, now: float) -> None:
        """Go to sleep, as the operating system does."""
        self._leave(Phase.RUNNING, Phase.ASLEEP, now)

    def wake(self, now: float) -> None:
        """Wake up, if it sleeps."""
        self._leave(Phase.ASLEEP, Phase.RUNNING, now)

    def advance(self, now: float) -> None:
        """Let happen what has been due."""
        while True:
            end, override = self._phase_end(), self._override()
            if min(end, override) > now:
                return
            if override <= end:
                self._enter(Phase.OFF, override)
            else:
                self._enter(AFTERWARDS[self.phase][1], end)

    def next_change(self, now: float) -> float:
        """Return when phase or lamps may next change by themselves; infinity if never."""
        step = {Phase.STARTING: FLICKER, Phase.STOPPING: FLICKER, Phase.ASLEEP: SLEEP_BLINK}.get(self.phase)
        blink = self.since + (self._steps(step, now) + 1) * step if step else math.inf
        return min(self._phase_end(), self._override(), blink)

    def elapsed(self, now: float) -> float:
        """Return for how many seconds the phase has lasted."""
        return now - self.since

    def lamps(self, now: float) -> Lamps:
        """Tell which lamps are lit."""
        if self.phase is Phase.ASLEEP:
            return Lamps(power=self._steps(SLEEP_BLINK, now) % 2 == 1, disk=False)
        return Lamps(power=self.phase is not Phase.OFF, disk=self._disk_works(now))

    def _disk_works(self, now: float) -> bool:
        if self.phase is Phase.STOPPING or (self.phase is Phase.STARTING and self.elapsed(now) >= DISK_FOUND):
            return DISK_AT_WORK[self._steps(FLICKER, now) % len(DISK_AT_WORK)] == "#"
        return False

    def _steps(self, step: float, now: float) -> int:
        """Return how many whole steps the phase has lasted; one that lacks a microsecond is whole."""
        return int((self.elapsed(now) + 1e-6) / step)

    def _phase_end(self) -> float:
        return self.since + AFTERWARDS[self.phase][0] if self.phase in AFTERWARDS else math.inf

    def _override(self) -> float:
        if self.phase is Phase.OFF or PowerButton.POWER not in self._down:
            return math.inf
        return self._down[PowerButton.POWER] + OVERRIDE

    def _leave(self, phase: Phase, following: Phase, now: float) -> None:
        self.advance(now)
        if self.phase is phase:
            self._enter(following, now)

    def _enter(self, phase: Phase, at: float) -> None:
        if phase is not self.phase or phase is Phase.STARTING:
            self.since = at
        self.phase = phase
        self._stops_on_release = False
