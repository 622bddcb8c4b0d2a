"""Plug-ins: the only caller of pluggy.

Each entry point of the group ``kvmd`` is loaded by itself: one that fails is reported and left out, and never keeps
the daemon from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from kvmd.contract.board import Board
from kvmd.contract.device import Device, best_match, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.reports import DeviceReport
from kvmd.contract.roles import ROLES, Role, role_of
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, Unavailable
from kvmd.plugins import hookspecs
from kvmd.plugins.choice import Choice, choose
from kvmd.plugins.courier import Courier
from kvmd.plugins.hookspecs import PROJECT, Event, KvmApi, Service
from kvmd.system.bounded import Bounded
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse

if TYPE_CHECKING:
    import click
    import flask

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=BaseDriver)
T = TypeVar("T")

DISTRIBUTION = "kvmd-hal"
"""The package that we are installed as."""

PATIENCE = 20.0
"""Seconds that a plug-in has to be imported, and to answer a hook; the file system may be slow at the first start."""

LOGIN_PATIENCE = 5.0
"""Seconds that it has to judge a login."""


class Broken(msgspec.Struct, frozen=True):
    """A plug-in that could not be loaded: the name of its entry point, and why."""

    name: str
    reason: str


def installed(bundled_only: bool = False) -> list[EntryPoint]:
    """Return the entry points of the installed packages.

    :param bundled_only: leave out what strangers' packages bring
    """
    points = entry_points(group=PROJECT)
    return [point for point in points if not bundled_only or (point.dist and point.dist.name == DISTRIBUTION)]


class Registry:
    """What the plug-ins offer.

    :param points: entry points to load; by default those of every installed package, see ``installed``
    """

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        self.broken: list[Broken] = []
        self.plugins: list[str] = []
        self._calls: dict[str, Bounded] = {}
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for point in sorted(installed() if points is None else points, key=lambda point: point.name):
            self._load(point)
        listeners = self._manager.hook.kvmd_event.get_hookimpls()
        self._couriers = {impl.plugin_name: Courier(impl.plugin_name, "kvmd_event()") for impl in listeners}
        self._drivers: dict[str, dict[str, type[Any]]] = {role.name: {} for role in ROLES}
        for driver in self._ask("kvmd_drivers"):
            self._add_driver(driver)

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of what plug-ins do for the daemon."""
        calls = [calls.pulse for calls in self._calls.values()]
        return calls + [courier.pulse for courier in self._couriers.values()]

    def ending(self) -> list[Step]:
        """List the steps that deliver the last events."""
        return [Step(f"{courier.pulse.name}: kvmd_event()", courier.stop) for courier in self._couriers.values()]

    def _load(self, point: EntryPoint) -> None:
        self.plugins.append(point.name)
        self._calls[point.name] = Bounded(f"plug-in {point.name}", vital=False)
        try:
            plugin = self._calls[point.name].call("its import", PATIENCE, point.load)
            self._manager.register(plugin, point.name)
            self._manager.check_pending()
        except Exception as error:  # whatever a stranger's module does at import must not stop us
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            self._report(point.name, f"{type(error).__name__}: {error}")

    def _report(self, name: str, reason: str) -> None:
        self.broken.append(Broken(name, reason))
        logger.error("plug-in %s cannot be used: %s", name, reason)

    def _add_driver(self, driver: type[BaseDriver]) -> None:
        role = role_of(driver)
        if role is None:
            names = ", ".join(role.driver.__name__ for role in ROLES)
            self._report(driver.name, f"{driver.__module__}.{driver.__name__} derives from none of {names}")
        elif self._drivers[role.name].setdefault(driver.name, driver) is not driver:
            self._report(driver.name, f"a second driver of this name, in {driver.__module__}")

    def _ask(self, hook: str, **arguments: object) -> list[Any]:
        """Call a hook of every plug-in, in the order of their names, and join the answers; report those that fail."""
        answers: list[Any] = []
        for name, call in self._implementations(hook, **arguments):
            try:
                answers += self._calls[name].call(f"{hook}()", PATIENCE, partial(_listed, call))
            except ConfigError:  # it is the user's, and told as all others are
                raise
            except Exception as error:  # as at import
                self._report(name, f"{hook}: {type(error).__name__}: {error}")
        return answers

    def _implementations(self, hook: str, **arguments: object) -> Iterator[tuple[str, Callable[[], Any]]]:
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

    def choose(self, role: Role[D, Any], settings: RoleSettings, source: str) -> Choice[D]:
        """Check the settings of a role and find the drivers that may fill it; see ``kvmd.plugins.choice.choose``."""
        return choose(role, self.drivers_of(role), settings, source)

    def drivers_of(self, role: Role[D, Any]) -> dict[str, type[D]]:
        """Return the drivers of a role by their names."""
        return self._drivers[role.name]

    @property
    def drivers(self) -> list[type[BaseDriver]]:
        """All drivers, in the order of their roles."""
        return [driver for role in ROLES for driver in self.drivers_of(role).values()]

    def subsystems(self) -> set[str]:
        """Return the kernel's classes of every device that a driver could be for."""
        return {match.subsystem for driver in self.drivers for match in driver.matches}

    def wakes(self) -> set[str]:
        """Return the kernel's classes whose devices may bring what a driver needs."""
        return self.subsystems().union(*(driver.wakes for driver in self.drivers))

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

    def blueprints(self, kvm: KvmApi) -> list[flask.Blueprint]:
        """Return the pages and endpoints that plug-ins add."""
        return self._ask("kvmd_blueprints", kvm=kvm)

    def services(self, kvm: KvmApi) -> list[Service]:
        """Return what plug-ins run beside the daemon.

        :raises ConfigError: the settings of a plug-in cannot be used
        """
        return self._ask("kvmd_services", kvm=kvm)

    def commands(self) -> list[click.Command]:
        """Return the commands that plug-ins add to the command line."""
        return self._ask("kvmd_commands")

    def verify_password(self, user: str, password: str) -> bool | None:
        """Ask the plug-ins about a login, in the order of their names; None if none of them judges it.

        :raises Unavailable: one of them failed or hangs. Nobody is let in past it: it may be the one that would refuse.
        """
        for name, call in self._implementations("kvmd_verify_password", user=user, password=password):
            try:
                verdict: bool | None = self._calls[name].call("kvmd_verify_password()", LOGIN_PATIENCE, call)
            except Unavailable:
                raise
            except Exception as error:
                logger.exception("plug-in %s failed to judge a login", name)
                raise Unavailable(f"plug-in {name}: it cannot judge logins; the daemon's log says why") from error
            if verdict is not None:
                return verdict
        return None

    def emit(self, event: Event) -> None:
        """Tell the plug-ins, in threads of their own; one that fails is logged."""
        for name, call in self._implementations("kvmd_event", event=event):
            self._couriers[name].send(call)


def _listed(call: Callable[[], Iterable[T] | None]) -> list[T]:
    return list(call() or ())


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
