"""udev rules out of the drivers' match tables: who may open a device's node, and that plugging it in starts kvmd."""

from __future__ import annotations

from collections.abc import Iterable

from kvmd.device import Match

HEADER = "# Made by `kvmd drivers --udev-rules` from the match tables of the drivers.\n"


def udev_rules(matches: Iterable[Match]) -> str:
    """Write the rules file for these rows; rows that differ in score alone give one rule."""
    rules = dict.fromkeys(_rule(match) for match in matches)
    return HEADER + "".join(f"{rule}\n" for rule in rules)


def _rule(match: Match) -> str:
    conditions = [f'SUBSYSTEM=="{match.subsystem}"']
    conditions += [f'ENV{{{name}}}=="{pattern}"' for name, pattern in sorted(match.properties.items())]
    assignments = ['GROUP="kvmd"', 'MODE="0660"']
    if match.score:
        assignments += ['TAG+="systemd"', 'ENV{SYSTEMD_WANTS}+="kvmd.service"']
    return ", ".join(conditions + assignments)
