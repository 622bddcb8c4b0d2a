"""The units: plugging in starts the daemon where it is enabled, and it may do no more than it needs."""

import grp
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import CONFIG, UNIT, Daemon
from .vivid import Vivid
from .waiting import eventually, run

DEVICES = "kvmd-device@*.target"


@pytest.fixture
def stopped(daemon: Daemon) -> Iterator[None]:
    """The daemon, not running though nothing has gone wrong, and enabled again in the end."""
    daemon.stop()
    yield
    run("systemctl", "enable", UNIT)


def active_devices() -> list[str]:
    return run("systemctl", "list-units", "--plain", "--no-legend", "--state=active", DEVICES).splitlines()


def plug(vivid: Vivid) -> None:
    """Plug a camera in, and wait until systemd has heard of it."""
    vivid.bind()
    eventually(active_devices, "a target of the device")


def unplug(vivid: Vivid) -> None:
    vivid.unbind()
    eventually(lambda: not active_devices(), "the end of the device's target")


@pytest.mark.usefixtures("stopped")
def test_plugging_in_starts_the_daemon_only_where_it_is_enabled(daemon: Daemon, vivid: Vivid) -> None:
    run("systemctl", "disable", UNIT)
    vivid.load()
    eventually(active_devices, "a target of the device")
    # a job would be there at once: the device's target wants it, or does not
    assert UNIT not in run("systemctl", "list-jobs")
    assert not daemon.active()
    unplug(vivid)
    run("systemctl", "enable", UNIT)
    for _ in range(2):
        plug(vivid)
        eventually(daemon.active, "the daemon")
        daemon.stop()
        unplug(vivid)


@pytest.mark.parametrize(("unit", "limit"), [("kvmd.service", 2.0), ("kvmd-gadget.service", 5.0)])
def test_exposure(unit: str, limit: float) -> None:
    told = run("systemd-analyze", "security", "--offline=yes", f"/usr/lib/systemd/system/{unit}", "--no-pager")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found
    assert float(found[1]) < limit, told


def test_the_daemon_has_the_groups_of_what_is_chosen_by_itself_and_no_other(daemon: Daemon) -> None:
    daemon.start("")
    status = Path("/proc", str(daemon.pid()), "status").read_text()
    found = re.search(r"^Groups:\s*(.*)$", status, re.MULTILINE)
    assert found
    names = {grp.getgrgid(int(each)).gr_name for each in found[1].split()}
    assert names - {"kvmd"} == {"video", "dialout", "gpio"}


def test_settings_are_for_the_daemon_and_root_alone() -> None:
    assert (CONFIG.owner(), CONFIG.group(), CONFIG.stat().st_mode & 0o777) == ("root", "kvmd", 0o640)
