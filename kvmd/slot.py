"""One role's life: a driver is found, opened and run; what ends it is told, waited out, and tried again."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from kvmd.contract.driver import BaseDriver, DriverStatus
from kvmd.contract.reports import State
from kvmd.errors import DeviceAbsent, DeviceLost, DriverError, HidOffline, NoSignal, Unavailable
from kvmd.system.bounded import Bounded
from kvmd.system.pulse import Pulse

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
"""Seconds to wait before the next attempt to open a device, at first and in the end."""

PACE = 0.2
"""Seconds between two attempts with an open driver, which waits for its signal, or its host, itself."""

SEEN = 1.0
"""Seconds that a driver has to say how things stand."""

D = TypeVar("D", bound=BaseDriver)
T = TypeVar("T")


_EMPTY = State.ABSENT, State.LOST, State.RETRYING
"""What is said while no driver is in use."""


class SlotStatus(msgspec.Struct, frozen=True):
    """A slot's state, why, since when, and the name of the driver in use."""

    state: State
    reason: str
    since: datetime
    driver: str | None


class Slot(Generic[D]):
    """Keeps one role filled, in a thread of its own.

    :param role: the role's name, for messages
    :param make: makes the driver that suits what is plugged in; raises DeviceAbsent
    :param run: works with an open driver; calls ``online`` when it does work, returns when ``stopping`` is set
    :param changed: told about every change
    :param absence: the level at which it is logged that nothing is plugged in, which is normal for some roles
    """

    def __init__(
        self,
        role: str,
        make: Callable[[], D],
        run: Callable[[D], None],
        changed: Callable[[SlotStatus], None],
        absence: int = logging.WARNING,
    ) -> None:
        self.role = role
        self.driver: D | None = None
        self.stopping = threading.Event()
        self._make: Callable[[], D] = make
        self._run: Callable[[D], None] = run
        self._changed = changed
        self._levels = {State.STARTING: logging.INFO, State.ONLINE: logging.INFO, State.ABSENT: absence}
        self._woken = threading.Event()
        self._delay = FIRST_DELAY
        self._worked = False
        self.status = SlotStatus(State.STARTING, "the daemon has just started", datetime.now(UTC), None)
        self._pulse = Pulse(role)
        self._calls = Bounded(f"{role} driver")
        self._seen: tuple[D, Any] | None = None
        self._thread = threading.Thread(target=self._live, name=f"kvmd-{role}", daemon=True)

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """The signs of life of the thread, and of what others ask of the driver."""
        return self._pulse, self._calls.pulse

    def start(self) -> None:
        """Begin to fill the role."""
        self._thread.start()

    def stop(self) -> None:
        """Close the driver and wait for the thread."""
        self.stopping.set()
        self._woken.set()
        if self._thread.ident:
            self._thread.join()

    def wake(self) -> None:
        """Try again now: something was plugged in or out."""
        self._woken.set()

    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def beat(self, doing: str) -> None:
        """Note that the thread lives, and what it does now, such as ``watch()`` of the driver; called from ``run``."""
        self._pulse.beat(doing)

    def ask(self, call: str, seconds: float, function: Callable[[], T]) -> T:
        """Call a function of the driver for somebody outside ``run``, who must not wait for ever.

        :param call: it, for messages, such as ``status()``
        :raises Unavailable: it does not come back within so many seconds
        """
        return self._calls.call(call, seconds, function)

    def seen(self) -> Any:  # noqa: ANN401  # the struct of the driver's role
        """Return what the driver says of itself, or said last if it cannot now; None if none is open, or never did."""
        driver = self.driver
        if driver is None:
            return None
        with contextlib.suppress(Exception):  # the slot's own thread asks, too, and tells
            self._ask_status(driver)
        last = self._seen
        return last[1] if last and last[0] is driver else None

    def _ask_status(self, driver: D) -> DriverStatus:
        said = self.ask("status()", SEEN, driver.status)
        self._seen = driver, said
        return said

    @property
    def is_online(self) -> bool:
        """Whether the role is filled and works."""
        return self.status.state is State.ONLINE

    def online(self) -> None:
        """Note that it works; called from ``run``, as often as it likes."""
        self._worked = True
        if not self.is_online:
            driver = self.driver
            self._set(State.ONLINE, self._ask_status(driver).device if driver else "")

    def offline(self, error: DriverError) -> None:
        """Note that the driver failed at work given to it from outside ``run``."""
        if self.is_online:
            self._set(State.LOST if isinstance(error, DeviceLost) else State.NO_SIGNAL, str(error))

    def _live(self) -> None:
        while not self.stopping.is_set():
            for step in (self._fill, self._empty):
                try:
                    step()
                except BaseException as error:  # SystemExit, too: it is a driver's, and ends nothing here
                    self._fail(error)
            self._wait()
        self._pulse.rest()

    def _fail(self, error: BaseException) -> None:
        """Tell why the role is not filled; before the driver is gone, or it would be said to work without one."""
        match error:
            case DeviceAbsent():
                if self.status.state is not State.LOST:
                    self._set(State.ABSENT, str(error))
            case DeviceLost():
                self._set(State.LOST, str(error))
            case DriverError() | Unavailable():
                self._set(State.RETRYING, str(error))
            case _:
                logger.error("%s: the driver failed", self.role, exc_info=error)
                self._set(State.RETRYING, f"the driver failed: {type(error).__name__}: {error}")

    def _fill(self) -> None:
        self.beat("looking for a device")
        driver = self.driver = self._make()
        # What was wrong is told until it works: an attempt alone is no news.
        if self.status.state not in _EMPTY:
            self._set(State.STARTING, f"{driver.name} is being opened")
        self.beat("open()")
        driver.open()
        while not self.stopping.is_set():
            self._work(driver)

    def _empty(self) -> None:
        driver, self.driver = self.driver, None
        if driver:
            self.beat("close()")
            driver.close()

    def _work(self, driver: D) -> None:
        try:
            self._run(driver)
        except (NoSignal, HidOffline) as error:
            self._set(State.NO_SIGNAL, str(error))
            self.stopping.wait(PACE)

    def _wait(self) -> None:
        """Back off, unless something was plugged in; what worked starts anew."""
        self.beat("waiting for the next attempt")
        if self._worked:
            self._delay = FIRST_DELAY
        self._worked = False
        woken = self._woken.wait(self._delay)
        self._delay = FIRST_DELAY if woken else min(self._delay * 2, LONGEST_DELAY)
        if not self.stopping.is_set():
            self._woken.clear()

    def _set(self, state: State, reason: str) -> None:
        if (state, reason) == (self.status.state, self.status.reason):
            return
        name = self.driver.name if self.driver and state not in _EMPTY else None
        since = self.status.since if state is self.status.state else datetime.now(UTC)
        self.status = SlotStatus(state, reason, since, name)
        by = f" (driver {name})" if self.is_online else ""
        logger.log(self._levels.get(state, logging.WARNING), "%s: %s: %s%s", self.role, state.value, reason, by)
        self._changed(self.status)
