"""Broken drivers of any role: what they say of themselves, and how they are opened and closed."""

# the docstrings stand in the documentation

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from kvmd import Device, DriverOptions, HidStatus, Match
from tests.kvmd.testing.faults.fault import Fault
from tests.kvmd.testing.simulated import Keyboard, OnTheKeyboard, PluggedOnce


class Shouts(Keyboard):
    """Its name has a capital and a space."""

    name = "My Keyboard"


class LooseOptions(msgspec.Struct):
    pass


class TakesAnyOptions(Keyboard):
    """Its options are a struct of its own."""

    Options = LooseOptions  # type: ignore[assignment]


class LenientOptions(DriverOptions, frozen=True, forbid_unknown_fields=False):
    pass


class TakesUnknownOptions(Keyboard):
    """Its options overlook what is misspelt."""

    Options = LenientOptions


class NeedyOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    pin: int


class NeedsAnOption(Keyboard):
    """One of its options has no default."""

    Options = NeedyOptions


class BareOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    speed: int = 1


class ExplainsNoOption(Keyboard):
    """One of its options has no description."""

    Options = BareOptions


class MatchesByName(Keyboard):
    """Its devices are named by texts."""

    matches = ("hidraw",)  # type: ignore[assignment]


class MatchesNothing(Keyboard):
    """One of its devices is of no subsystem."""

    matches = (Match(""),)


class MatchesBelowZero(Keyboard):
    """One of its devices has a score below 0."""

    matches = (Match("hidraw", score=-1),)


class WakesByOneName(Keyboard):
    """What wakes it is a text instead of a list."""

    wakes = "gpio"


class HasNoWords(Keyboard):
    """It says that it cannot be used, and not why."""

    @classmethod
    def problem(cls) -> Any:
        return True


class TouchesItsDevice(Keyboard):
    """It opens its device when it is made."""

    def __init__(self, options: DriverOptions | None = None, device: Device | None = None) -> None:
        super().__init__(options, device)
        if options:
            raise FileNotFoundError("/dev/kvmd-absent")


class HasNoStatusYet(Keyboard):
    """It knows how it stands once it is open."""

    def status(self) -> HidStatus:
        if not self.is_open:
            raise AttributeError("there is no port")
        return super().status()


class ClosesWhatIsOpen(Keyboard):
    """It can be closed only while it is open."""

    def close(self) -> None:
        if not self.is_open:
            raise ValueError("it is closed")
        super().close()


class OpensNever(Keyboard):
    """What its library raises while there is no device comes out of it."""

    def must_be_there(self) -> None:
        if not self.plugged:
            raise FileNotFoundError("/dev/keyboard")


class OpensInVain(Keyboard):
    """It opens although there is no device."""

    def must_be_there(self) -> None:
        pass


class MourningIsLoud(Keyboard):
    """It cannot be closed once its device is gone."""

    def close(self) -> None:
        if not self.plugged:
            raise OSError("no such device")
        super().close()


class HangsInClose(Keyboard):
    """Its close() waits for ever."""

    def close(self) -> None:
        if self.is_open:
            self.wait_for(lambda: False, 3600)


class OpensOnce(PluggedOnce, Keyboard):
    """It can be opened only once."""


_fault = partial(Fault, OnTheKeyboard)

FAULTS = [
    _fault(Shouts, "test_name_can_stand_in_settings", "'My Keyboard' cannot be used as a driver's name"),
    _fault(TakesAnyOptions, "test_options_are_frozen_and_strict", "LooseOptions does not derive from DriverOptions"),
    _fault(TakesUnknownOptions, "test_options_are_frozen_and_strict", "LenientOptions: add forbid_unknown_fields=True"),
    _fault(NeedsAnOption, "test_options_are_frozen_and_strict", "NeedyOptions: no default for pin"),
    _fault(ExplainsNoOption, "test_options_are_documented", "no Annotated[..., Meta(description=...)] on speed"),
    _fault(MatchesByName, "test_devices_are_tables", "MatchesByName.matches is no list of Match"),
    _fault(MatchesNothing, "test_devices_are_tables", "names no subsystem"),
    _fault(MatchesBelowZero, "test_devices_are_tables", "has a score below 0"),
    _fault(WakesByOneName, "test_devices_are_tables", "WakesByOneName.wakes is no list of names"),
    _fault(HasNoWords, "test_problem_is_words", "problem() returned True"),
    _fault(TouchesItsDevice, "test_is_made_without_its_device", "It was raised by TouchesItsDevice()"),
    _fault(HasNoStatusYet, "test_status_before_open", "It was raised by status()"),
    _fault(ClosesWhatIsOpen, "test_close_needs_no_open", "It was raised by close()"),
    _fault(ClosesWhatIsOpen, "test_close_twice", "It was raised by close()"),
    _fault(HangsInClose, "test_close_twice", "close() did not come back within", hasty=True),
    _fault(
        OpensNever,
        "test_open_without_the_device",
        "open() has to raise DeviceAbsent, with a reason, while the device is not there",
    ),
    _fault(
        OpensInVain,
        "test_open_without_the_device",
        "open() has to raise DeviceAbsent, with a reason, while the device is not there; it raised nothing",
    ),
    _fault(MourningIsLoud, "test_open_without_the_device", "It was raised by close()"),
    _fault(OpensOnce, "test_open_again", "It was raised by open()"),
]
