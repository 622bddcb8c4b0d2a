"""The udev rules: there, and those of the drivers that are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine
from kvmd.plugins.udev_rules import udev_rules

NO_RULES = Kind(
    "no-rules",
    Severity.FAULT,
    "kvmd's udev rules are not installed",
    "plugging in a device does not start the daemon, which may not open all of them either",
    "install the package again, or in a checkout: sudo make install",
)
OLD_RULES = Kind(
    "old-rules",
    Severity.WARNING,
    "{count} of the rules for the installed drivers are in no file of udev's, such as: {rule}",
    "a device of theirs does not start the daemon, or may not be opened by it",
    "for drivers of other packages: sudo kvmd udev-rules --install; for kvmd's own: install it again",
)

FOLDERS = ("usr/lib/udev/rules.d", "lib/udev/rules.d", "run/udev/rules.d", "etc/udev/rules.d")
"""udev(7): of files of one name, the one in the last of these is in force."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Compare what is installed with what the drivers' match tables give."""
    if not case.is_installed:
        return
    wanted = _rules(udev_rules(match for driver in case.drivers for match in driver.matches))
    there = {rule for path in in_force(case.machine, "*kvmd*.rules") for rule in _rules(_text(path))}
    missing = [rule for rule in wanted if rule not in there]
    if wanted and len(missing) == len(wanted):
        yield NO_RULES.found()
    elif missing:
        yield OLD_RULES.found(count=len(missing), rule=missing[0])


def in_force(machine: Machine, pattern: str) -> list[Path]:
    """List the files of rules that udev reads."""
    files = {path.name: path for folder in FOLDERS for path in machine.paths(f"{folder}/{pattern}")}
    return list(files.values())


def _rules(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
