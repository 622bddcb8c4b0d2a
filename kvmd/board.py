"""Boards: how one is known, and which driver with which options fills which role on it.

A board is data: a TOML file in a plug-in's package or in /etc/kvmd/boards.d/, such as::

    name = "acme-kvm"
    title = "Acme KVM"

    [known_by]
    model = "Acme KVM*"                      # device tree: /proc/device-tree/model, a shell pattern
    compatible = "acme,kvm"                  # device tree: one of the entries of /proc/device-tree/compatible
    product = "Acme KVM Mini"                # DMI: /sys/class/dmi/id/product_name, a shell pattern

    [capture]
    driver = "v4l2"
    options = { usb_id = "534d:2109" }

    [hid]
    driver = "usb_gadget"
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from kvmd.config import RoleSettings, read_toml


class Facts(msgspec.Struct, frozen=True):
    """What the firmware says of the machine we run on; empty where it says nothing."""

    model: str = ""
    compatible: tuple[str, ...] = ()
    product: str = ""


class KnownBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a board is recognised: every field that is given must fit, and at least one must be given."""

    model: str | None = None
    compatible: str | None = None
    product: str | None = None

    def fits(self, facts: Facts) -> bool:
        """Tell whether this is the board."""
        tests = [
            self.model is None or _is_like(facts.model, self.model),
            self.compatible is None or self.compatible in facts.compatible,
            self.product is None or _is_like(facts.product, self.product),
        ]
        return all(tests) and self != KnownBy()


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board: its name in settings, its name for people, how it is known, and what fills the roles."""

    name: str
    title: str
    known_by: KnownBy
    capture: RoleSettings = msgspec.field(default_factory=RoleSettings)
    hid: RoleSettings = msgspec.field(default_factory=RoleSettings)


def read_facts(root: Path = Path("/")) -> Facts:
    """Read the device tree and DMI.

    :param root: where ``proc`` and ``sys`` are
    """
    return Facts(
        model=_read(root / "proc/device-tree/model"),
        compatible=tuple(filter(None, _read(root / "proc/device-tree/compatible").split("\0"))),
        product=_read(root / "sys/class/dmi/id/product_name"),
    )


def recognise(boards: Iterable[Board], facts: Facts) -> Board | None:
    """Return the first board that fits; None if none does."""
    return next((board for board in boards if board.known_by.fits(facts)), None)


def load_boards(folder: Path) -> list[Board]:
    """Read every ``*.toml`` in a folder, in the order of their names; none if there is no such folder.

    :raises ConfigError: a file is not a board
    """
    return [read_toml(path, Board) for path in sorted(folder.glob("*.toml"))]


def _is_like(fact: str, pattern: str) -> bool:
    """Tell whether what the firmware says fits; where it says nothing, nothing does."""
    return bool(fact) and fnmatchcase(fact, pattern)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
