"""What tests of the doctor share: a folder that stands for a machine, and cases of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from kvmd.contract.reports import CaptureReport, HidReport, PowerReport, PowerState, State, Status
from kvmd.contract.settings import AuthSettings, RoleSettings, Settings
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding
from kvmd.doctor.machine import Machine
from kvmd.plugins.choice import RoleReport

PI_4 = "Raspberry Pi 4 Model B Rev 1.5"


class Tree:
    """A machine of files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    @property
    def state(self) -> Path:
        """Where the daemon's own files are."""
        return self.root / "var/lib/kvmd"

    def case(self, **given: Any) -> Case:
        """Make a case of it, as it is now."""
        settings = Settings(auth=AuthSettings(file=str(self.state / "auth.json")))
        return Case(**{"machine": Machine(self.root), "settings": settings, **given})

    def look(self, check: ModuleType, **given: Any) -> list[Any]:
        """Make a check; return its findings and what it cannot look at."""
        return list(check.look(self.case(**given)))

    def kinds(self, check: ModuleType, **given: Any) -> list[str]:
        """Name what a check finds; "unseen" for what it cannot look at."""
        return [each.kind if isinstance(each, Finding) else "unseen" for each in self.look(check, **given)]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def without(role: str) -> dict[str, RoleReport]:
    """Say that nothing would fill a role."""
    return {role: RoleReport(None, None, f"no {role} device is plugged in")}


def named(role: str, driver: str, **options: object) -> dict[str, RoleSettings]:
    """Say that a driver is named for a role."""
    return {role: RoleSettings(driver, options)}


@pytest.fixture
def make_status() -> Callable[..., Status]:
    """How a test gets a status: ``capture={"state": State.LOST}`` for what is not well."""
    now = datetime.now(UTC)
    common: dict[str, Any] = {
        "state": State.ONLINE,
        "reason": "",
        "since": now,
        "driver": "virtual",
        "device": "x",
        "remarks": (),
    }
    capture: dict[str, Any] = {name: 0 for name in CaptureReport.__struct_fields__ if name not in common}
    hid: dict[str, Any] = {"host_connected": True, "leds": None, "capabilities": []}
    power: dict[str, Any] = {"target": PowerState.ON, "disk_active": None, "press": None, "capabilities": []}

    def make(**changed: Any) -> Status:
        status = Status(
            version="0",
            began=now,
            board=None,
            capture=CaptureReport(**{**common, **capture, **changed.pop("capture", {})}),
            hid=HidReport(**{**common, **hid, **changed.pop("hid", {})}),
            power=PowerReport(**{**common, **power, **changed.pop("power", {})}),
            hung=(),
            broken=[],
        )
        return msgspec.structs.replace(status, **changed)

    return make
