"""Boards: how one is known, and which driver with which options fills which role on it.

A board is data: a TOML file in a plug-in's package or in /etc/kvmd/boards.d/, such as::

    name = "acme-kvm"
    title = "Acme KVM"

    [known_by]
    model = "Acme KVM*"                      # device tree: /proc/device-tree/model, a shell pattern
    compatible = "acme,kvm"                  # device tree: one of the entries of /proc/device-tree/compatible
    chip = "toshiba,tc358743"                # device tree: a `compatible` entry of any node that is not disabled
    product = "Acme KVM Mini"                # DMI: /sys/class/dmi/id/product_name, a shell pattern
    usb = ["534d:2109", "1a86:7523"]         # all of these are plugged in, behind one hub

    [capture]
    driver = "v4l2"
    options = { usb_id = "534d:2109" }

    [hid]
    driver = "usb_gadget"

    [power]
    driver = "gpio"
    options = { power_button = "pinctrl-acme:23" }

Several may fit, and the most specific is taken: the one that more of the firmware's facts speak for, since what is
built in says more than what is plugged in; of these the one with the longer text, which is the narrower pattern; and
of equals the first. Boards that no software can tell apart say ``by_name = true``: such a one is only taken when the
setting ``board`` names it, and what fits them all is recognised in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd.contract.device import Device, UsbId, list_devices
from kvmd.contract.settings import DEFAULT_PATH, RoleSettings
from kvmd.errors import ConfigError
from kvmd.system.config import read_toml, toml_value

FOLDER = DEFAULT_PATH.parent / "boards.d"
"""Where this machine's administrator defines boards."""

AUTO, NONE = "auto", "none"
"""What the setting ``board`` may be beside a board's name."""

_ENABLED = {"", "okay", "ok"}
"""The ``status`` of a node that is in use (Devicetree Specification 0.4, section 2.3.4)."""


class Facts(msgspec.Struct, frozen=True):
    """What is known of the machine we run on; empty where nothing is.

    :param chips: the ``compatible`` entries of all nodes of the device tree that are not disabled
    :param usb: USB ids, those behind one hub together; a device in one of the machine's own ports is by itself
    """

    model: str = ""
    compatible: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    product: str = ""
    usb: tuple[tuple[str, ...], ...] = ()


class KnownBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a board is recognised: every field that is given must fit, and at least one must be given."""

    model: Annotated[str | None, Meta(description="Of the device tree: its `model`, `*` for any part.")] = None
    compatible: Annotated[
        str | None, Meta(description="Of the device tree: one of the entries of its root's `compatible`.")
    ] = None
    chip: Annotated[
        str | None,
        Meta(description="Of the device tree: a `compatible` entry of any node that is not disabled."),
    ] = None
    product: Annotated[str | None, Meta(description="Of DMI: a PC's `product_name`, `*` for any part.")] = None
    usb: Annotated[
        Annotated[tuple[UsbId, ...], Meta(min_length=1)] | None,
        Meta(description="USB vendors and products that are all plugged in behind one hub, as `lsusb` shows them."),
    ] = None

    def given(self) -> dict[str, str | tuple[str, ...]]:
        """Return the fields that are given."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}

    def found(self, facts: Facts) -> dict[str, str | tuple[str, ...]]:
        """Return what speaks for this being the board, by field; nothing unless all that is given fits."""
        fitting = {
            "model": facts.model if _is_like(facts.model, self.model) else "",
            "compatible": self.compatible if self.compatible in facts.compatible else "",
            "chip": self.chip if self.chip in facts.chips else "",
            "product": facts.product if _is_like(facts.product, self.product) else "",
            "usb": self.usb if any(set(self.usb or ()) <= set(group) for group in facts.usb) else "",
        }
        found = {name: value for name in self.given() if (value := fitting[name])}
        return found if found.keys() == self.given().keys() else {}

    def weight(self) -> tuple[int, int]:
        """Tell how specific it is: how many of the firmware's facts it names, then how long all that it gives is."""
        firmware = [text for name, text in self.given().items() if name != "usb"]
        return len(firmware), sum(map(len, (*firmware, *(self.usb or ()))))


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board: its name in settings, its name for people, how it is known, and what fills the roles.

    :param known_by: how it is recognised
    :param capture: what fills the role
    :param hid: likewise
    :param power: likewise
    """

    name: Annotated[str, Meta(description="Its name in the setting `board`.")]
    title: Annotated[str, Meta(description="Its name for people.")]
    known_by: KnownBy = msgspec.field(default_factory=KnownBy)
    capture: RoleSettings = msgspec.field(default_factory=RoleSettings)
    hid: RoleSettings = msgspec.field(default_factory=RoleSettings)
    power: RoleSettings = msgspec.field(default_factory=RoleSettings)
    by_name: Annotated[
        bool,
        Meta(description="Only taken when the settings name it; `known_by`, where given, says what it may look like."),
    ] = False

    def __post_init__(self) -> None:
        if self.name in (AUTO, NONE):
            raise ValueError(f'name = "{self.name}" has a meaning of its own in the setting board; give it another')
        if not self.by_name and not self.known_by.given():
            raise ValueError("known_by is missing; say how the board is recognised, or that it is not: by_name = true")


class BoardChoice(msgspec.Struct, frozen=True):
    """Which board this is.

    :param board: None if it is none that is known, or is to be none
    :param why: in words
    :param alike: the boards that it could be as well, and that have to be named
    """

    board: Board | None
    why: str
    alike: tuple[str, ...] = ()


def read_facts(root: Path = Path("/"), devices: Iterable[Device] | None = None) -> Facts:
    """Read the device tree and DMI, and what is plugged in.

    :param root: where ``proc`` and ``sys`` are
    :param devices: the USB devices; None: those that udev knows now
    """
    tree = root / "proc/device-tree"
    return Facts(
        model=_read(tree / "model"),
        compatible=_read_list(tree / "compatible"),
        chips=_enabled_chips(tree),
        product=_read(root / "sys/class/dmi/id/product_name"),
        usb=_behind_hubs(list_devices(["usb"]) if devices is None else devices),
    )


def recognise(boards: Iterable[Board], facts: Facts) -> Board | None:
    """Return the most specific board that fits, of equals the first; None if none does."""
    fitting = [board for board in boards if not board.by_name and board.known_by.found(facts)]
    return max(fitting, key=lambda board: board.known_by.weight(), default=None)


def choose_board(wanted: str, own: Iterable[Board], offered: Iterable[Board], facts: Facts, source: str) -> BoardChoice:
    """Return the board that the settings name, or the one that is recognised.

    :param wanted: the setting ``board``
    :param own: the boards of this machine's administrator, which go before all others
    :param offered: the boards of plug-ins
    :param source: where the setting comes from, for messages
    :raises ConfigError: there is no board of this name
    """
    known = catalogue(own, offered)
    if wanted == NONE:
        return BoardChoice(None, f'board = "none" in {source}')
    if wanted != AUTO:
        if wanted not in known:
            names = ", ".join(f'"{name}"' for name in (AUTO, NONE, *sorted(known)))
            raise ConfigError(f'{source}: board = "{wanted}" cannot be used; accepted: {names}')
        return BoardChoice(known[wanted], f"named in {source}")
    board = recognise(own, facts) or recognise(known.values(), facts)
    why = in_words(board.known_by.found(facts)) if board else "nothing here is as any board says"
    alike = [each.name for each in known.values() if each.by_name and each.known_by.found(facts)]
    return BoardChoice(board, why, tuple(alike))


def catalogue(own: Iterable[Board], offered: Iterable[Board]) -> dict[str, Board]:
    """Return every board by its name; of several of one name the first stays, the administrator's before plug-ins'."""
    boards: dict[str, Board] = {}
    for board in (*own, *offered):
        boards.setdefault(board.name, board)
    return boards


def in_words(found: Mapping[str, object]) -> str:
    """Write what a board is known by, or was found, as TOML does."""
    return ", ".join(f"{name} = {toml_value(value)}" for name, value in found.items())


def load_boards(folder: Path) -> list[Board]:
    """Read every ``*.toml`` in a folder, in the order of their names; none if there is no such folder.

    :raises ConfigError: a file is not a board
    """
    boards, problems = survey_boards(folder)
    for problem in problems.values():
        raise problem
    return boards


def survey_boards(folder: Path) -> tuple[list[Board], dict[Path, ConfigError]]:
    """Read every ``*.toml`` in a folder, and say which of them are not boards, and why."""
    boards: dict[str, Board] = {}
    problems: dict[Path, ConfigError] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            board = read_toml(path, Board)
        except ConfigError as error:
            problems[path] = error
        else:
            if boards.setdefault(board.name, board) is not board:
                problems[path] = ConfigError(f'{path}: name = "{board.name}" is taken by another file in this folder')
    return list(boards.values()), problems


def _enabled_chips(tree: Path) -> tuple[str, ...]:
    nodes = (path for path in tree.rglob("compatible") if _read(path.parent / "status") in _ENABLED)
    return tuple(sorted({chip for path in nodes for chip in _read_list(path)}))


def _behind_hubs(devices: Iterable[Device]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, set[str]] = {}
    for device in devices:
        hub = Path(device.path).parent
        # The kernel calls the machine's own ports usb1, usb2 … and a hub's by the way to it, as in usb1/1-1/1-1.4.
        place = device.path if hub.name.startswith("usb") else str(hub)
        if device.usb_id:
            groups.setdefault(place, set()).add(device.usb_id)
    return tuple(tuple(sorted(ids)) for ids in groups.values())


def _is_like(fact: str, pattern: str | None) -> bool:
    """Tell whether what the firmware says fits; where it says nothing, nothing does."""
    return bool(fact) and pattern is not None and fnmatchcase(fact, pattern)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _read_list(path: Path) -> tuple[str, ...]:
    return tuple(filter(None, _read(path).split("\0")))
