"""The nodes of devices in /dev: whether the daemon may open them, and who has them open."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from os import stat_result

from kvmd.doctor.case import USER, Case
from kvmd.doctor.findings import Finding, Kind, Severity, Unseen
from kvmd.doctor.machine import Machine

NO_USER = Kind(
    "no-user",
    Severity.FAULT,
    "there is no user kvmd",
    "the daemon runs as that user, and does not start without it",
    "sudo systemd-sysusers",
)
NOT_IN_GROUP = Kind(
    "not-in-group",
    Severity.FAULT,
    "the user kvmd is not in the group {group}, to which {node} belongs",
    "the daemon may not open {node} ({label})",
    "sudo usermod -aG {group} kvmd, then: sudo systemctl restart kvmd",
)
DENIED = Kind(
    "denied",
    Severity.FAULT,
    "{node} is closed to the user kvmd (mode {mode}, group {group})",
    "the daemon may not open {node} ({label}); udev has not applied kvmd's rules to it",
    "sudo udevadm control --reload, then: sudo udevadm trigger",
)
IN_USE = Kind(
    "in-use",
    Severity.WARNING,
    "{node} is in use by {holder}",
    "most devices can be used by one program at a time, so kvmd cannot have {node} ({label})",
    "end it for good, if it is not wanted; or name another device in kvmd.toml",
)


def look(case: Case) -> Iterator[Finding | Unseen]:
    """Look at the nodes that some driver is for."""
    machine = case.machine
    groups = _groups(machine)
    uid = next((row[2] for row in _rows(machine, "etc/passwd") if row[0] == USER), None)
    nodes = {device.node: str(device) for device in case.devices if device.node}
    if case.is_installed and uid is None:
        yield NO_USER.found()
    for node, label in nodes.items():
        if uid is not None:
            yield from _permissions(machine, node, label, int(uid), groups)
        for holder in machine.open_files.get(node, []):
            if holder.pid != case.daemon.pid:
                yield IN_USE.found(node=node, label=label, holder=holder)
    if nodes and not machine.sees_processes:
        yield Unseen("who has the devices open", "other people's processes do not show that; use sudo kvmd doctor")


def _permissions(machine: Machine, node: str, label: str, uid: int, groups: dict[int, str]) -> Iterator[Finding]:
    try:
        status = machine.path(node).stat()
    except OSError:
        return  # it went meanwhile
    ours = _groups_of(machine, USER)
    if _may_use(status, uid, ours):
        return
    group = groups.get(status.st_gid, str(status.st_gid))
    if status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) == stat.S_IRGRP | stat.S_IWGRP and status.st_gid:
        yield NOT_IN_GROUP.found(node=node, label=label, group=group)
    else:
        yield DENIED.found(node=node, label=label, group=group, mode=f"{stat.S_IMODE(status.st_mode):03o}")


def _may_use(status: stat_result, uid: int, groups: set[int]) -> bool:
    """Tell whether somebody may read and write a file, by its mode."""
    shift = 6 if status.st_uid == uid else 3 if status.st_gid in groups else 0
    return status.st_mode >> shift & 0o6 == 0o6


def _groups_of(machine: Machine, user: str) -> set[int]:
    """Return the groups of a user, its own included."""
    own = {int(row[3]) for row in _rows(machine, "etc/passwd") if row[0] == user}
    return own | {int(row[2]) for row in _rows(machine, "etc/group") if user in row[3].split(",")}


def _groups(machine: Machine) -> dict[int, str]:
    return {int(row[2]): row[0] for row in _rows(machine, "etc/group")}


def _rows(machine: Machine, name: str) -> list[list[str]]:
    """Read passwd(5) or group(5)."""
    return [row for line in machine.text(name).splitlines() if len(row := line.split(":")) >= 4]
