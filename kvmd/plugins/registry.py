"""Plug-ins: the only caller of pluggy.

Each entry point of the group ``kvmd`` is loaded by itself: one that fails is reported and left out, and never keeps
the daemon from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from kvmd.contract.board import Board
from kvmd.contract.device import Device, best_match, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.roles import ROLES, Role, role_of
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError
from kvmd.plugins import hookspecs
from kvmd.plugins.choice import Choice, choose
from kvmd.plugins.hookspecs import PROJECT, Event, KvmApi, Service

if TYPE_CHECKING:
    import click
    import flask

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=BaseDriver)


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
        self._drivers: dict[str, dict[str, type[Any]]] = {role.name: {} for role in ROLES}
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
