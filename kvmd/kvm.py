"""The KVM: a board, its facilities and hot-plug, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, Protocol, TypeVar

import kvmd
from kvmd.access.audit import Audit
from kvmd.access.auth import Auth
from kvmd.contract.board import FOLDER, BoardChoice, choose_board, load_boards, read_facts
from kvmd.contract.device import Device, Monitor
from kvmd.contract.reports import BoardReport, Status
from kvmd.contract.roles import CAPTURE, HID, POWER, ROLES, Role
from kvmd.contract.settings import RoleSettings, Settings
from kvmd.input.facility import Input
from kvmd.plugins.choice import Choice
from kvmd.plugins.hookspecs import Event
from kvmd.plugins.registry import Registry
from kvmd.power.facility import Power
from kvmd.slot import Slot, SlotStatus
from kvmd.system.config import convert
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse, Watch
from kvmd.system.recent import RecentLog
from kvmd.video.facility import Video

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Facility(Protocol):
    """What fills a role, and what is made of it."""

    @property
    def slot(self) -> Slot[Any]:
        """The role's life."""

    @property
    def pulses(self) -> Iterable[Pulse]:
        """The signs of life of what could hang."""

    def start(self) -> None:
        """Begin; returns at once."""

    def ending(self) -> list[Step]:
        """List the steps of the end, after which nothing is left pressed or open."""

    def is_alive(self) -> bool:
        """Tell whether all threads do their work still."""


class Kvm:
    """One screen, one keyboard, one power button.

    :param settings: what is set
    :param registry: what the plug-ins offer
    :param source: where the settings come from, for messages
    :raises ConfigError: the settings name a driver or option that is not there
    """

    def __init__(self, settings: Settings, registry: Registry, source: str = "kvmd.toml") -> None:
        self.settings = settings
        self._began = datetime.now(UTC)
        self.log = RecentLog.of(logging.getLogger())
        self.registry = registry
        self._source = source
        self.board = find_board(settings, registry, source)
        self.roles = {role.name: self._filled(role) for role in ROLES}
        """What fills each role, and where that comes from."""
        self.choices: dict[str, Choice[Any]] = {
            role.name: registry.choose(role, *self.roles[role.name]) for role in ROLES
        }
        registry.check_plugins(settings.plugins, source)
        self._listeners: list[Callable[[Event | None], None]] = []
        self.audit = Audit()
        self.auth = Auth(settings.auth, registry.verify_password, self.audit)
        self.video = Video(settings.capture, self.choices[CAPTURE.name], partial(self._changed, CAPTURE))
        self.input = Input(
            settings.hid, self.choices[HID.name], partial(self._changed, HID), self.auth.alive, self._lit
        )
        self.power = Power(
            settings.power, self.choices[POWER.name], partial(self._changed, POWER), partial(self._emit, POWER)
        )
        self._facilities: tuple[Facility, ...] = (self.video, self.input, self.power)
        self._monitor = Monitor(registry.wakes(), self._plugged)
        self.watch = Watch()
        """Who looks at what could hang."""
        self.watch.add(*registry.pulses, *chain.from_iterable(facility.pulses for facility in self._facilities))

    def on_change(self, tell: Callable[[Event | None], None]) -> None:
        """Have this told of each event, and with None that lamps have changed; in any thread, so it must not wait."""
        self._listeners.append(tell)

    def plugin_settings(self, name: str, shape: type[T]) -> T:
        """Return the settings of a plug-in, the table ``[plugins.NAME]``, as a struct of its own.

        :param name: the plug-in's, which is its entry point's
        :raises ConfigError: a key or a value is wrong
        """
        return convert(self.settings.plugins.get(name, {}), shape, self._source, f"plugins.{name}.")

    def start(self) -> None:
        """Begin; returns at once."""
        logger.info("board: %s: %s", self.board.board.name if self.board.board else "none", self.board.why)
        self._monitor.start()
        for facility in self._facilities:
            facility.start()

    def ending(self) -> list[Step]:
        """List the steps that release every key and button, close the devices and end all connections."""
        steps = [facility.ending() for facility in reversed(self._facilities)]
        return [Step("udev", self._monitor.stop), *chain.from_iterable(steps), *self.registry.ending()]

    def stop(self) -> None:
        """Take all these steps, and wait for as long as they need; for a process that goes on."""
        for step in self.ending():
            step.take()

    def is_alive(self) -> bool:
        """Tell whether all threads do their work still."""
        return all(facility.is_alive() for facility in self._facilities)

    def status(self) -> Status:
        """Tell how everything stands."""
        board = self.board.board
        return Status(
            version=kvmd.__version__,
            began=self._began,
            board=BoardReport(board.name, board.title, self.board.why) if board else None,
            capture=self.video.status(),
            hid=self.input.status(),
            power=self.power.status(),
            hung=self.watch.hung,
            broken=self.registry.broken,
        )

    def _filled(self, role: Role[Any, Any]) -> tuple[RoleSettings, str]:
        """Return the settings of a role and where they come from: the file's, or the board's where it has none."""
        given, board = role.section(self.settings), self.board.board
        if board and given.driver == "auto" and not given.options:
            return role.on(board), f"board {board.name}"
        return given, self._source

    def _changed(self, role: Role[Any, Any], status: SlotStatus) -> None:
        self._emit(role, status.state.value, status.reason)

    def _emit(self, role: Role[Any, Any], state: str, reason: str) -> None:
        event = Event(role.name, state, reason)
        self.registry.emit(event)
        self._tell(event)

    def _lit(self) -> None:
        self._tell(None)

    def _tell(self, event: Event | None) -> None:
        for tell in self._listeners:
            tell(event)

    def _plugged(self, action: str, device: Device) -> None:
        logger.debug("%s: %s", action, device)
        for choice in self.choices.values():
            choice.changed()
        for facility in self._facilities:
            facility.slot.wake()


def find_board(settings: Settings, registry: Registry, source: str) -> BoardChoice:
    """Return the board we run on.

    :param source: where the settings come from, for messages
    :raises ConfigError: the settings name a board that is not there, or a file in /etc/kvmd/boards.d/ is none
    """
    return choose_board(settings.board, load_boards(FOLDER), registry.boards(), read_facts(), source)
