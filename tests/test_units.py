"""The units and rules in etc/: what they may do, by systemd's own judgement, and that each is installed and wanted."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kvmd.access import console
from kvmd.contract.settings import WebSettings
from kvmd.front.binding import BACKLOG

ROOT = Path(__file__).parents[1]
ETC = ROOT / "etc"


def directives(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (ETC / unit).read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the guest's systemd judges, too")
@pytest.mark.parametrize(("unit", "limit"), [("kvmd.service", 2.0), ("kvmd-gadget.service", 5.0)])
def test_exposure(unit: str, limit: float) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(ETC / unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found
    assert float(found[1]) < limit, told


def test_the_daemon_is_killed_after_its_own_deadline_and_has_limits() -> None:
    given = {
        name: directives("kvmd.service", name)
        for name in ("TimeoutStopSec", "KillMode", "LimitNOFILE", "MemoryMax", "TasksMax", "OOMScoreAdjust")
    }
    assert given == {
        "TimeoutStopSec": ["10"],
        "KillMode": ["mixed"],
        "LimitNOFILE": ["4096"],
        "MemoryMax": ["75%"],
        "TasksMax": ["256"],
        "OOMScoreAdjust": ["-100"],
    }


def test_no_rule_starts_a_service_that_nobody_has_enabled() -> None:
    wanted = {
        name for rules in ETC.glob("*.rules") for name in re.findall(r'SYSTEMD_WANTS}\+="(.*?)"', rules.read_text())
    }
    assert wanted == {target.name for target in ETC.glob("*.target")}
    installed = {name for unit in ETC.glob("*.service") for name in " ".join(directives(unit.name, "WantedBy")).split()}
    assert installed == wanted, "and nothing else starts them"


def test_the_socket_has_the_addresses_that_are_served_by_default() -> None:
    web = WebSettings()
    served = [*web.listen, *web.tls_listen, *web.video_listen, *web.video_tls_listen]
    assert [f"[::]:{port}" for port in directives("kvmd.socket", "ListenStream")] == served
    assert directives("kvmd.socket", "BindIPv6Only") == ["both"]
    assert directives("kvmd.socket", "Backlog") == [str(BACKLOG)]


def test_everything_is_installed() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ninstall:")[2]
    for path in ETC.rglob("*"):
        if path.is_file():
            assert f"etc/{path.relative_to(ETC)}" in recipe.split()


def test_the_console_shows_what_the_daemon_writes() -> None:
    """Wherever it is installed from: agetty looks into /etc/issue.d."""
    for name in ("etc/kvmd.service", "etc/tmpfiles.d/kvmd.conf", "Makefile", "packaging/debian/build.py"):
        assert str(console.ISSUE) in (ROOT / name).read_text()


def test_kvmd_is_in_no_group_that_reads_or_types_on_this_machine_by_itself() -> None:
    members = re.findall(r"^m kvmd (\S+)$", (ETC / "sysusers.d/kvmd.conf").read_text(), re.MULTILINE)
    assert set(members) == {"video", "dialout", "gpio"}
    assert directives("kvmd.service", "SupplementaryGroups") == []
