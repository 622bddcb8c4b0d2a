"""Power: the slot of the front panel's driver, and all that the web and plug-ins may ask of it.

Nothing is guessed: without a power lamp the target's state is unknown, and what depends on it is refused.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kvmd.contract.power import PowerButton, PowerCapability, PowerDriver, PowerStatus
from kvmd.contract.reports import PowerReport, PowerState, Press, State
from kvmd.contract.roles import POWER
from kvmd.contract.settings import PowerSettings
from kvmd.errors import Busy, DriverError, RequestError, Unsupported
from kvmd.plugins.choice import Choice
from kvmd.power.lamps import Lamps
from kvmd.slot import Slot, SlotStatus
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse

WATCH = 0.5
"""Seconds after which the lamps are looked at, though none changed."""

PACE = 0.2
"""Seconds between two looks at lamps that change: a disk's flickers hundreds of times a second."""

LATE = 5.0
"""Seconds beyond its time that a press may take."""

SHORTEST, LONGEST = 0.1, 20.0
"""Seconds for which a button may be pressed."""

_NEEDED = {
    PowerButton.POWER: PowerCapability.POWER_BUTTON,
    PowerButton.RESET: PowerCapability.RESET_BUTTON,
}


class Power:
    """One front panel. Every action returns once it is done, with what was done in words.

    :param settings: the section ``power``
    :param choice: makes the driver
    :param changed: told about every change of the slot
    :param tell: told about the target: what it does now, or that a button was ``pressed``, and why
    """

    def __init__(
        self,
        settings: PowerSettings,
        choice: Choice[PowerDriver],
        changed: Callable[[SlotStatus], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self.slot: Slot[PowerDriver] = Slot(POWER.name, choice.make, self._watch, changed, absence=logging.INFO)
        self._settings = settings
        self._tell = tell
        self._lamps = Lamps()
        self._turn = threading.Lock()
        self._pressed: tuple[PowerButton, float] | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self.slot.start()

    def ending(self) -> list[Step]:
        """List the steps that release the button that is pressed, and close the device."""
        return [Step(POWER.name, self.slot.stop)]

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """The signs of life of what could hang."""
        return self.slot.pulses

    def is_alive(self) -> bool:
        """Tell whether the thread does its work still."""
        return self.slot.is_alive()

    def on(self) -> str:
        """Switch the target on, or wake it; nothing is done where it is on.

        :raises Unsupported: nothing is wired that could, or nothing tells whether it is on
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        driver, state = self._driver(), self._state()
        if state is PowerState.ON:
            return _nothing(state)
        if PowerCapability.POWER_BUTTON in driver.capabilities:
            self._require_lamp(state, "a press could switch it off")
            return self._press(PowerButton.POWER, self._settings.short_press)
        if PowerCapability.WAKE in driver.capabilities:
            return self._wake(driver)
        raise Unsupported(f"power: {driver.name} can neither press a power button nor wake the target")

    def off(self) -> str:
        """Ask the target to shut down, with a short press; nothing is done where it is off.

        :raises Unsupported: no power button is wired, or nothing tells that the target is on
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        driver, state = self._driver(), self._state()
        if state is PowerState.OFF:
            return _nothing(state)
        self._require(driver, PowerButton.POWER)
        self._require_lamp(state, "a press could switch it on")
        if state is PowerState.SLEEPING:
            raise Unsupported("power: the target is sleeping, and a short press would wake it; use on or force_off")
        return self._press(PowerButton.POWER, self._settings.short_press)

    def force_off(self) -> str:
        """Cut the target's power with a long press; nothing is done where it is off.

        :raises Unsupported: no power button is wired
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        if self._is_off():
            return _nothing(PowerState.OFF)
        return self._press(PowerButton.POWER, self._settings.long_press)

    def reset(self) -> str:
        """Press the reset button; nothing is done where the target is off.

        :raises Unsupported: no reset button is wired
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        if self._is_off():
            return _nothing(PowerState.OFF)
        return self._press(PowerButton.RESET, self._settings.short_press)

    def press(self, button: PowerButton, seconds: float) -> str:
        """Press a button, whatever the lamp says.

        :raises RequestError: ``seconds`` is below 0.1 or above 20
        :raises Unsupported: the button is not wired
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        if not SHORTEST <= seconds <= LONGEST:
            raise RequestError(f"seconds = {seconds:g} cannot be used; accepted: {SHORTEST:g} to {LONGEST:g}")
        return self._press(button, seconds)

    def status(self) -> PowerReport:
        """Tell how power stands."""
        slot, driver, now = self.slot.status, self.slot.driver, time.monotonic()
        seen: PowerStatus = self.slot.seen() or PowerStatus("")
        able = driver.capabilities if driver and self.slot.is_online else PowerCapability(0)
        pressed = self._pressed
        return PowerReport(
            state=slot.state,
            reason=slot.reason,
            since=slot.since,
            driver=slot.driver,
            device=seen.device or None,
            target=self._state(),
            disk_active=self._lamps.disk_active(now) if self.slot.is_online else None,
            press=Press(pressed[0], round(max(0.0, pressed[1] - now), 1)) if pressed else None,
            capabilities=[str(flag.name).lower() for flag in able],
            remarks=seen.remarks,
        )

    def _watch(self, driver: PowerDriver) -> None:
        """Work with an open driver: follow its lamps."""
        self._lamps, told = Lamps(), None
        changed = False
        while not self.slot.stopping.is_set():
            self.slot.beat("status()")
            seen = driver.status()
            self._lamps.see(seen.power_lamp, seen.disk_lamp, changed, time.monotonic())
            self.slot.online()
            state = self._state()
            if state not in (told, PowerState.UNKNOWN):
                self._tell(state.value, "as its power lamp says")
            told = state
            if changed:
                self.slot.stopping.wait(PACE)
            self.slot.beat("watch()")
            changed = driver.watch(WATCH)

    def _driver(self) -> PowerDriver:
        """Return the driver, open and at work."""
        slot, driver = self.slot.status, self.slot.driver
        if driver is not None and slot.state is State.ONLINE:
            return driver
        if slot.state is State.ABSENT:
            way_out = "" if slot.driver else "; set power.driver to what is wired to the target"
            raise Unsupported(f"power: {slot.reason}{way_out}")
        raise DriverError(f"power: {slot.state.value}: {slot.reason}")

    def _state(self) -> PowerState:
        return self._lamps.power(time.monotonic()) if self.slot.is_online else PowerState.UNKNOWN

    def _is_off(self) -> bool:
        self._driver()
        return self._state() is PowerState.OFF

    def _require(self, driver: PowerDriver, button: PowerButton) -> None:
        if _NEEDED[button] not in driver.capabilities:
            raise Unsupported(f"power: {driver.name} has no {button.value} button wired")

    def _require_lamp(self, state: PowerState, danger: str) -> None:
        if state is PowerState.UNKNOWN:
            raise Unsupported(
                f"power: whether the target is on is unknown, as no power lamp is wired, and {danger}; "
                "look at the screen and use press"
            )

    def _press(self, button: PowerButton, seconds: float) -> str:
        driver = self._driver()
        self._require(driver, button)
        with self._taken(button, seconds):
            self.slot.ask("press()", seconds + LATE, lambda: driver.press(button, seconds))
        done = f"the {button.value} button was pressed for {seconds:g} s"
        self._tell("pressed", done)
        return done

    def _wake(self, driver: PowerDriver) -> str:
        with self._taken(PowerButton.POWER, 0.0):
            self.slot.ask("wake()", LATE, driver.wake)
        return "the target was called to wake up; nothing tells whether it heard"

    @contextmanager
    def _taken(self, button: PowerButton, seconds: float) -> Iterator[None]:
        """Be the only one who presses a button.

        :raises Busy: somebody else does
        """
        if not self._turn.acquire(blocking=False):
            raise self._busy()
        try:
            self._pressed = (button, time.monotonic() + seconds)
            yield
        finally:
            self._pressed = None
            self._turn.release()

    def _busy(self) -> Busy:
        button, end = self._pressed or (PowerButton.POWER, 0.0)
        left = max(0.0, end - time.monotonic())
        return Busy(f"power: the {button.value} button is pressed, for {left:.1f} s more; try again then", left)


def _nothing(state: PowerState) -> str:
    return f"nothing was done: the target is {state.value} already"
