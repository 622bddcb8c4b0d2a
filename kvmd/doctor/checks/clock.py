"""The clock: set, kept right by the network, and steady."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from kvmd.access.certificate import WRITTEN
from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

WRONG = Kind(
    "clock-wrong",
    Severity.FAULT,
    "the clock says {now:%Y-%m-%d %H:%M} UTC, which cannot be: {reason}",
    "certificates are not valid by it, one-time codes are refused, and the log's times are wrong",
    "connect the network, then: sudo timedatectl set-ntp true",
)
NOT_SYNCHRONISED = Kind(
    "clock-alone",
    Severity.WARNING,
    "the clock is not synchronised with the network",
    "one-time codes are refused once it is half a minute wrong; a board without a battery loses it at each start",
    "let the machine reach the network, then: sudo timedatectl set-ntp true (package systemd-timesyncd)",
)
JUMPED = Kind(
    "clock-jumped",
    Severity.WARNING,
    "the clock was set by {seconds:+.0f} s since the daemon started",
    "times in the log before that are wrong by as much; what the daemon counts is not",
    "nothing, if that was the network's first answer after the boot; else a battery for the clock",
)

TIME_ERROR = 5
"""What adjtimex(2) returns while the clock is not synchronised."""
TIMESYNCD = "run/systemd/timesync/synchronized"
SIZE_OF_TIMEX = 256
"""Bytes; ``struct timex`` has 208 at most."""
SLACK = 60.0
"""Seconds by which clocks may differ for other reasons."""
SLOWEST_START = 300.0
"""Seconds from the start of the process to the moment that the daemon calls its start; it takes no longer than 240."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at it."""
    now = datetime.now(UTC)
    newest = _newest(Path(case.settings.auth.file).parent)
    if now < WRITTEN:
        yield WRONG.found(now=now, reason="this program is younger")
    elif newest and (newest - now).total_seconds() > SLACK:
        yield WRONG.found(now=now, reason=f"kvmd wrote a file at {newest:%Y-%m-%d %H:%M}")
    synchronised = is_synchronised(case.machine)
    if synchronised is None:
        yield Unseen("whether the clock is synchronised", "the kernel does not say that to everybody; use sudo")
    elif not synchronised:
        yield NOT_SYNCHRONISED.found()
    moved = jump(case, now)
    if moved is not None and abs(moved) > SLOWEST_START:
        yield JUMPED.found(seconds=moved)


def is_synchronised(machine: Machine) -> bool | None:
    """Tell whether the network keeps the clock right; None where the kernel does not say."""
    if machine.path(TIMESYNCD).exists():
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    state: int = libc.adjtimex(ctypes.create_string_buffer(SIZE_OF_TIMEX))  # modes 0: it is asked, and nothing is set
    return None if state < 0 else state != TIME_ERROR


def jump(case: Case, now: datetime) -> float | None:
    """Return by how many seconds the clock was set since the daemon started; None where that is not known.

    By the clock the daemon is as old as it says; by its process, as the kernel counts (proc(5), ``starttime``).
    """
    status, machine = case.daemon.status, case.machine
    fields = machine.text(f"proc/{case.daemon.pid}/stat").rpartition(")")[2].split()
    uptime = machine.text("proc/uptime").split()
    if status is None or len(fields) < 20 or not uptime:
        return None
    age = float(uptime[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return (now - status.began).total_seconds() - age


def _newest(folder: Path) -> datetime | None:
    """Return when the newest file of a folder was written, as far as one may look."""
    try:
        times = [path.stat().st_mtime for path in folder.iterdir()]
    except OSError:
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None
