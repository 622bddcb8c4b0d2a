"""One role's life, with drivers that fail in every way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from kvmd import slot as slots
from kvmd.contract.hid import HidStatus
from kvmd.contract.reports import State
from kvmd.errors import DeviceAbsent, DeviceLost, DriverError, HidOffline, NoSignal
from kvmd.slot import FIRST_DELAY, LONGEST_DELAY, PACE, Slot
from tests.waiting import eventually


class Driver:
    """Fails on command: whatever stands in the role's script is raised."""

    name = "scripted"

    def __init__(self, role: Role) -> None:
        self.role = role
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1
        self.role.before_open.wait()
        self.role.act(self.role.at_open)

    def status(self) -> HidStatus:
        return HidStatus("a scripted device")

    def close(self) -> None:
        self.closed += 1
        self.role.closed_in.append(self.role.slot.status)
        self.role.act(self.role.at_close)


class Role:
    """A slot, and what it is to meet: ``at_make``, ``at_open``, ``at_run`` and ``at_close`` are errors or None."""

    def __init__(self) -> None:
        self.at_make: Exception | None = None
        self.at_open: Exception | None = None
        self.at_run: BaseException | None = None
        self.at_close: Exception | None = None
        self.before_open = threading.Event()
        self.before_open.set()
        self.works = True
        self.drivers: list[Driver] = []
        self.seen: list[slots.SlotStatus] = []
        self.closed_in: list[slots.SlotStatus] = []
        self.runs = 0
        self.slot: Slot[Any] = Slot("hid", self.make, self.run, self.seen.append)
        self._changed = threading.Event()

    def act(self, error: BaseException | None) -> None:
        if error:
            raise error

    def make(self) -> Driver:
        self.act(self.at_make)
        self.drivers.append(Driver(self))
        return self.drivers[-1]

    def run(self, driver: object) -> None:
        assert driver is self.slot.driver
        self.runs += 1
        while not self.slot.stopping.is_set():
            self._changed.clear()
            self.act(self.at_run)
            if self.works:
                self.slot.online()
            self._changed.wait(0.02)

    def now(self, **script: object) -> None:
        """Change what the slot meets, and let a driver that runs see it."""
        for name, value in script.items():
            setattr(self, name, value)
        self._changed.set()

    @property
    def states(self) -> list[State]:
        return [status.state for status in self.seen]

    def reach(self, state: State) -> slots.SlotStatus:
        return eventually(lambda: self.slot.status if self.slot.status.state is state else None, state.value)

    def never_blocks(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Note how long the slot would wait, with the delays of a daemon, instead of waiting."""
        waits = []

        def wait(timeout: float) -> bool:
            waits.append(timeout)
            return really_wait(timeout / 1000)

        really_wait = self.slot._woken.wait
        monkeypatch.setattr(self.slot._woken, "wait", wait)
        monkeypatch.setattr(slots, "FIRST_DELAY", FIRST_DELAY)
        self.slot._delay = FIRST_DELAY
        return waits


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    monkeypatch.setattr(slots, "FIRST_DELAY", 0.005)
    role = Role()
    yield role
    role.at_close = None
    if role.slot.is_alive():
        role.slot.stop()
    assert all(driver.closed == 1 for driver in role.drivers), "every driver that was made is closed, once"
    assert role.slot.driver is None


@pytest.fixture
def started(role: Role) -> Role:
    role.slot.start()
    role.reach(State.ONLINE)
    return role


def test_it_starts_and_works(role: Role, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert role.slot.status.state is State.STARTING
    before = datetime.now(UTC)
    role.slot.start()
    status = role.reach(State.ONLINE)
    assert (status.reason, status.driver) == ("a scripted device", "scripted")
    assert before <= status.since <= datetime.now(UTC)
    assert role.states == [State.STARTING, State.ONLINE]
    assert role.seen[0].reason == "scripted is being opened"
    said = "hid: online: a scripted device (driver scripted)"
    eventually(lambda: said in caplog.messages, "the log to say what was taken, and by whom")


def test_it_is_absent_while_nothing_is_plugged_in(role: Role) -> None:
    role.at_make = DeviceAbsent("no hid device is plugged in")
    role.slot.start()
    status = role.reach(State.ABSENT)
    assert (status.reason, status.driver) == ("no hid device is plugged in", None)
    role.at_make = None
    role.slot.wake()
    role.reach(State.ONLINE)


@pytest.mark.parametrize("where", ["at_open", "at_run"])
@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (DeviceAbsent("no such node"), State.ABSENT, "no such node"),
        (DriverError("permission denied"), State.RETRYING, "permission denied"),
        (DeviceLost("it was unplugged"), State.LOST, "it was unplugged"),
        (ZeroDivisionError("by zero"), State.RETRYING, "the driver failed: ZeroDivisionError: by zero"),
        (OSError(5, "Input/output error"), State.RETRYING, "the driver failed: OSError: [Errno 5] Input/output error"),
    ],
)
def test_what_fails_is_told_and_tried_again(
    role: Role, where: str, error: Exception, state: State, reason: str
) -> None:
    setattr(role, where, error)
    role.slot.start()
    assert role.reach(state).reason == reason
    eventually(lambda: len(role.drivers) > 2, "further attempts")
    assert role.slot.is_alive()
    role.now(**{where: None})
    role.slot.wake()
    role.reach(State.ONLINE)


def test_a_make_that_fails_unexpectedly_is_told(role: Role) -> None:
    role.at_make = RuntimeError("udev is broken")
    role.slot.start()
    assert role.reach(State.RETRYING).reason == "the driver failed: RuntimeError: udev is broken"
    role.at_make = None
    role.slot.wake()
    role.reach(State.ONLINE)


def test_a_close_that_fails_does_not_kill_the_slot(started: Role) -> None:
    started.at_close = RuntimeError("close() raised")
    started.now(at_run=DeviceLost("unplugged"))
    eventually(lambda: "close() raised" in started.slot.status.reason, "the failure")
    started.now(at_run=None, at_close=None)
    started.slot.wake()
    started.reach(State.ONLINE)


def test_a_driver_that_failed_is_not_said_to_work_while_it_is_closed(started: Role) -> None:
    started.now(at_run=DeviceLost("unplugged"), at_make=DeviceAbsent("no device is plugged in"))
    eventually(lambda: started.closed_in, "being closed")
    [status] = started.closed_in
    assert (status.state, status.driver) == (State.LOST, None)


def test_lost_stays_lost_while_nothing_is_plugged_in(started: Role) -> None:
    started.now(at_run=DeviceLost("/dev/video0 is gone"), at_make=DeviceAbsent("no device is plugged in"))
    lost = started.reach(State.LOST)
    attempts = []

    def make() -> Driver:
        attempts.append(1)
        return started.make()

    started.slot._make = make
    eventually(lambda: len(attempts) >= 2, "attempts")
    assert started.slot.status == lost, "state, reason and since stay"
    started.now(at_run=None, at_make=None)
    started.slot.wake()
    started.reach(State.ONLINE)
    assert started.states[-2:] == [State.LOST, State.ONLINE]


@pytest.mark.parametrize("error", [NoSignal("the source sends nothing"), HidOffline("the host sleeps")])
def test_without_a_signal_the_device_stays_open(started: Role, error: NoSignal | HidOffline) -> None:
    started.now(at_run=error)
    status = started.reach(State.NO_SIGNAL)
    assert (status.reason, status.driver) == (str(error), "scripted")
    before = started.runs
    eventually(lambda: started.runs >= before + 2, "being asked again")
    assert started.slot.status == status, "since when stays"
    started.now(at_run=None)
    started.reach(State.ONLINE)
    assert len(started.drivers) == 1
    assert started.drivers[0].opened == 1


def test_another_reason_is_told_and_since_stays(started: Role) -> None:
    started.now(at_run=NoSignal("no cable"))
    first = started.reach(State.NO_SIGNAL)
    started.now(at_run=NoSignal("unsupported timing"))
    eventually(lambda: started.slot.status.reason == "unsupported timing", "the new reason")
    assert started.slot.status.since == first.since


@pytest.mark.parametrize(
    ("error", "state"),
    [(HidOffline("the host took no report"), State.NO_SIGNAL), (DeviceLost("the port is gone"), State.LOST)],
)
def test_a_failure_at_work_from_outside_is_told(started: Role, error: HidOffline | DeviceLost, state: State) -> None:
    started.slot.offline(error)
    assert started.slot.status.state is state
    assert started.seen[-1].reason == str(error)
    started.now()
    started.reach(State.ONLINE)


def test_a_failure_from_outside_does_not_hide_a_worse_state(started: Role) -> None:
    started.now(at_run=DeviceLost("unplugged"), at_make=DeviceAbsent("none"))
    started.reach(State.LOST)
    started.slot.offline(HidOffline("the host took no report"))
    assert started.slot.status.state is State.LOST


def test_it_backs_off(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = role.never_blocks(monkeypatch)
    role.at_make = DeviceAbsent("none")
    role.slot.start()
    eventually(lambda: len(waits) >= 10, "ten attempts")
    assert waits[:7] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert (FIRST_DELAY, LONGEST_DELAY) == (0.2, 5.0)


@pytest.mark.parametrize("error", [NoSignal("none"), HidOffline("none")], ids=["signal", "host"])
def test_an_open_driver_is_asked_again_at_an_even_pace(
    role: Role, monkeypatch: pytest.MonkeyPatch, error: NoSignal | HidOffline
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(role.slot.stopping, "wait", waits.append)
    role.at_run = error
    role.slot.start()
    eventually(lambda: len(waits) >= 5, "five attempts")
    assert set(waits) == {PACE} == {0.2}


def test_work_resets_the_back_off(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = role.never_blocks(monkeypatch)
    attempts = iter(range(100))

    def run(driver: object) -> None:  # noqa: ARG001  # as the slot calls it
        if next(attempts) == 4:
            role.slot.online()
        raise DriverError("it stumbles")

    role.slot._run = run
    role.slot.start()
    eventually(lambda: len(waits) >= 8, "eight attempts")
    assert waits[:8] == pytest.approx([0.2, 0.4, 0.8, 1.6, 0.2, 0.4, 0.8, 1.6])


def test_it_is_woken_at_once(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "FIRST_DELAY", 3600)
    monkeypatch.setattr(slots, "LONGEST_DELAY", 3600)
    role.slot._delay = 3600
    role.at_make = DeviceAbsent("none")
    role.slot.start()
    role.reach(State.ABSENT)
    role.at_make = None
    role.slot.wake()
    role.reach(State.ONLINE)


def test_a_wake_while_it_is_opening_is_not_lost(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that appears while another attempt is failing is tried at once, not after the back-off."""
    monkeypatch.setattr(slots, "FIRST_DELAY", 3600)
    monkeypatch.setattr(slots, "LONGEST_DELAY", 3600)
    role.slot._delay = 3600

    def make() -> Driver:
        if not role.seen:
            role.slot.wake()
            raise DeviceAbsent("none yet")
        return role.make()

    role.slot._make = make
    role.slot.start()
    role.reach(State.ONLINE)


@pytest.mark.parametrize(
    "script",
    [
        {"works": False},
        {},
        {"at_make": DeviceAbsent("none")},
        {"at_run": NoSignal("none")},
        {"at_run": HidOffline("none")},
        {"at_run": DeviceLost("gone")},
        {"at_open": DriverError("busy")},
        {"at_run": ValueError("unexpected")},
    ],
    ids=["starting", "online", "absent", "no signal", "offline", "lost", "retrying", "failed"],
)
def test_it_stops_from_any_state(role: Role, monkeypatch: pytest.MonkeyPatch, script: dict[str, object]) -> None:
    monkeypatch.setattr(slots, "LONGEST_DELAY", 3600)
    monkeypatch.setattr(slots, "PACE", 3600)
    role.slot._delay = 3600
    role.now(**script)
    role.slot.start()
    eventually(lambda: role.seen or role.runs, "a first attempt")
    role.slot.stop()
    assert not role.slot.is_alive()
    assert role.slot.driver is None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DriverError("/dev/video0 is in use"), State.RETRYING),
        (DeviceAbsent("there is no camera 1"), State.ABSENT),
    ],
)
def test_what_is_wrong_is_told_once_until_it_works(
    started: Role, error: DriverError | DeviceAbsent, state: State
) -> None:
    started.now(at_open=error, at_run=error)
    wrong = started.reach(state)
    opened = len(started.drivers)
    eventually(lambda: len(started.drivers) >= opened + 2, "two more attempts")
    assert started.slot.status.since == wrong.since
    assert State.STARTING not in started.states[started.states.index(state) :]
    started.now(at_open=None, at_run=None)
    started.slot.wake()
    started.reach(State.ONLINE)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=["exit", "interrupt"])
def test_what_a_driver_raises_does_not_end_the_slot(started: Role, error: BaseException) -> None:
    started.now(at_run=error)
    status = started.reach(State.RETRYING)
    assert status.reason.startswith(f"the driver failed: {type(error).__name__}: ")
    started.now(at_run=None)
    started.slot.wake()
    started.reach(State.ONLINE)


def test_the_pulse_names_the_call_and_rests_in_the_end(role: Role) -> None:
    pulse = role.slot.pulses[0]
    gate = threading.Event()
    role.at_make = DeviceAbsent("none")
    role.slot.start()
    eventually(lambda: pulse.last and pulse.last.doing == "waiting for the next attempt", "the wait")
    role.now(at_make=None, before_open=gate)
    role.slot.wake()
    eventually(lambda: pulse.last and pulse.last.doing == "open()", "the call")
    gate.set()
    role.reach(State.ONLINE)
    role.slot.stop()
    assert pulse.last is None


def test_a_driver_that_does_not_say_how_it_stands_is_seen_as_it_was(
    started: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    assert started.slot.seen() == HidStatus("a scripted device")
    monkeypatch.setattr(slots, "SEEN", 0.01)
    for failing in (gate.wait, lambda: 1 / 0):
        monkeypatch.setattr(started.drivers[0], "status", failing)
        assert started.slot.seen() == HidStatus("a scripted device")
    gate.set()
    started.slot.stop()
    assert started.slot.seen() is None
