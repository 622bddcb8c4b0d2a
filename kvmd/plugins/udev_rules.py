"""udev rules out of the drivers' match tables: plugging a device in starts kvmd, and kvmd may open its node."""

from __future__ import annotations

from collections.abc import Iterable

from kvmd.contract.device import Match

HEADER = "# Made by `kvmd drivers --udev-rules` from the match tables of the drivers; do not edit.\n"


def udev_rules(matches: Iterable[Match]) -> str:
    """Write the rules file for these rows; rows that differ in score alone give one rule."""
    rules = dict.fromkeys(_rule(match) for match in matches)
    return HEADER + "".join(f"{rule}\n" for rule in rules)


def _rule(match: Match) -> str:
    conditions = ['ACTION!="remove"', f'SUBSYSTEM=="{match.subsystem}"']
    conditions += [f'ENV{{{name}}}=="{pattern}"' for name, pattern in sorted(match.properties.items())]
    # Devices have their group from the system, such as video; the nodes beside them are ours alone.
    own = [] if match.score else ['GROUP="kvmd"', 'MODE="0660"']
    return ", ".join([*conditions, *own, 'TAG+="systemd"', 'ENV{SYSTEMD_WANTS}+="kvmd.service"'])
