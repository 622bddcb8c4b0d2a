"""Which driver fills a role: decided by the settings, and by what is plugged in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from kvmd.contract.device import Device, DriverOptions, Match, best_match, device_at, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.roles import Role
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, DeviceAbsent
from kvmd.system.config import convert

RELIST = 30.0
"""Seconds after which devices are listed anew, though udev told of no change."""

D = TypeVar("D", bound=BaseDriver)


class RoleReport(msgspec.Struct, frozen=True):
    """What would fill a role now: the driver and its device, where it needs one; or why nothing would."""

    driver: str | None
    device: str | None
    problem: str | None


class Offer(msgspec.Struct, Generic[D], frozen=True):
    """A driver, and the device that it would take; the highest score is the best offer."""

    score: int
    driver: type[D]
    options: DriverOptions
    device: Device | None

    def make(self) -> D:
        """Make the driver."""
        return self.driver(self.options, self.device)


class Choice(Generic[D]):
    """The drivers that may fill a role, with their options; which one does is decided by what is plugged in.

    :param role: the role's name
    :param drivers: each driver with the options it is to have
    :param named: whether the settings name the one driver there is
    :param failed: told of a driver that failed to choose a device
    """

    def __init__(
        self,
        role: str,
        drivers: Sequence[tuple[type[D], DriverOptions]],
        *,
        named: bool,
        failed: Callable[[type[BaseDriver], Exception], None],
    ) -> None:
        self._role = role
        self._named = named
        self._failed = failed
        self._drivers: Sequence[tuple[type[D], DriverOptions]] = drivers
        self._present: list[Device] = []
        self._listed_at = -math.inf

    @property
    def matches(self) -> list[Match]:
        """The rows by which their devices are known."""
        return [match for driver, _ in self._drivers for match in driver.matches]

    def changed(self) -> None:
        """Note that something was plugged in or out."""
        self._listed_at = -math.inf

    def make(self) -> D:
        """Make the driver that suits best what is plugged in now.

        :raises DeviceAbsent: nothing is plugged in for any of them
        """
        return self.pick().make()

    def pick(self) -> Offer[D]:
        """Return the best offer for what is plugged in now.

        :raises DeviceAbsent: nothing is plugged in for any of them
        """
        present = self._devices()
        offers = [offer for driver, options in self._drivers for offer in self._ask(driver, options, present)]
        if not offers:
            raise DeviceAbsent(self._absent())
        return max(offers, key=lambda offer: offer.score)

    def report(self) -> RoleReport:
        """Say what would fill the role now."""
        try:
            offer = self.pick()
        except DeviceAbsent as error:
            return RoleReport(None, None, str(error))
        return RoleReport(offer.driver.name, str(offer.device) if offer.device else None, None)

    def _ask(self, driver: type[D], options: DriverOptions, present: Iterable[Device]) -> list[Offer[D]]:
        """Ask a driver for its offers; one that fails at that keeps no other from the role, and is asked no more."""
        try:
            return list(_offers(driver, options, present))
        except Exception as error:
            if self._named:
                raise
            self._failed(driver, error)
            self._drivers = [each for each in self._drivers if each[0] is not driver]
            return []

    def _devices(self) -> list[Device]:
        """Return what is plugged in; listing it is expensive, as every console is a tty, too."""
        now = time.monotonic()
        if now - self._listed_at > RELIST:
            self._listed_at = now  # before the list is made: what changes meanwhile makes it old
            self._present = list_devices({match.subsystem for match in self.matches})
        return self._present

    def _absent(self) -> str:
        if not self._drivers:
            return f"no {self._role} device is plugged in, and no driver is named: set {self._role}.driver"
        driver, options = self._drivers[0]
        if node := options.node():
            return f"no {self._role} device: {node} does not exist or is none"
        whose = f" for {driver.name}" if self._named else ""
        asked = " with these options" if options != type(options)() else ""
        return f"no {self._role} device{whose}{asked} is plugged in"


def choose(
    role: Role[D, Any],
    offered: Mapping[str, type[D]],
    settings: RoleSettings,
    source: str,
    failed: Callable[[type[BaseDriver], Exception], None],
) -> Choice[D]:
    """Check the settings of a role and find the drivers that may fill it.

    :param offered: the role's drivers, by name; where none is named, those that may be found
    :param source: where the settings come from, for the message
    :param failed: told of a driver that failed to choose a device
    :raises ConfigError: there is no such driver, or no driver has these options
    """
    if settings.driver != "auto" and settings.driver not in offered:
        names = ", ".join(f'"{name}"' for name in ("auto", *offered))
        raise ConfigError(f'{source}: {role.name}.driver = "{settings.driver}" cannot be used; accepted: {names}')
    wanted = offered.values() if settings.driver == "auto" else [offered[settings.driver]]
    usable: list[tuple[type[D], DriverOptions]] = []
    problem: ConfigError | None = None
    for driver in wanted:
        try:
            usable.append((driver, convert(settings.options, driver.Options, source, f"{role.name}.options.")))
        except ConfigError as error:
            problem = error
    if problem and not usable:
        raise problem
    return Choice(role.name, usable, named=settings.driver != "auto", failed=failed)


def is_recognised(driver: type[BaseDriver]) -> bool:
    """Tell whether a device leads to the driver; one that none leads to has to be named."""
    return any(match.score for match in driver.matches)


def _offers(driver: type[D], options: DriverOptions, present: Iterable[Device]) -> Iterator[Offer[D]]:
    """List the devices that the driver would take."""
    node = options.node() if driver.matches else None
    if node:
        device = device_at(node)
        if device and any(match.subsystem == device.subsystem for match in driver.matches):
            yield Offer(max(1, best_match(driver.matches, device)), driver, options, device)
    elif not is_recognised(driver):
        yield Offer(0, driver, options, None)
    else:
        for device in present:
            score = best_match(driver.matches, device)
            if score and options.selects(device):
                yield Offer(score, driver, options, device)
