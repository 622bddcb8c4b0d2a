"""Broken HID drivers."""

# the docstrings stand in the documentation

from __future__ import annotations

import time
from functools import partial
from typing import Any

import msgspec

from kvmd import Capability, DeviceLost, DriverError, HidOffline, HidStatus, KeyboardReport, Leds, Report
from tests.kvmd.testing.faults.fault import Fault
from tests.kvmd.testing.simulated import Keyboard, OnTheKeyboard, PluggedOnce

replace = msgspec.structs.replace


class NamesWhatItCan(Keyboard):
    """Its capabilities are texts."""

    capabilities = ("keyboard",)  # type: ignore[assignment]


class HasLampsAlone(Keyboard):
    """It declares lamps, and nothing that types."""

    capabilities = Capability.LEDS


class LacksModifiers(Keyboard):
    """It does not take modifiers."""

    def take(self, report: Report) -> None:
        if isinstance(report, KeyboardReport) and report.modifiers:
            raise DriverError("modifiers are not known")
        super().take(report)


class TakesAll(Keyboard):
    """It takes reports that it never promised to take."""

    def send(self, report: Report) -> None:
        self.take(report)


class RefusesInOtherWords(Keyboard):
    """It takes what it never promised for a host that is gone."""

    def send(self, report: Report) -> None:
        if self.kind(report) not in self.capabilities:
            raise HidOffline("the host has no driver")
        super().send(report)


class PromisesAMouse(Keyboard):
    """It declares a mouse, and refuses its reports."""

    capabilities = Keyboard.capabilities | Capability.RELATIVE_MOUSE

    def send(self, report: Report) -> None:
        if self.kind(report) is Capability.RELATIVE_MOUSE:
            raise DriverError("no mouse")
        super().send(report)


class SeesNoHost(Keyboard):
    """Its status knows of no host, though it types."""

    def status(self) -> HidStatus:
        return replace(super().status(), host_connected=False)


class InventsLamps(Keyboard):
    """Its status has lamps, which it does not declare."""

    capabilities = Capability.KEYBOARD


class HasLampsAsBits(Keyboard):
    """The lamps of its status are a number."""

    def status(self) -> Any:
        return replace(super().status(), leds=2)


class Spins(Keyboard):
    """It does not wait for news."""

    def watch(self, timeout: float) -> bool:
        return super().watch(min(timeout, 0))


class AlwaysHasNews(Keyboard):
    """It says each time that a lamp has changed."""

    def watch(self, timeout: float) -> bool:
        super().watch(timeout)
        return True


class TypesAfterWatching(Keyboard):
    """It takes no report while it watches the lamps."""

    def watch(self, timeout: float) -> bool:
        with self.changed:
            time.sleep(timeout)
        return super().watch(0)

    def take(self, report: Report) -> None:
        with self.changed:
            super().take(report)


class MissesLamps(Keyboard):
    """A lamp that changed before it was asked is no news to it."""

    def watch(self, timeout: float) -> bool:
        self.told = self.leds
        return super().watch(min(timeout, 0.1))


class KeepsLamps(Keyboard):
    """The lamps of its status never change."""

    def status(self) -> HidStatus:
        return replace(super().status(), leds=Leds())


class OpensOnce(PluggedOnce, Keyboard):
    """It can be opened only once."""


class TypesIntoTheVoid(Keyboard):
    """It takes reports although there is no host."""

    def take(self, report: Report) -> None:  # noqa: ARG002
        self.check()


class SeesNoLoss(Keyboard):
    """It does not notice that the host is gone."""

    def watch(self, timeout: float) -> bool:
        time.sleep(timeout)
        return False


class GivesNoReason(Keyboard):
    """It does not say why there is no host."""

    def need_host(self) -> None:
        if not self.host:
            raise HidOffline


class BelievesInTheHost(Keyboard):
    """Its status says that the host is there, and it is gone."""

    def status(self) -> HidStatus:
        return replace(super().status(), host_connected=True)


class IsInAHurry(Keyboard):
    """It says at once, again and again, that there is no host."""

    def has_news(self) -> bool:
        return not self.host or super().has_news()


class IsLostUnseen(Keyboard):
    """It does not notice that its device is gone."""

    def check(self) -> None:
        pass


class LosesInOtherWords(Keyboard):
    """It takes a lost device for a host that is gone, where it sends."""

    def send(self, report: Report) -> None:
        try:
            super().send(report)
        except DeviceLost as error:
            raise HidOffline(str(error)) from error


_fault = partial(Fault, OnTheKeyboard)

FAULTS = [
    _fault(NamesWhatItCan, "test_capabilities_are_declared", "capabilities are ('keyboard',), no Capability"),
    _fault(HasLampsAlone, "test_capabilities_are_declared", "the driver declares neither a keyboard nor a mouse"),
    _fault(LacksModifiers, "test_press_and_release", "It was raised by send()"),
    _fault(
        TakesAll,
        "test_what_is_declared_is_sent",
        "send() has to raise Unsupported, with a reason, for AbsoluteMouseReport, as ABSOLUTE_MOUSE is not declared",
    ),
    _fault(
        RefusesInOtherWords,
        "test_what_is_declared_is_sent",
        "send() has to raise Unsupported, with a reason, for AbsoluteMouseReport, as ABSOLUTE_MOUSE is not declared",
    ),
    _fault(PromisesAMouse, "test_what_is_declared_is_sent", "It was raised by send()"),
    _fault(SeesNoHost, "test_status", "a host is there, and host_connected = False"),
    _fault(InventsLamps, "test_status", "leds are known, and LEDS is not declared"),
    _fault(HasLampsAsBits, "test_status", "leds = 2"),
    _fault(Spins, "test_watch_returns_in_time", "watch() returned before its time: the daemon would spin"),
    _fault(AlwaysHasNews, "test_watch_returns_in_time", "watch() returned True, and nothing changed"),
    _fault(TypesAfterWatching, "test_send_beside_watch", "send() came back only when watch() had"),
    _fault(MissesLamps, "test_lock_key_lights_lamp", "watch() did not tell that a lamp changed since the last call"),
    _fault(KeepsLamps, "test_lock_key_lights_lamp", "a lamp changed, and the status still says Leds("),
    _fault(OpensOnce, "test_open_again", "It was raised by open()"),
    _fault(
        TypesIntoTheVoid,
        "test_host_lost_and_back",
        "send() has to raise HidOffline, with a reason, without a host; it raised nothing",
    ),
    _fault(SeesNoLoss, "test_host_lost_and_back", "watch() did not raise HidOffline", hasty=True),
    _fault(GivesNoReason, "test_host_lost_and_back", "watch() raised HidOffline without a reason"),
    _fault(BelievesInTheHost, "test_host_lost_and_back", "there is no host, and host_connected = True"),
    _fault(IsInAHurry, "test_host_is_waited_for", "watch() raised HidOffline before its time, again and again"),
    _fault(IsLostUnseen, "test_device_lost_and_back", "watch() did not raise DeviceLost", hasty=True),
    _fault(
        LosesInOtherWords,
        "test_device_lost_and_back",
        "send() has to raise DeviceLost, with a reason, once the device is gone",
    ),
]
