"""Broken power drivers."""

# the docstrings stand in the documentation

from __future__ import annotations

import time
from functools import partial

import msgspec

from kvmd import DeviceLost, DriverError, PowerButton, PowerCapability, PowerStatus
from kvmd.testing.driver import Beside
from tests.kvmd.testing.faults.fault import Fault
from tests.kvmd.testing.simulated import OnThePanel, Panel, PluggedOnce, Wakes

replace = msgspec.structs.replace


class DeclaresNothing(Panel):
    """It declares nothing that it can do."""

    capabilities = PowerCapability(0)


class NamesWhatItCan(Panel):
    """Its capabilities are texts."""

    capabilities = ("power_button",)  # type: ignore[assignment]


class HidesALamp(Panel):
    """Its status lacks a lamp that it declares."""

    def status(self) -> PowerStatus:
        return replace(super().status(), disk_lamp=None)


class InventsALamp(Panel):
    """Its status has a lamp that it does not declare."""

    capabilities = Panel.capabilities & ~PowerCapability.DISK_LAMP


class ReturnsAtOnce(Panel):
    """It comes back while the button is still pressed."""

    def press(self, button: PowerButton, seconds: float) -> None:
        Beside(partial(super().press, button, seconds))


class ReleasesEarly(Panel):
    """It releases the button before its time, and comes back in time."""

    def wait(self, seconds: float) -> None:
        super().wait(seconds / 4)
        self.release()
        super().wait(seconds)


class NeverReleases(Panel):
    """It leaves the button pressed."""

    def release(self) -> None:
        pass


class OnlyWaits(Panel):
    """It presses nothing, and comes back in time."""

    def press(self, button: PowerButton, seconds: float) -> None:  # noqa: ARG002
        self.check()
        self.wait(seconds)


class PressesWhatItNeverPromised(Panel):
    """It presses a button that it does not declare."""

    capabilities = Panel.capabilities & ~PowerCapability.RESET_BUTTON

    def press(self, button: PowerButton, seconds: float) -> None:  # noqa: ARG002
        self.check()


class WakesNobody(Panel):
    """It wakes, which it does not declare."""

    def wake(self) -> None:
        pass


class CannotWake(Wakes):
    """It declares that it wakes, and does not."""

    def wake(self) -> None:
        raise DriverError("no network")


class Spins(Panel):
    """It does not wait for news."""

    def watch(self, timeout: float) -> bool:  # noqa: ARG002
        return super().watch(0)


class AlwaysHasNews(Panel):
    """It says each time that a lamp has changed."""

    def watch(self, timeout: float) -> bool:
        super().watch(min(timeout, 0.01))
        return True


class LocksWhilePressing(Panel):
    """It does not look at the lamps while it presses a button."""

    def wait(self, seconds: float) -> None:
        with self.changed:
            time.sleep(min(seconds, 20))


class ClosesAfterThePress(Panel):
    """Its close() does not end a press."""

    def wait(self, seconds: float) -> None:
        self.wait_for(lambda: not self.plugged, seconds)


class CloseIsSilent(Panel):
    """A press that close() ended looks like one that was done."""

    def press(self, button: PowerButton, seconds: float) -> None:
        try:
            super().press(button, seconds)
        except DeviceLost:
            raise
        except DriverError:
            return


class LeavesPressedAtClose(Panel):
    """Its close() leaves the button pressed."""

    def release(self) -> None:
        if self.is_open:
            super().release()


class PressesWhileClosed(Panel):
    """It says that it pressed a button while it was closed."""

    def press(self, button: PowerButton, seconds: float) -> None:
        pass


class LeavesPressedAtOpen(Panel):
    """Its open() leaves a button pressed that somebody else pressed."""

    def open(self) -> None:
        self.must_be_there()
        self.is_open = True


class OpensOnce(PluggedOnce, Panel):
    """It can be opened only once."""


class ForgetsToTell(Panel):
    """It does not say that a lamp has changed."""

    def watch(self, timeout: float) -> bool:
        super().watch(timeout)
        return False


class SeesNoPower(Panel):
    """The power lamp of its status is never lit."""

    def status(self) -> PowerStatus:
        return replace(super().status(), power_lamp=False)


class SeesNoDisk(Panel):
    """The disk lamp of its status is never lit."""

    def status(self) -> PowerStatus:
        return replace(super().status(), disk_lamp=False)


class IsLostUnseen(Panel):
    """It does not notice that its device is gone."""

    def check(self) -> None:
        if not self.is_open:
            raise DriverError("it is closed")


class LosesInOtherWords(Panel):
    """It does not say of a press that its device is gone."""

    def press(self, button: PowerButton, seconds: float) -> None:
        try:
            super().press(button, seconds)
        except DeviceLost as error:
            raise DriverError(str(error)) from error


class OnThePanelForLong(OnThePanel):
    """The suite, so that a machine that is slow takes nothing for a press."""

    hold = 5.0


_fault = partial(Fault, OnThePanel)

FAULTS = [
    _fault(DeclaresNothing, "test_capabilities_are_declared", "the driver declares nothing that it can do"),
    _fault(NamesWhatItCan, "test_capabilities_are_declared", "capabilities are ('power_button',), no PowerCapability"),
    _fault(HidesALamp, "test_status", "does not agree with PowerCapability"),
    _fault(InventsALamp, "test_status", "does not agree with PowerCapability"),
    Fault(OnThePanelForLong, ReturnsAtOnce, "test_press_holds_the_button", "s instead of 5 s"),
    _fault(ReleasesEarly, "test_press_holds_the_button", "the power button was up before its time"),
    _fault(NeverReleases, "test_press_holds_the_button", "press() left the power button pressed"),
    _fault(OnlyWaits, "test_press_holds_the_button", "press() returned, and the power button was not down meanwhile"),
    _fault(
        PressesWhatItNeverPromised,
        "test_what_is_undeclared_is_unsupported",
        "press() has to raise Unsupported, with a reason, as RESET_BUTTON is not declared; it raised nothing",
    ),
    _fault(
        WakesNobody,
        "test_what_is_undeclared_is_unsupported",
        "wake() has to raise Unsupported, with a reason, as WAKE is not declared; it raised nothing",
    ),
    _fault(CannotWake, "test_wake", "It was raised by wake()"),
    _fault(Spins, "test_watch_returns_in_time", "watch() returned before its time: the daemon would spin"),
    _fault(AlwaysHasNews, "test_watch_returns_in_time", "watch() told of ten changes in a row"),
    _fault(
        LocksWhilePressing,
        "test_watch_and_status_beside_a_press",
        "watch() did not come back within",
        hasty=True,
    ),
    _fault(ClosesAfterThePress, "test_close_ends_a_press", "press() did not come back within", hasty=True),
    _fault(CloseIsSilent, "test_close_ends_a_press", "press() was cut short by close() and did not say so: None"),
    _fault(LeavesPressedAtClose, "test_close_ends_a_press", "close() left the power button pressed"),
    _fault(
        PressesWhileClosed,
        "test_a_closed_driver_is_not_pressed",
        "press() has to raise DriverError, with a reason, while it is closed; it raised nothing",
    ),
    _fault(LeavesPressedAtOpen, "test_open_releases_the_buttons", "open() left the power button pressed"),
    _fault(OpensOnce, "test_open_again", "It was raised by open()"),
    _fault(SeesNoPower, "test_power_lamp", "watch() told a change, the status is PowerStatus(", hasty=True),
    _fault(ForgetsToTell, "test_power_lamp", "watch() told no change, the status is PowerStatus(", hasty=True),
    _fault(SeesNoDisk, "test_disk_lamp", "watch() told a change, the status is PowerStatus(", hasty=True),
    _fault(IsLostUnseen, "test_device_lost_and_back", "watch() did not raise DeviceLost", hasty=True),
    _fault(
        LosesInOtherWords,
        "test_device_lost_and_back",
        "press() has to raise DeviceLost, with a reason, once the device is gone",
    ),
    _fault(LosesInOtherWords, "test_device_lost_in_mid_press", "press() lost its device and did not say so"),
    _fault(NeverReleases, "test_device_lost_in_mid_press", "the power button is down after the loss"),
]
