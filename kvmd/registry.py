"""Plug-ins: the only caller of pluggy.

Each entry point of the group ``kvmd`` is loaded by itself: one that fails is reported and left out, and never keeps
the daemon from starting.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import pluggy

from kvmd import hookspecs
from kvmd.board import Board
from kvmd.capture import CaptureDriver
from kvmd.config import RoleSettings, convert
from kvmd.device import Device, DriverOptions, best_match, device_at, list_devices
from kvmd.errors import ConfigError, DeviceAbsent
from kvmd.hid import HidDriver
from kvmd.hookspecs import PROJECT, Driver, Event, Service

if TYPE_CHECKING:
    import click
    import flask

    from kvmd.kvm import Kvm

logger = logging.getLogger(__name__)

CAPTURE = "capture"
HID = "hid"
"""The roles."""

RELIST = 30.0
"""Seconds after which devices are listed anew, though udev told of no change."""

D = TypeVar("D", CaptureDriver, HidDriver)


class Broken(msgspec.Struct, frozen=True):
    """A plug-in that could not be loaded: the name of its entry point, and why."""

    name: str
    reason: str


class DeviceReport(msgspec.Struct, frozen=True):
    """A device that is plugged in, and the drivers that are for it, the best first."""

    name: str
    subsystem: str
    node: str | None
    label: str
    usb_id: str | None
    serial: str | None
    path: str | None
    drivers: list[str]


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

    :param role: ``capture`` or ``hid``
    :param drivers: each driver with the options it is to have
    """

    def __init__(self, role: str, drivers: Sequence[tuple[type[D], DriverOptions]]) -> None:
        self._role = role
        self._drivers: Sequence[tuple[type[D], DriverOptions]] = drivers
        self._present: list[Device] = []
        self._listed_at = -math.inf

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
        offers = [offer for driver, options in self._drivers for offer in _offers(driver, options, present)]
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

    def _devices(self) -> list[Device]:
        """Return what is plugged in; listing it is dear, as every console is a tty, too."""
        now = time.monotonic()
        if now - self._listed_at > RELIST:
            self._listed_at = now  # before the list is made: what changes meanwhile makes it old
            self._present = list_devices({match.subsystem for driver, _ in self._drivers for match in driver.matches})
        return self._present

    def _absent(self) -> str:
        driver, options = self._drivers[0]
        if node := options.node():
            return f"no {self._role} device: {node} does not exist or is none"
        whose = "" if len(self._drivers) > 1 else f" for {driver.name}"
        asked = " with these options" if options != type(options)() else ""
        return f"no {self._role} device{whose}{asked} is plugged in"


class Registry:
    """What the plug-ins offer.

    :param points: entry points to load; by default those of every installed package
    """

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        self.broken: list[Broken] = []
        self.plugins: list[str] = []
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for point in sorted(entry_points(group=PROJECT) if points is None else points, key=lambda point: point.name):
            self._load(point)
        self.capture_drivers: dict[str, type[CaptureDriver]] = {}
        self.hid_drivers: dict[str, type[HidDriver]] = {}
        for driver in self._ask("kvmd_drivers"):
            self._add_driver(driver)

    def _load(self, point: EntryPoint) -> None:
        self.plugins.append(point.name)
        try:
            plugin = point.load()
            self._manager.register(plugin, point.name)
            self._manager.check_pending()
        except (Exception, SystemExit) as error:  # whatever a stranger's module does at import must not stop us
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            self._report(point.name, f"{type(error).__name__}: {error}")

    def _report(self, name: str, reason: str) -> None:
        self.broken.append(Broken(name, reason))
        logger.error("plug-in %s cannot be used: %s", name, reason)

    def _add_driver(self, driver: Driver) -> None:
        known: Driver
        if issubclass(driver, CaptureDriver):
            known = self.capture_drivers.setdefault(driver.name, driver)
        else:
            known = self.hid_drivers.setdefault(driver.name, driver)
        if known is not driver:
            self._report(driver.name, f"a second driver of this name, in {driver.__module__}")

    def _ask(self, hook: str, **arguments: object) -> list[Any]:
        """Call a hook of every plug-in, in the order of their names, and join the answers; report those that fail."""
        answers: list[Any] = []
        for name, call in self._calls(hook, arguments):
            try:
                answers += list(call() or ())
            except ConfigError:  # it is the user's, and told as all others are
                raise
            except Exception as error:  # as at import
                self._report(name, f"{hook}: {type(error).__name__}: {error}")
        return answers

    def _calls(self, hook: str, arguments: Mapping[str, object]) -> Iterator[tuple[str, Callable[[], Any]]]:
        """List what a hook would call; pluggy calls all of them at once, and one that fails hides the others."""
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            yield impl.plugin_name, partial(impl.function, *(arguments[name] for name in impl.argnames))

    def check_plugins(self, names: Iterable[str], source: str) -> None:
        """Check that there are plug-ins of these names, be they broken.

        :param source: where the names come from, for the message
        :raises ConfigError: there is none of a name
        """
        for name in names:
            if name not in self.plugins:
                raise ConfigError(f"{source}: plugins.{name} is not known; there are: {', '.join(self.plugins)}")

    def choose_capture(self, settings: RoleSettings, source: str) -> Choice[CaptureDriver]:
        """Check the settings for capture and find the drivers that may fill the role.

        :param source: where the settings come from, for the message
        :raises ConfigError: there is no such driver, or no driver has these options
        """
        return _choose(CAPTURE, self.capture_drivers, settings, source)

    def choose_hid(self, settings: RoleSettings, source: str) -> Choice[HidDriver]:
        """Check the settings for HID and find the drivers that may fill the role.

        :param source: where the settings come from, for the message
        :raises ConfigError: there is no such driver, or no driver has these options
        """
        return _choose(HID, self.hid_drivers, settings, source)

    @property
    def drivers(self) -> list[Driver]:
        """All drivers, capture first."""
        return [*self.capture_drivers.values(), *self.hid_drivers.values()]

    def subsystems(self) -> set[str]:
        """Return the kernel's classes of every device that a driver could be for."""
        return {match.subsystem for driver in self.drivers for match in driver.matches}

    def matching(self, device: Device) -> list[str]:
        """Name the drivers that are for a device, the best first."""
        scores = {driver.name: best_match(driver.matches, device) for driver in self.drivers}
        return sorted((name for name, score in scores.items() if score), key=lambda name: (-scores[name], name))

    def devices(self) -> list[DeviceReport]:
        """List what is plugged in, and which drivers are for it.

        Left out is what nobody plugged in and no driver is for, such as consoles, and the nodes that drivers need
        beside their devices.
        """
        reports = []
        for device in list_devices(self.subsystems()):
            drivers = self.matching(device)
            if drivers or not (device.path.startswith("/sys/devices/virtual/") or self._is_beside(device)):
                reports.append(_device_report(device, drivers))
        return reports

    def _is_beside(self, device: Device) -> bool:
        return any(match.accepts(device) for driver in self.drivers for match in driver.matches)

    def boards(self) -> list[Board]:
        """Return the boards that plug-ins define."""
        return self._ask("kvmd_boards")

    def blueprints(self, kvm: Kvm) -> list[flask.Blueprint]:
        """Return the pages and endpoints that plug-ins add."""
        return self._ask("kvmd_blueprints", kvm=kvm)

    def services(self, kvm: Kvm) -> list[Service]:
        """Return what plug-ins run beside the daemon.

        :raises ConfigError: the settings of a plug-in cannot be used
        """
        return self._ask("kvmd_services", kvm=kvm)

    def commands(self) -> list[click.Command]:
        """Return the commands that plug-ins add to the command line."""
        return self._ask("kvmd_commands")

    def verify_password(self, user: str, password: str) -> bool | None:
        """Ask the plug-ins about a login; None if none of them judges it."""
        verdict: bool | None = self._manager.hook.kvmd_verify_password(user=user, password=password)
        return verdict

    def emit(self, event: Event) -> None:
        """Tell the plug-ins; one that fails is logged."""
        for name, call in self._calls("kvmd_event", {"event": event}):
            try:
                call()
            except Exception:
                logger.exception("plug-in %s failed on %s", name, event)


def _choose(role: str, offered: Mapping[str, type[D]], settings: RoleSettings, source: str) -> Choice[D]:
    if settings.driver != "auto" and settings.driver not in offered:
        names = ", ".join(f'"{name}"' for name in ("auto", *offered))
        raise ConfigError(f'{source}: {role}.driver = "{settings.driver}" cannot be used; accepted: {names}')
    if settings.driver == "auto":
        wanted = [driver for driver in offered.values() if driver.matches and not driver.problem()]
    else:
        wanted = [offered[settings.driver]]
    usable: list[tuple[type[D], DriverOptions]] = []
    problem = ConfigError(f"{source}: no {role} driver is installed")
    for driver in wanted:
        try:
            usable.append((driver, convert(settings.options, driver.Options, source, f"{role}.options.")))
        except ConfigError as error:
            problem = error
    if not usable:
        raise problem
    return Choice(role, usable)


def _offers(driver: type[D], options: DriverOptions, present: Iterable[Device]) -> Iterator[Offer[D]]:
    """List the devices that the driver would take."""
    if not driver.matches:
        yield Offer(0, driver, options, None)
    elif node := options.node():
        device = device_at(node)
        if device and any(match.subsystem == device.subsystem for match in driver.matches):
            yield Offer(max(1, best_match(driver.matches, device)), driver, options, device)
    else:
        for device in present:
            score = best_match(driver.matches, device)
            if score and options.selects(device):
                yield Offer(score, driver, options, device)


def _device_report(device: Device, drivers: list[str]) -> DeviceReport:
    udev = device.properties.get
    return DeviceReport(
        name=device.name,
        subsystem=device.subsystem,
        node=device.node,
        label=str(device),
        usb_id=device.usb_id,
        serial=udev("ID_SERIAL_SHORT"),
        path=udev("ID_PATH"),
        drivers=drivers,
    )
