"""The conformance suite of power drivers: a right one passes, and each fault is caught by the test meant for it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kvmd import Device, DeviceAbsent, DeviceLost, DriverError, DriverOptions, PowerCapability, PowerDriver, PowerStatus
from kvmd.contract.power import PowerButton
from kvmd.testing import PowerConformance, power

RED = (AssertionError, pytest.fail.Exception)


class Panel(PowerDriver):
    """A right driver with its device in one: buttons that are down, lamps that are lit, and a plug."""

    name = "panel"
    capabilities = ~PowerCapability(0) & ~PowerCapability.WAKE

    def __init__(self, _options: DriverOptions | None = None, _device: Device | None = None) -> None:
        self.changed = threading.Condition()
        self.plugged = True
        self.down: set[PowerButton] = set()
        self.lamps = PowerCapability(0)
        self.is_open = False
        self._told = self.lamps

    def open(self) -> None:
        if not self.plugged:
            raise DeviceAbsent("the panel is not plugged in")
        self.is_open = True
        self.release()

    def release(self) -> None:
        self.down.clear()

    def press(self, button: PowerButton, seconds: float) -> None:
        if power.BUTTONS[button] not in self.capabilities:
            super().press(button, seconds)
        self.check()
        self.down.add(button)
        try:
            self.wait(seconds)
        finally:
            self.release()
        self.check()

    def wait(self, seconds: float) -> None:
        self.wait_for(lambda: not (self.is_open and self.plugged), seconds)

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def check(self) -> None:
        if not self.plugged:
            raise DeviceLost("the panel was unplugged")
        if not self.is_open:
            raise DriverError("the panel is closed")

    def watch(self, timeout: float) -> bool:
        self.wait_for(lambda: not self.plugged or self.lamps != self._told, timeout)
        self.check()
        before, self._told = self._told, self.lamps
        return before != self._told

    def status(self) -> PowerStatus:
        return PowerStatus("a panel", PowerCapability.POWER_LAMP in self.lamps, PowerCapability.DISK_LAMP in self.lamps)

    def close(self) -> None:
        self.change(is_open=False)

    def change(self, **fields: object) -> None:
        """Change what stands here, and wake those who wait for it."""
        with self.changed:
            self.__dict__.update(fields)
            self.changed.notify_all()


def panel(driver: PowerDriver) -> Panel:
    assert isinstance(driver, Panel)
    return driver


class OnThePanel(PowerConformance):
    """The suite, told how to look at the panel and what to do to it."""

    hold = 0.1

    @pytest.fixture
    def driver(self) -> Panel:
        return Panel()

    def pressed(self, driver: PowerDriver, button: PowerButton) -> bool | None:
        return button in panel(driver).down

    def leave_pressed(self, driver: PowerDriver, button: PowerButton) -> None:
        panel(driver).down.add(button)

    def light(self, driver: PowerDriver, lamp: PowerCapability, on: bool) -> None:
        lamps = panel(driver).lamps
        panel(driver).change(lamps=lamps | lamp if on else lamps & ~lamp)

    def unplug(self, driver: PowerDriver) -> None:
        panel(driver).change(plugged=False)

    def plug(self, driver: PowerDriver) -> None:
        panel(driver).change(plugged=True)


class TestARightDriver(OnThePanel):
    """All of the suite."""


class TestARightDriverThatCannotBeSeen(PowerConformance):
    """What is left of the suite where nothing tells what the wires do."""

    hold = 0.1

    @pytest.fixture
    def driver(self) -> Panel:
        return Panel()


class Wakes(Panel):
    """It has neither buttons nor lamps, and says so in the right way."""

    capabilities = PowerCapability.WAKE

    def wake(self) -> None:
        self.check()

    def status(self) -> PowerStatus:
        return PowerStatus("a network")


class TestARightDriverWithoutWires(OnThePanel):
    @pytest.fixture
    def driver(self) -> Wakes:
        return Wakes()


class DeclaresNothing(Panel):
    capabilities = PowerCapability(0)


class HidesALamp(Panel):
    def status(self) -> PowerStatus:
        return msgspec.structs.replace(super().status(), disk_lamp=None)


class InventsALamp(Panel):
    capabilities = Panel.capabilities & ~PowerCapability.DISK_LAMP


class ReturnsAtOnce(Panel):
    def press(self, button: Any, seconds: Any) -> None:
        threading.Thread(target=super().press, args=(button, seconds), daemon=True).start()


class ReleasesEarly(Panel):
    def wait(self, seconds: Any) -> None:
        super().wait(seconds / 4)
        self.release()
        super().wait(seconds)


class NeverReleases(Panel):
    def release(self) -> None:
        pass


class OnlyWaits(Panel):
    def press(self, _button: Any, seconds: Any) -> None:
        self.check()
        self.wait(seconds)


class PressesWhatItNeverPromised(Panel):
    capabilities = Panel.capabilities & ~PowerCapability.RESET_BUTTON

    def press(self, _button: Any, _seconds: Any) -> None:
        self.check()


class WakesNobody(Panel):
    def wake(self) -> None:
        pass


class CannotWake(Wakes):
    def wake(self) -> None:
        raise DriverError("no network")


class Spins(Panel):
    def watch(self, _timeout: Any) -> bool:
        return super().watch(0)


class AlwaysHasNews(Panel):
    def watch(self, timeout: Any) -> bool:
        super().watch(timeout)
        return True


class ForgetsToTell(Panel):
    def watch(self, timeout: Any) -> bool:
        super().watch(timeout)
        return False


class SeesNoDisk(Panel):
    def status(self) -> PowerStatus:
        return msgspec.structs.replace(super().status(), disk_lamp=False)


class SeesThePowerOnly(Panel):
    def status(self) -> PowerStatus:
        return msgspec.structs.replace(super().status(), power_lamp=True)


class LocksWhilePressing(Panel):
    def wait(self, seconds: Any) -> None:
        with self.changed:
            time.sleep(seconds)


class ClosesAfterThePress(Panel):
    def wait(self, seconds: Any) -> None:
        self.wait_for(lambda: not self.plugged, seconds)


class CloseIsSilent(Panel):
    def press(self, button: Any, seconds: Any) -> None:
        try:
            super().press(button, seconds)
        except DeviceLost:
            raise
        except DriverError:
            return


class LeavesPressedAtClose(Panel):
    def release(self) -> None:
        if self.is_open:
            super().release()


class PressesWhileClosed(Panel):
    def press(self, button: Any, seconds: Any) -> None:
        pass


class LeavesPressedAtOpen(Panel):
    def open(self) -> None:
        self.is_open = True


class OpensOnce(Panel):
    opened = False

    def open(self) -> None:
        if self.opened:
            raise DriverError("it was opened before")
        self.opened = True
        super().open()


class DoesNotNoticeTheLoss(Panel):
    def check(self) -> None:
        if not self.is_open:
            raise DriverError("the panel is closed")


class LosesInOtherWords(Panel):
    def press(self, button: Any, seconds: Any) -> None:
        try:
            super().press(button, seconds)
        except DeviceLost as error:
            raise DriverError(str(error)) from error


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (DeclaresNothing, "test_capabilities_are_declared"),
        (HidesALamp, "test_status"),
        (InventsALamp, "test_status"),
        (ReturnsAtOnce, "test_press_holds_the_button"),
        (ReleasesEarly, "test_press_holds_the_button"),
        (NeverReleases, "test_press_holds_the_button"),
        (OnlyWaits, "test_press_holds_the_button"),
        (PressesWhatItNeverPromised, "test_what_is_undeclared_is_unsupported"),
        (WakesNobody, "test_what_is_undeclared_is_unsupported"),
        (Spins, "test_watch_returns_in_time"),
        (AlwaysHasNews, "test_watch_returns_in_time"),
        (LocksWhilePressing, "test_watch_and_status_beside_a_press"),
        (ClosesAfterThePress, "test_close_ends_a_press"),
        (CloseIsSilent, "test_close_ends_a_press"),
        (LeavesPressedAtClose, "test_close_ends_a_press"),
        (PressesWhileClosed, "test_a_closed_driver_is_not_pressed"),
        (LeavesPressedAtOpen, "test_open_releases_the_buttons"),
        (OpensOnce, "test_open_again"),
        (SeesThePowerOnly, "test_power_lamp"),
        (ForgetsToTell, "test_power_lamp"),
        (SeesNoDisk, "test_disk_lamp"),
        (ForgetsToTell, "test_disk_lamp"),
        (DoesNotNoticeTheLoss, "test_device_lost_and_back"),
        (LosesInOtherWords, "test_device_lost_and_back"),
        (OpensOnce, "test_device_lost_and_back"),
        (LosesInOtherWords, "test_device_lost_in_mid_press"),
        (NeverReleases, "test_device_lost_in_mid_press"),
    ],
)
def test_a_faulty_power_driver(kind: type[Panel], test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "PATIENCE", 1.0)
    faulty = kind()
    if test not in {"test_open_releases_the_buttons", "test_open_again"}:
        faulty.open()
    with pytest.raises((*RED, DriverError)):
        getattr(OnThePanel(), test)(faulty)


def test_a_driver_that_cannot_wake() -> None:
    driver = CannotWake()
    driver.open()
    with pytest.raises(DriverError, match="no network"):
        OnThePanel().test_wake(driver)
