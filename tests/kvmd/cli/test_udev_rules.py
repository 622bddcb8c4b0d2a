"""``kvmd udev-rules``: of all drivers printed, of other packages' installed, and what is said about it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvmd.plugins.udev_rules import HEADER
from tests.process import install

OWN = (Path(__file__).parents[3] / "etc/70-kvmd.rules").read_text()
DRIVER = """
from kvmd import Match, hookimpl
from kvmd_drivers.virtual import VirtualPower

class Lever(VirtualPower):
    name = "lever"
    matches = (Match("tty", {"ID_MODEL": "Lever*"}),)

@hookimpl
def kvmd_drivers():
    return [Lever]
"""
START = 'TAG+="systemd", ENV{SYSTEMD_WANTS}+="kvmd-device@.target"'
RULE = f'ACTION!="remove", SUBSYSTEM=="tty", ENV{{ID_MODEL}}=="Lever*", {START}'
NO_DEVICE = DRIVER.replace('(Match("tty", {"ID_MODEL": "Lever*"}),)', "()")
MAIN = """
import sys
from pathlib import Path
from kvmd.cli.main import main
from kvmd.system import udev

udev.RULES, udev.CONTROL = Path(sys.argv.pop(1)), Path("/nonexistent")
main()
"""
"""The command, with its file elsewhere, and no udev that it could tell."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the rules go."""
    path = tmp_path / "rules.d/70.rules"
    path.parent.mkdir()
    return path


def run(place: Path, *words: str, plugin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command where this plug-in is installed."""
    environment = {**os.environ, "PYTHONPATH": str(install(place.parents[1], plugin))} if plugin else None
    command = [sys.executable, "-c", MAIN, str(place), "udev-rules", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_all_are_printed(place: Path) -> None:
    ran = run(place, plugin=DRIVER)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(ran.stdout.splitlines()) - set(OWN.splitlines()) == {RULE}
    assert set(OWN.splitlines()) < set(ran.stdout.splitlines())
    assert not place.exists()


def test_those_of_other_packages_are_installed_and_taken_away(place: Path) -> None:
    ran = run(place, "--install", plugin=DRIVER)
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *rest = ran.stdout.splitlines()
    assert first == f"{place}: lever"
    assert rest[0].startswith("udev does not run here, and will know them when it does; plugging one of")
    assert rest[1].endswith("systemctl restart kvmd")
    assert place.read_text() == f"{HEADER}{RULE}\n"
    assert run(place, "--remove").stdout == f"{place} is removed: what it was for starts nothing any more\n"
    assert not place.exists()
    assert run(place, "--remove").stdout == f"{place} is not there\n"


def test_what_no_device_leads_to_needs_none_and_those_of_a_package_that_is_gone_go(place: Path) -> None:
    place.write_text(HEADER)
    ran = run(place, "--install", plugin=NO_DEVICE)
    assert (ran.returncode, ran.stderr) == (0, "")
    nothing, removed = ran.stdout.splitlines()
    assert nothing == "no other package has a driver that a device leads to: there is nothing to install"
    assert removed.startswith(f"{place} is removed")
    assert not place.exists()


@pytest.mark.parametrize("plugin", [DRIVER.replace("Lever*", '\\", RUN+=\\"/bin/sh'), "import no_such_library"])
def test_a_package_that_cannot_be_used_is_named(place: Path, plugin: str) -> None:
    ran = run(place, "--install", plugin=plugin)
    assert ran.returncode == 1
    said = ran.stderr.splitlines()[-1]
    assert said == "kvmd: nothing is installed for acme, which cannot be used: kvmd drivers says why"
    assert not place.exists()
