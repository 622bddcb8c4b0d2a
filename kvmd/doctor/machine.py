"""The machine as its files show it: procfs, sysfs, /etc.

All are read beneath a root, so that a folder can stand for a machine. What may not be read is as if it were not there;
``sees_processes`` says when that is most of it.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

UNITS = ("sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice")
"""Where the control groups of services are, by cgroups of version 2 and 1."""

UNIT_FILES = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")

_LISTENING = "0A"
"""TCP_LISTEN in ``/proc/net/tcp``, include/net/tcp_states.h."""


class Process(NamedTuple):
    """A process; its name is cut after 15 characters (proc(5), ``comm``)."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


class Machine:
    """The machine.

    :param root: where its files are
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Return where a file of the machine is, such as ``/dev/video0``."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str:
        """Read a file; empty where there is none, or it may not be read."""
        try:
            return self.path(name).read_text(errors="replace").strip("\0\n ")
        except OSError:
            return ""

    def names(self, pattern: str) -> list[str]:
        """Name the files that fit a pattern, sorted."""
        return sorted(path.name for path in self.paths(pattern))

    def paths(self, pattern: str) -> list[Path]:
        """List the files that fit a pattern, sorted."""
        try:
            return sorted(self.root.glob(pattern.lstrip("/")))
        except OSError:
            return []

    @cached_property
    def model(self) -> str:
        """The board's name in the device tree; empty where there is none."""
        return self.text("proc/device-tree/model")

    @cached_property
    def processes(self) -> list[Process]:
        """All that may be seen."""
        found = (Process(int(path.parent.name), self._comm(path)) for path in self.paths("proc/[0-9]*/comm"))
        return [process for process in found if process.name]

    @cached_property
    def sees_processes(self) -> bool:
        """Whether other people's processes show their open files: root's alone do not hide them."""
        return os.access(self.path("proc/1/fd"), os.R_OK | os.X_OK)

    @cached_property
    def open_files(self) -> dict[str, list[Process]]:
        """Who has which files open, by their paths; ``socket:[…]`` of sockets."""
        found: dict[str, list[Process]] = {}
        for process in self.processes:
            for path in set(self._links(f"proc/{process.pid}/fd/*")):
                found.setdefault(path, []).append(process)
        return found

    def listeners(self, port: int) -> list[Process] | None:
        """Say who listens on a port of TCP: processes, as far as they may be seen; None: nobody does."""
        sockets = [inode for name in ("tcp", "tcp6") for inode in self._listening(name, port)]
        if not sockets:
            return None
        holders = [process for inode in sockets for process in self.open_files.get(f"socket:[{inode}]", [])]
        return list(dict.fromkeys(holders))

    def is_active(self, unit: str) -> bool:
        """Tell whether a service of systemd has processes."""
        return any(self.path(f"{folder}/{unit}").is_dir() for folder in UNITS)

    def has_unit(self, unit: str) -> bool:
        """Tell whether a unit is installed."""
        return any(self.path(f"{folder}/{unit}").exists() for folder in UNIT_FILES)

    def is_enabled(self, unit: str) -> bool:
        """Tell whether another unit wants this one, by a link that ``systemctl enable`` makes."""
        return any((folder / unit).is_symlink() for folder in self.paths("etc/systemd/system/*.wants"))

    def _comm(self, path: Path) -> str:
        try:
            return path.read_text(errors="replace").strip()
        except OSError:  # it has ended meanwhile
            return ""

    def _links(self, pattern: str) -> list[str]:
        found = []
        for path in self.paths(pattern):
            try:
                found.append(str(path.readlink()))
            except OSError:
                continue
        return found

    def _listening(self, name: str, port: int) -> list[str]:
        """List the inodes of the sockets that listen; the columns are those of proc(5), ``/proc/net/tcp``."""
        rows = (line.split() for line in self.text(f"proc/net/{name}").splitlines()[1:])
        return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
