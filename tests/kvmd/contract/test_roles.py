"""The table of roles, and the lists that have a section for each."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from kvmd.contract.board import Board
from kvmd.contract.driver import BaseDriver
from kvmd.contract.reports import Status
from kvmd.contract.roles import CAPTURE, HID, POWER, ROLES, Role, role_of
from kvmd.contract.settings import RoleSettings, Settings
from kvmd_drivers.virtual import VirtualCapture, VirtualHid


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_has_a_section_in_settings_boards_and_status(role: Role[Any, Any]) -> None:
    assert get_type_hints(Settings)[role.name] is role.settings
    assert get_type_hints(Board)[role.name] is RoleSettings
    assert role.name in Status.__struct_fields__


def test_no_section_lacks_its_role() -> None:
    sections = {name for name, kind in get_type_hints(Settings).items() if RoleSettings in getattr(kind, "__mro__", ())}
    assert sections == {role.name for role in ROLES}


def test_sections() -> None:
    settings = Settings()
    board = Board("acme", "Acme", by_name=True, power=RoleSettings("gpio"))
    assert POWER.section(settings) is settings.power
    assert POWER.on(board).driver == "gpio"


def test_a_driver_has_the_role_of_its_class() -> None:
    assert role_of(VirtualCapture) is CAPTURE
    assert role_of(VirtualHid) is HID
    assert role_of(BaseDriver) is None
