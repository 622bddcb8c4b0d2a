"""The clock: one that cannot be right, that nothing keeps right, that was set."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kvmd.contract.reports import Status
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import clock
from kvmd.doctor.machine import Machine
from tests.kvmd.doctor.conftest import Tree

SYNCHRONISED = {"run/systemd/timesync/synchronized": ""}


def test_a_clock_that_is_kept_right(tree: Tree) -> None:
    tree.write({**SYNCHRONISED, "var/lib/kvmd/auth.json": "{}"})
    assert tree.kinds(clock) == []


def test_without_the_file_the_kernel_is_asked(tree: Tree) -> None:
    assert clock.is_synchronised(Machine(tree.root)) in (True, False, None)
    tree.write(SYNCHRONISED)
    assert clock.is_synchronised(Machine(tree.root)) is True


def test_a_file_from_the_future_says_that_the_clock_is_behind(tree: Tree) -> None:
    tree.write({**SYNCHRONISED, "var/lib/kvmd/auth.json": "{}"})
    tomorrow = time.time() + 86400
    os.utime(tree.state / "auth.json", (tomorrow, tomorrow))
    assert tree.kinds(clock) == ["clock-wrong"]


def test_a_clock_that_was_set_since_the_daemon_started(tree: Tree, make_status: Callable[..., Status]) -> None:
    tree.write(SYNCHRONISED)
    this = Machine(Path("/"))
    now = datetime.now(UTC)
    uptime = float(this.text("proc/uptime").split()[0])
    started = int(this.text("proc/self/stat").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    began = now - timedelta(seconds=uptime - started)
    for moved in (0, 3600, -3600):
        status = make_status(began=began - timedelta(seconds=moved))
        jump = clock.jump(tree.case(machine=this, daemon=Daemon(status, pid=os.getpid())), now)
        assert jump is not None
        assert round(jump / 3600) == moved / 3600
    tree.write({"proc/9/stat": this.text("proc/self/stat"), "proc/uptime": this.text("proc/uptime")})
    status = make_status(began=began - timedelta(hours=1))
    [found] = tree.look(clock, daemon=Daemon(status, pid=9))
    assert (found.kind, "was set by +3" in found.what) == ("clock-jumped", True)


def test_a_daemon_whose_process_is_not_known(tree: Tree, make_status: Callable[..., Status]) -> None:
    assert clock.jump(tree.case(daemon=Daemon(make_status())), datetime.now(UTC)) is None
