"""The disk: room for the daemon's files, and whether it can be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kvmd.doctor.case import Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen

READ_ONLY = Kind(
    "read-only",
    Severity.FAULT,
    "{folder} is on a file system that is mounted read-only",
    "passwords, sessions' users, EDID and certificate cannot be changed; an SD card that fails is mounted so",
    "look at: sudo dmesg | grep -i -e mmc -e ext4; if the card is good: sudo mount -o remount,rw {mount}",
)
FULL = Kind(
    "disk-full",
    Severity.FAULT,
    "the file system of {folder} is full: {free} MB of {total} MB are free",
    "nothing can be saved any more, passwords and EDID neither",
    "sudo journalctl --vacuum-size=50M; what else takes the room: sudo du -xh / | sort -h | tail",
)
LOW = Kind(
    "disk-low",
    Severity.WARNING,
    "the file system of {folder} is nearly full: {free} MB of {total} MB are free",
    "once it is full, nothing can be saved any more",
    "sudo journalctl --vacuum-size=50M; what else takes the room: sudo du -xh / | sort -h | tail",
)

MB = 1_000_000
FEW = 20
"""MB below which it is full for all purposes."""
LITTLE = 200
"""MB below which somebody should make room."""


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at the daemon's folder; the daemon sees all others as read-only, wherever they are."""
    folder = _existing(Path(case.settings.auth.file).parent)
    try:
        found = os.statvfs(folder)
    except OSError as error:
        yield Unseen(f"the file system of {folder}", f"{error.strerror}; use sudo")
        return
    if found.f_flag & os.ST_RDONLY:
        yield READ_ONLY.found(folder=folder, mount=_mount(folder))
    yield from judge(folder, found.f_bavail * found.f_frsize // MB, found.f_blocks * found.f_frsize // MB)


def judge(folder: Path, free: int, total: int) -> Iterator[Finding]:
    """Judge the room, in MB; file systems without a size, such as those of the kernel, have all that they need."""
    if not total:
        return
    if free < min(FEW, total / 20):
        yield FULL.found(folder=folder, free=free, total=total)
    elif free < min(LITTLE, total / 10):
        yield LOW.found(folder=folder, free=free, total=total)


def _existing(folder: Path) -> Path:
    """Return the folder, or where it will be made."""
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path) or path == Path(path.anchor))


def _mount(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_mount())
