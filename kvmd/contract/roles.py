"""The roles: what a driver may be for. Whatever names all of them reads this table.

A new role is a line here, a section of the same name in ``Settings`` and in ``Board``, and a room with its facility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from kvmd.contract.board import Board
from kvmd.contract.capture import CaptureDriver
from kvmd.contract.driver import BaseDriver
from kvmd.contract.hid import HidDriver
from kvmd.contract.power import PowerDriver
from kvmd.contract.settings import CaptureSettings, HidSettings, PowerSettings, RoleSettings, Settings

D = TypeVar("D", bound=BaseDriver)
S = TypeVar("S", bound=RoleSettings)


@dataclass(frozen=True)
class Role(Generic[D, S]):
    """What a driver may be for.

    :param name: of its section in the settings and in a board, and in the status, messages and events
    :param title: for a person
    :param driver: what its drivers derive from
    :param settings: the type of its section in the settings
    """

    name: str
    title: str
    driver: type[D]
    settings: type[S]

    def section(self, settings: Settings) -> S:
        """Return its section of the settings."""
        return cast(S, getattr(settings, self.name))

    def on(self, board: Board) -> RoleSettings:
        """Return which driver fills it on a board."""
        return cast(RoleSettings, getattr(board, self.name))


CAPTURE = Role("capture", "Capture", CaptureDriver, CaptureSettings)
HID = Role("hid", "HID", HidDriver, HidSettings)
POWER = Role("power", "Power", PowerDriver, PowerSettings)

ROLES: tuple[Role[Any, Any], ...] = (CAPTURE, HID, POWER)
"""All of them, in the order in which they are shown."""


def role_of(driver: type[BaseDriver]) -> Role[Any, Any] | None:
    """Return the role that a driver is for; None if it derives from no role's class."""
    return next((role for role in ROLES if issubclass(driver, role.driver)), None)
