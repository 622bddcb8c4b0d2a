"""Memory: enough of it, and nothing was killed for want of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

SHORT = Kind(
    "memory-short",
    Severity.WARNING,
    "{available} MB of {total} MB of memory are available",
    "pictures are skipped, and the kernel may kill the daemon",
    "see what takes it: ps -eo rss,comm --sort=-rss | head; end what is not needed",
)
KILLED = Kind(
    "memory-killed",
    Severity.WARNING,
    "since the boot the kernel has killed {count} processes for want of memory",
    "the daemon, or what it needs, may be among them",
    "see which: sudo journalctl -k -b -g 'out of memory'; end what is not needed, or use a smaller picture",
)

LEAST = 64
"""MB that should be left for a picture more."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at what the kernel says."""
    machine = case.machine
    kilobytes = {name: int(value) for name, value in re.findall(r"(\w+): +(\d+) kB", machine.text("proc/meminfo"))}
    total, available = kilobytes.get("MemTotal", 0), kilobytes.get("MemAvailable", 0)
    if total and available < LEAST * 1000:
        yield SHORT.found(available=available // 1000, total=total // 1000)
    killed = re.search(r"^oom_kill (\d+)$", machine.text("proc/vmstat"), re.MULTILINE)
    if killed and int(killed[1]):
        yield KILLED.found(count=killed[1])
