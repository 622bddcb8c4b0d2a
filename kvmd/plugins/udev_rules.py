"""udev rules out of the drivers' match tables: plugging one in starts kvmd, if enabled, which may open it."""

from __future__ import annotations

from collections.abc import Iterable

from kvmd.contract.device import Match

HEADER = "# Made by `kvmd udev-rules` from the match tables of the drivers; do not edit.\n"

IMPORTS = {"hidraw": ('IMPORT{parent}="HID_*"', 'IMPORT{builtin}="path_id"')}
"""What udev knows of a subsystem's devices only when it is asked: a hidraw node's name, ids and port."""

WANTS = 'ENV{SYSTEMD_WANTS}+="kvmd-device@.target"'
"""A target for the device (systemd.device(5)), which wants kvmd.service where that is enabled, and nothing else."""

ROOT_ALONE = frozenset({"hidraw"})
"""Subsystems whose nodes the system gives to nobody."""


def udev_rules(matches: Iterable[Match]) -> str:
    """Write the rules file for these rows; rows that differ in score alone give one rule."""
    rules = dict.fromkeys(rule for match in matches for rule in (*_imports(match.subsystem), _rule(match)))
    return HEADER + "".join(f"{rule}\n" for rule in rules)


def _imports(subsystem: str) -> Iterable[str]:
    return (f'ACTION!="remove", SUBSYSTEM=="{subsystem}", {what}' for what in IMPORTS.get(subsystem, ()))


def _rule(match: Match) -> str:
    conditions = ['ACTION!="remove"', f'SUBSYSTEM=="{match.subsystem}"']
    conditions += [f'ENV{{{name}}}=="{pattern}"' for name, pattern in sorted(match.properties.items())]
    # Most devices have their group from the system, such as video; the nodes beside them are ours alone.
    system = match.score and match.subsystem not in ROOT_ALONE
    own = [] if system else ['GROUP="kvmd"', 'MODE="0660"']
    return ", ".join([*conditions, *own, 'TAG+="systemd"', WANTS])
