"""What the daemon makes of a front panel, with a driver whose computer the test plays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from kvmd.contract.device import DriverOptions
from kvmd.contract.power import PowerButton, PowerCapability, PowerDriver, PowerStatus, Press
from kvmd.contract.reports import PowerState, State
from kvmd.contract.settings import PowerSettings
from kvmd.errors import Busy, DeviceAbsent, DeviceLost, DriverError, RequestError, Unsupported
from kvmd.plugins.choice import Choice
from kvmd.power.facility import Power
from kvmd.slot import SlotStatus
from tests.waiting import eventually, patience

ALL = PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON | PowerCapability.POWER_LAMP
ALL |= PowerCapability.DISK_LAMP
SHORT, LONG = 0.11, 0.22


class Panel(PowerDriver):
    """A front panel: the test sets the lamps and sees the buttons."""

    name = "panel"
    capabilities = ALL

    def __init__(self) -> None:
        self.lit: bool | None = True
        self.disk: bool | None = False
        self.down: list[PowerButton] = []
        self.done: list[tuple[PowerButton | str, float]] = []
        self.lost = False
        self.held = threading.Event()
        self.seen = threading.Event()
        self._press = Press()

    def open(self) -> None:
        self._press.allow()

    def press(self, button: PowerButton, seconds: float) -> None:
        def down() -> None:
            self.down.append(button)
            self.held.set()

        self._press.hold(seconds, down, lambda: self.down.remove(button))
        if self.lost:
            raise DeviceLost("the panel is gone")
        self.done.append((button, seconds))

    def wake(self) -> None:
        self.done.append(("wake", 0))

    def watch(self, timeout: float) -> bool:
        if self.lost:
            raise DeviceLost("the panel is gone")
        changed = self.seen.wait(timeout)
        self.seen.clear()
        return changed

    def status(self) -> PowerStatus:
        lit = self.lit if PowerCapability.POWER_LAMP in self.capabilities else None
        disk = self.disk if PowerCapability.DISK_LAMP in self.capabilities else None
        return PowerStatus("a panel", lit, disk, ("polled",))

    def close(self) -> None:
        self._press.end()

    def light(self, lit: bool) -> None:
        self.lit = lit
        self.seen.set()


class Bench:
    """The facility, its panel, and what it told others."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.absent = False
        self.told: list[tuple[str, str]] = []
        self.changes: list[SlotStatus] = []
        settings = PowerSettings(short_press=SHORT, long_press=LONG)
        choice = cast("Choice[PowerDriver]", self)
        self.power = Power(settings, choice, self.changes.append, lambda state, why: self.told.append((state, why)))

    def make(self) -> Panel:
        """Choice's."""
        if self.absent:
            raise DeviceAbsent("no power device is plugged in")
        return self.panel

    def wait(self, state: State = State.ONLINE) -> None:
        eventually(lambda: self.power.slot.status.state is state, state.value)

    def stop(self) -> None:
        for step in self.power.ending():
            step.take()

    def light(self, lit: bool) -> None:
        """Have the lamp lit or not, and wait until that is known."""
        self.panel.light(lit)
        wanted = PowerState.ON if lit else PowerState.OFF
        eventually(lambda: self.power.status().target is wanted, wanted.value)


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    """Start a facility with these capabilities; ended in the end."""
    benches: list[Bench] = []

    def start(capabilities: PowerCapability = ALL, *, absent: bool = False) -> Bench:
        panel = Panel()
        panel.capabilities = capabilities
        bench = Bench(panel)
        bench.absent = absent
        benches.append(bench)
        bench.power.start()
        bench.wait(State.ABSENT if absent else State.ONLINE)
        return bench

    yield start
    for bench in benches:
        if bench.power.is_alive():
            bench.stop()


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()


def test_options_are_the_contracts() -> None:
    assert Panel.Options is DriverOptions


class TestActions:
    @pytest.mark.parametrize(
        ("action", "lit", "done"),
        [
            ("on", False, [(PowerButton.POWER, SHORT)]),
            ("on", True, []),
            ("off", True, [(PowerButton.POWER, SHORT)]),
            ("off", False, []),
            ("force_off", True, [(PowerButton.POWER, LONG)]),
            ("force_off", False, []),
            ("reset", True, [(PowerButton.RESET, SHORT)]),
            ("reset", False, []),
        ],
    )
    def test_only_what_is_needed_is_done(
        self, bench: Bench, action: str, lit: bool, done: list[tuple[PowerButton, float]]
    ) -> None:
        bench.light(lit)
        words = getattr(bench.power, action)()
        assert bench.panel.done == done
        state = "on" if lit else "off"
        if done:
            button, seconds = done[0]
            assert words == f"the {button.value} button was pressed for {seconds:g} s"
        else:
            assert words == f"nothing was done: the target is {state} already"

    @pytest.mark.parametrize("lit", [True, False])
    def test_a_press_asks_no_lamp(self, bench: Bench, lit: bool) -> None:
        bench.light(lit)
        bench.power.press(PowerButton.POWER, 0.1)
        bench.power.press(PowerButton.RESET, 0.15)
        assert bench.panel.done == [(PowerButton.POWER, 0.1), (PowerButton.RESET, 0.15)]

    @pytest.mark.parametrize("seconds", [0, 0.09, 20.1, -1, float("nan"), float("inf")])
    def test_a_press_has_its_bounds(self, bench: Bench, seconds: float) -> None:
        with pytest.raises(RequestError, match=r"^seconds = .* cannot be used; accepted: 0.1 to 20$"):
            bench.power.press(PowerButton.POWER, seconds)
        assert bench.panel.done == []

    @pytest.mark.parametrize("action", ["on", "off"])
    def test_without_a_lamp_what_depends_on_it_is_refused(self, make: Make, action: str) -> None:
        bench = make(PowerCapability.POWER_BUTTON)
        assert bench.power.status().target is PowerState.UNKNOWN
        with pytest.raises(Unsupported, match="whether the target is on is unknown, as no power lamp is wired"):
            getattr(bench.power, action)()
        assert bench.panel.done == []

    def test_without_a_lamp_the_rest_works(self, make: Make) -> None:
        bench = make(PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON)
        bench.power.force_off()
        bench.power.reset()
        assert bench.panel.done == [(PowerButton.POWER, LONG), (PowerButton.RESET, SHORT)]

    @pytest.mark.parametrize(
        ("capabilities", "action", "words"),
        [
            (PowerCapability.RESET_BUTTON, "force_off", "panel has no power button wired"),
            (PowerCapability.POWER_BUTTON, "reset", "panel has no reset button wired"),
            (PowerCapability.WAKE, "off", "panel has no power button wired"),
            (PowerCapability.RESET_BUTTON, "on", "can neither press a power button nor wake the target"),
        ],
    )
    def test_what_is_not_wired_is_told(
        self, make: Make, capabilities: PowerCapability, action: str, words: str
    ) -> None:
        bench = make(capabilities)
        with pytest.raises(Unsupported, match=words):
            getattr(bench.power, action)()

    def test_a_target_that_can_only_be_woken_is(self, make: Make) -> None:
        bench = make(PowerCapability.WAKE)
        assert bench.power.on() == "the target was called to wake up; nothing tells whether it heard"
        assert bench.panel.done == [("wake", 0)]

    def test_a_sleeping_target_is_woken_and_not_put_out_by_a_short_press(self, bench: Bench) -> None:
        stop = threading.Event()

        def blink() -> None:
            while not stop.wait(0.4):
                bench.panel.light(not bench.panel.lit)

        blinker = threading.Thread(target=blink)
        blinker.start()
        try:
            eventually(lambda: bench.power.status().target is PowerState.SLEEPING, "it to sleep")
            with pytest.raises(Unsupported, match="is sleeping, and a short press would wake it"):
                bench.power.off()
            bench.power.on()
            bench.power.force_off()
        finally:
            stop.set()
            blinker.join()
        assert bench.panel.done == [(PowerButton.POWER, SHORT), (PowerButton.POWER, LONG)]
        assert ("sleeping", "as its power lamp says") in bench.told


class TestOneAtATime:
    def test_who_comes_meanwhile_is_told_what_runs_and_how_long(self, bench: Bench) -> None:
        def press() -> None:
            with pytest.raises(DriverError):
                bench.power.press(PowerButton.RESET, 20)

        presser = threading.Thread(target=press)
        presser.start()
        assert bench.panel.held.wait(patience())
        with pytest.raises(Busy, match=r"^power: the reset button is pressed, for \d+\.\d s more; try again") as raised:
            bench.power.force_off()
        assert 0 < raised.value.retry_after <= 20
        running = bench.power.status().press
        assert running is not None
        assert (running.button, 0 < running.seconds_left <= 20) == (PowerButton.RESET, True)
        bench.stop()
        presser.join()
        assert bench.power.status().press is None

    def test_after_one_that_failed_comes_another(self, bench: Bench) -> None:
        bench.panel.lost = True
        with pytest.raises(DeviceLost):
            bench.power.press(PowerButton.POWER, 0.1)
        bench.panel.lost = False
        bench.wait()
        bench.power.press(PowerButton.POWER, 0.1)


class TestLoss:
    def test_nothing_plugged_in_is_a_refusal_with_the_reason(self, make: Make) -> None:
        bench = make(absent=True)
        for action in (bench.power.on, bench.power.force_off, bench.power.reset):
            with pytest.raises(Unsupported, match=r"^power: no power device is plugged in; set power.driver to"):
                action()
        report = bench.power.status()
        assert (report.state, report.target, report.capabilities) == (State.ABSENT, PowerState.UNKNOWN, [])

    def test_a_lost_panel_is_an_error_and_its_lamps_are_unknown(self, bench: Bench) -> None:
        bench.panel.lost = bench.absent = True
        bench.panel.seen.set()
        bench.wait(State.LOST)
        with pytest.raises(DriverError, match=r"^power: lost: the panel is gone$"):
            bench.power.force_off()
        assert bench.power.status().target is PowerState.UNKNOWN
        bench.panel.lost = bench.absent = False
        bench.power.slot.wake()
        bench.wait()
        assert bench.power.status().target is PowerState.ON

    def test_a_stop_in_mid_press_releases_the_button(self, bench: Bench) -> None:
        errors: list[DriverError] = []

        def press() -> None:
            with pytest.raises(DriverError, match="the press was cut short") as raised:
                bench.power.press(PowerButton.POWER, 20)
            errors.append(raised.value)

        presser = threading.Thread(target=press)
        presser.start()
        assert bench.panel.held.wait(patience())
        bench.stop()
        assert bench.panel.down == []
        presser.join()
        assert len(errors) == 1


class TestTelling:
    def test_the_status(self, bench: Bench) -> None:
        report = bench.power.status()
        assert (report.state, report.driver, report.device) == (State.ONLINE, "panel", "a panel")
        assert (report.target, report.disk_active, report.press) == (PowerState.ON, False, None)
        assert report.capabilities == ["power_button", "reset_button", "power_lamp", "disk_lamp"]
        assert report.remarks == ("polled",)

    def test_others_are_told_of_states_and_presses(self, bench: Bench) -> None:
        eventually(lambda: ("on", "as its power lamp says") in bench.told, "on")
        bench.light(lit=False)
        eventually(lambda: ("off", "as its power lamp says") in bench.told, "off")
        bench.power.press(PowerButton.RESET, 0.1)
        assert bench.told[-1] == ("pressed", "the reset button was pressed for 0.1 s")
        assert [state for state, _ in bench.told] == ["on", "off", "pressed"]

    def test_disk_activity(self, bench: Bench) -> None:
        bench.panel.seen.set()
        eventually(lambda: bench.power.status().disk_active, "activity")
        eventually(lambda: not bench.power.status().disk_active, "its end")
