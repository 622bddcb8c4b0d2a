"""What the plug-ins offer, in typed methods."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from functools import partial
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, TypeVar, cast

from kvmd.contract.board import Board
from kvmd.contract.device import Device, best_match, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.reports import Broken, DeviceReport
from kvmd.contract.roles import ROLES, Role, role_of
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, Unavailable
from kvmd.plugins.checks import driver_problem, kind_problem
from kvmd.plugins.choice import Choice, choose, is_recognised
from kvmd.plugins.courier import Courier
from kvmd.plugins.hookspecs import Event, KvmApi, Service
from kvmd.plugins.loading import Plugins, installed
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse

if TYPE_CHECKING:
    import click
    import flask

logger = logging.getLogger(__name__)

D = TypeVar("D", bound=BaseDriver)

LOGIN_PATIENCE = 5.0
"""Seconds that a plug-in has to judge a login."""

PROBLEM_PATIENCE = 5.0
"""Seconds that a driver has to say whether it can be used on this machine."""


class Registry:
    """What the plug-ins offer.

    :param points: entry points to load; by default those of every installed package, see ``installed``
    :param disabled: names of plug-ins that are not to be loaded
    """

    def __init__(self, points: Iterable[EntryPoint] | None = None, disabled: Collection[str] = ()) -> None:
        self.disabled = disabled
        self._plugins = Plugins(installed() if points is None else points, disabled)
        self.report = self._plugins.report
        self.note = self._plugins.note
        listeners = self._plugins.implementations("kvmd_event", event=None)
        self._couriers = {name: self._courier(name) for name, _ in listeners}
        self._drivers: dict[str, dict[str, type[Any]]] = {role.name: {} for role in ROLES}
        self._owners: dict[type[BaseDriver], str] = {}
        for plugin, driver in self._plugins.ask("kvmd_drivers", driver_problem):
            self._add_driver(plugin, driver)

    @property
    def plugins(self) -> Collection[str]:
        """The names of all that are installed, be they broken or switched off."""
        return self._plugins.places

    @property
    def broken(self) -> list[Broken]:
        """What plug-ins cannot do."""
        return self._plugins.broken

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of what plug-ins do for the daemon."""
        return self._plugins.pulses + [courier.pulse for courier in self._couriers.values()]

    def ending(self) -> list[Step]:
        """List the steps that deliver the last events."""
        return [Step(f"{courier.pulse.name}: kvmd_event()", courier.stop) for courier in self._couriers.values()]

    def _courier(self, name: str) -> Courier:
        return Courier(name, "kvmd_event()", lambda error: self.note(name, "kvmd_event", error))

    def _add_driver(self, plugin: str, driver: type[BaseDriver]) -> None:
        role = cast("Role[Any, Any]", role_of(driver))
        first = self._drivers[role.name].setdefault(driver.name, driver)
        if first is driver:
            self._owners[driver] = plugin
        else:
            self.report(plugin, f'driver "{driver.name}"', f"the name is taken by the plug-in {self._owners[first]}")

    def check_plugins(self, names: Iterable[str], source: str) -> None:
        """Check that there are plug-ins of these names, be they broken or switched off.

        :param source: where the names come from, for the message
        :raises ConfigError: there is none of a name
        """
        for name in names:
            if name not in self.plugins:
                known = ", ".join(sorted(self.plugins))
                raise ConfigError(f"{source}: plugins.{name} is not known; there are: {known}")
        for name in self.disabled:
            if name not in self.plugins:  # it may just have been uninstalled
                logger.warning("%s: disabled_plugins names %s, which is not installed", source, name)

    def choose(self, role: Role[D, Any], settings: RoleSettings, source: str) -> Choice[D]:
        """Check the settings of a role and find the drivers that may fill it; see ``kvmd.plugins.choice.choose``."""
        offered = self.drivers_of(role)
        if settings.driver == "auto":
            able = (driver for driver in offered.values() if is_recognised(driver) and not self.problem(driver))
            offered = {driver.name: driver for driver in able}
        return choose(role, offered, settings, source, self._choosing_failed)

    def _choosing_failed(self, driver: type[BaseDriver], error: Exception) -> None:
        self.report(self._owners[driver], f"the driver {driver.name} cannot choose a device", error)

    def problem(self, driver: type[BaseDriver]) -> str | None:
        """Return why a driver cannot be used on this machine; None if it can."""
        plugin, what = self._owners[driver], f"problem() of the driver {driver.name}"
        try:
            return self._plugins.call(plugin, what, PROBLEM_PATIENCE, driver.problem)
        except Exception as error:  # as in a hook
            self.report(plugin, what, error)
            return f"{what} failed: {error}"

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
        """Return the boards that plug-ins define; of several of one name the first."""
        first: dict[str, tuple[str, Board]] = {}
        for plugin, board in self._plugins.ask("kvmd_boards", partial(kind_problem, Board)):
            owner, kept = first.setdefault(board.name, (plugin, board))
            if kept is not board:
                self.report(plugin, f'board "{board.name}"', f"the name is taken by the plug-in {owner}")
        return [board for _, board in first.values()]

    def blueprints(self, kvm: KvmApi) -> list[tuple[str, flask.Blueprint]]:
        """Return the pages and endpoints that plug-ins add, each with its plug-in's name."""
        from flask import Blueprint  # noqa: PLC0415  # only the web needs any

        return self._plugins.ask("kvmd_blueprints", partial(kind_problem, Blueprint), kvm=kvm)

    def services(self, kvm: KvmApi) -> list[tuple[str, Service]]:
        """Return what plug-ins run beside the daemon, each with its plug-in's name.

        :raises ConfigError: the settings of a plug-in cannot be used
        """
        return self._plugins.ask("kvmd_services", partial(kind_problem, Service), kvm=kvm)

    def commands(self) -> list[click.Command]:
        """Return the commands that plug-ins add to the command line."""
        from click import Command  # noqa: PLC0415  # the daemon needs none

        found = self._plugins.ask("kvmd_commands", partial(kind_problem, Command))
        return [command for _, command in found]

    def verify_password(self, user: str, password: str) -> bool | None:
        """Ask the plug-ins about a login, in their order; None if none of them judges it.

        :raises Unavailable: one of them failed or hangs. Nobody is let in past it: it may be the one that would refuse.
        """
        for name, call in self._plugins.implementations("kvmd_verify_password", user=user, password=password):
            try:
                verdict: bool | None = self._plugins.call(name, "kvmd_verify_password()", LOGIN_PATIENCE, call)
            except Unavailable as error:
                self.note(name, "kvmd_verify_password", str(error))
                raise
            except Exception as error:
                self.note(name, "kvmd_verify_password", error)
                logger.exception("plug-in %s failed to judge a login", name)
                raise Unavailable(f"plug-in {name}: it cannot judge logins; the daemon's log says why") from error
            if verdict is not None:
                return verdict
        return None

    def emit(self, event: Event) -> None:
        """Tell the plug-ins, in threads of their own; one that fails is logged."""
        for name, call in self._plugins.implementations("kvmd_event", event=event):
            self._couriers[name].send(call)


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
