"""Plug-ins and boards that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.contract.board import FOLDER, survey_boards
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

BROKEN_PLUGIN = Kind(
    "broken-plugin",
    Severity.WARNING,
    "the plug-in {name} cannot be used: {reason}",
    "what it brings is missing; nothing else is",
    "upgrade or remove its package, or name it in disabled_plugins in kvmd.toml",
)
BROKEN_BOARD = Kind(
    "broken-board",
    Severity.FAULT,
    "a board cannot be used: {problem}",
    "the daemon does not start with this file",
    "correct the file, or remove it; kvmd boards shows what is wrong",
)


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at what was loaded, and at the administrator's boards."""
    for broken in case.broken:
        yield BROKEN_PLUGIN.found(name=broken.name, reason=broken.reason)
    _, problems = survey_boards(case.machine.path(str(FOLDER)))
    for error in problems.values():
        yield BROKEN_BOARD.found(problem=error)
