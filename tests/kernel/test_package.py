"""The Debian package on a system that runs: devices start what it has installed, from its installation to its purge."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmd import __version__
from tests.debian.guide import removal

from .daemon import UNIT, Daemon
from .vivid import Vivid
from .waiting import eventually, run

CHECKOUT = Path(__file__).parents[2]
LAB = Path("/run/kvmd-lab")
ENVIRONMENT = Path("/opt/kvmd")
KEPT = LAB / "environment"
COVERED = ("/etc", "/usr", "/var/lib")
STAND_IN = f"import os, sys\nos.symlink('{KEPT}', sys.argv[1])\n"
"""For tools/environment.py, which tests/debian runs: here it would take minutes."""
UNITS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"))


@pytest.fixture
def deb(tmp_path: Path) -> Path:
    """The package, without the wheels of what kvmd needs: those are in the environment that is there."""
    build = runpy.run_path(str(CHECKOUT / "packaging/debian/build.py"))
    tree, path = tmp_path / "tree", tmp_path / "kvmd-hal.deb"
    tree.mkdir(mode=0o755)
    [wheel] = Path("/lab").glob("*.whl")
    build["put"](wheel, tree / build["LIB"] / "wheels")
    build["lay_out"](tree)
    (tree / build["LIB"] / "environment.py").write_text(STAND_IN)
    build["control"](tree, __version__, "amd64")
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(path))
    return path


@pytest.fixture
def bare_system(deb: Path) -> Iterator[Path]:
    """This system without kvmd, and a package for it; in the end it is as before, whatever was installed meanwhile.

    What Python still has to import of the lab's environment is missing until there is a package.
    """
    KEPT.mkdir(parents=True)
    run("mount", "--bind", str(ENVIRONMENT), str(KEPT))
    run("mount", "-t", "tmpfs", "tmpfs", str(ENVIRONMENT.parent))
    for folder in COVERED:
        upper, work = (LAB / f"{folder[1:].replace('/', '-')}.{name}" for name in ("upper", "work"))
        upper.mkdir()
        work.mkdir()
        run("mount", "-t", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", "overlay", folder)
    for line in removal():
        run("sh", "-c", line)
    renew()
    yield deb
    for cover in (*COVERED, str(ENVIRONMENT.parent), str(KEPT)):
        run("umount", "--lazy", cover)
    run("systemd-tmpfiles", "--create", "kvmd.conf")
    renew()
    run("systemctl", "stop", UNIT)


def renew() -> None:
    """Let systemd and udev read their files anew."""
    run("systemctl", "daemon-reload")
    run("udevadm", "control", "--reload")


def known() -> set[str]:
    """Name the units of kvmd that are there, in files or in systemd's memory."""
    files = {path.name for folder in UNITS for path in folder.rglob("kvmd*")}
    loaded = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "kvmd*").splitlines()
    return (files | {line.split()[0] for line in loaded}) - {"kvmd-lab.service"}


def test_the_package_runs_where_something_is_plugged_in_until_its_purge(bare_system: Path, vivid: Vivid) -> None:
    deb = str(bare_system)
    assert known() == set()
    daemon = Daemon(key="")
    assert "plugging something in starts it" in run("dpkg", "--install", deb)
    assert UNIT not in run("systemctl", "list-jobs")
    assert not daemon.active()

    vivid.load()
    eventually(daemon.active, "the daemon")
    daemon.wait()
    assert "first password" in Path("/etc/issue.d/kvmd.issue").read_text()
    first = daemon.pid()
    daemon.kill()
    eventually(lambda: daemon.active() and daemon.pid() != first, "another daemon")
    daemon.wait()
    daemon.stop()
    assert not daemon.active()

    run("dpkg", "--remove", "kvmd-hal")
    run("dpkg", "--install", deb)
    eventually(daemon.active, "the daemon, started by what was plugged in already")
    run("dpkg", "--purge", "kvmd-hal")
    assert not daemon.active()
    vivid.unload()
    eventually(lambda: not known(), "no unit of it")
