"""The running kernel and its modules."""

from __future__ import annotations

from collections.abc import Iterator

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

REPLACED = Kind(
    "kernel-replaced",
    Severity.FAULT,
    "the modules of the running kernel {release} are not on the disk any more",
    "an upgrade has put another kernel in its place; no driver for a device can be loaded until that one runs",
    "sudo reboot",
)


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look whether drivers can be loaded; in a container, whose kernel is the host's, nothing can be said."""
    machine = case.machine
    release = machine.text("proc/sys/kernel/osrelease")
    others = machine.names("lib/modules/*/modules.dep")
    if others and release and not machine.path(f"lib/modules/{release}").exists():
        yield REPLACED.found(release=release)
