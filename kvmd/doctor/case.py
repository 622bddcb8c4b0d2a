"""What the doctor looks at: the machine, and what kvmd knows of itself on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kvmd.contract.board import read_facts
from kvmd.contract.device import Device, list_devices
from kvmd.contract.driver import BaseDriver
from kvmd.contract.reports import Broken, Status
from kvmd.contract.settings import DEFAULT_PATH, RoleSettings, Settings
from kvmd.doctor.machine import Machine
from kvmd.plugins.choice import Choice, RoleReport
from kvmd.plugins.registry import Registry

USER = "kvmd"
"""Who the daemon runs as, etc/sysusers.d/kvmd.conf."""
UNIT = "kvmd.service"


@dataclass(frozen=True)
class Daemon:
    """The daemon that runs, or does not.

    :param status: as it says itself; None: it did not answer, or may not be asked
    :param silence: why it did not answer
    :param hidden: why it may not be asked; empty: it may
    :param pid: its process; None where that is not known
    :param edid: what its source sees; None where that is not known, or the driver has none
    """

    status: Status | None = None
    silence: str = ""
    hidden: str = ""
    pid: int | None = None
    edid: bytes | None = None


@dataclass(frozen=True)
class Case:
    """A machine to be looked at.

    :param source: where the settings come from
    :param problem: what is wrong with them; then they are the default ones, or as many as can be read
    :param hidden: why they may not be read; then they are the default ones, too
    :param drivers: those that are installed
    :param broken: plug-ins that cannot be used
    :param filled: which driver each role is to have, by the settings or the board
    :param roles: what would fill each role now
    :param devices: what is plugged in and some driver is for, the nodes beside them included
    :param usb: the USB devices that are plugged in
    :param chips: those that the device tree names
    """

    machine: Machine
    settings: Settings = field(default_factory=Settings)
    source: str = str(DEFAULT_PATH)
    problem: str = ""
    hidden: str = ""
    drivers: Sequence[type[BaseDriver]] = ()
    broken: Sequence[Broken] = ()
    filled: Mapping[str, RoleSettings] = field(default_factory=dict)
    roles: Mapping[str, RoleReport] = field(default_factory=dict)
    devices: Sequence[Device] = ()
    usb: Sequence[Device] = ()
    chips: Sequence[str] = ()
    daemon: Daemon = Daemon()

    @property
    def is_installed(self) -> bool:
        """Whether kvmd is a service of this machine, rather than a program that somebody runs."""
        return self.machine.has_unit(UNIT)

    def wants(self, role: str, driver: str) -> bool:
        """Tell whether the settings or the board name this driver for a role."""
        return role in self.filled and self.filled[role].driver == driver

    def driver(self, role: str) -> str | None:
        """Return the driver that a role is to have, or else the one that it would get now; None where there is none."""
        if role in self.filled and self.filled[role].driver != "auto":
            return self.filled[role].driver
        return self.roles[role].driver if role in self.roles else None

    def lacks(self, role: str) -> bool:
        """Tell whether nothing would fill a role."""
        return role in self.roles and self.roles[role].problem is not None


class Known(NamedTuple):
    """What kvmd knows of itself, whether it runs or not.

    :param roles: what fills each role, and where that comes from
    :param choices: the drivers that may fill it
    """

    settings: Settings
    registry: Registry
    roles: Mapping[str, tuple[RoleSettings, str]] = {}
    choices: Mapping[str, Choice[Any]] = {}


def gather(known: Known, daemon: Daemon, source: str = str(DEFAULT_PATH), problem: str = "", hidden: str = "") -> Case:
    """Look at this machine.

    :param source: where the settings come from
    :param problem: what is wrong with them
    :param hidden: why they may not be read
    """
    registry, usb = known.registry, list_devices(["usb"])
    matches = [match for driver in registry.drivers for match in driver.matches]
    devices = [each for each in list_devices(registry.subsystems()) if any(match.accepts(each) for match in matches)]
    return Case(
        machine=Machine(),
        settings=known.settings,
        source=source,
        problem=problem,
        hidden=hidden,
        drivers=registry.drivers,
        broken=registry.broken,
        filled={name: given for name, (given, _) in known.roles.items()},
        roles={name: choice.report() for name, choice in known.choices.items()},
        devices=devices,
        usb=usb,
        chips=read_facts(devices=usb).chips,
        daemon=daemon,
    )
