"""What plug-ins run beside the daemon: in order, one failure by itself, and through the door of the real program."""

import subprocess
import sys
from pathlib import Path

import pytest

from kvmd.plugins.services import Services
from kvmd.system.ending import take
from tests.waiting import eventually, patience


class Service:
    """Notes what is asked of it; fails where it is told to."""

    def __init__(self, notes: list[str], name: str, fails: str = "") -> None:
        self._notes = notes
        self._name = name
        self._fails = fails

    def start(self) -> None:
        self._do("start")

    def stop(self) -> None:
        self._do("stop")

    def _do(self, what: str) -> None:
        self._notes.append(f"{what} {self._name}")
        if what == self._fails:
            raise OSError("no foot pedal here")


@pytest.fixture
def notes() -> list[str]:
    return []


def test_they_stop_the_other_way_round(notes: list[str]) -> None:
    services = Services([("x", Service(notes, "a")), ("x", Service(notes, "b"))], print)
    services.start()
    take(services.ending())
    assert notes == ["start a", "start b", "stop b", "stop a"]


@pytest.mark.parametrize(
    ("fails", "expected", "said"),
    [
        ("start", ["start a", "start b", "start c", "stop c", "stop a"], "cannot be started"),
        ("stop", ["start a", "start b", "start c", "stop c", "stop b", "stop a"], "failed while it was stopped"),
    ],
)
def test_one_that_fails_is_reported_and_no_other_suffers(
    notes: list[str], caplog: pytest.LogCaptureFixture, fails: str, expected: list[str], said: str
) -> None:
    failed: list[tuple[str, str, str]] = []
    made = [("x", Service(notes, "a")), ("y", Service(notes, "b", fails)), ("z", Service(notes, "c"))]
    services = Services(made, lambda *what: failed.append((*what[:2], str(what[2]))))
    services.start()
    take(services.ending())
    assert notes == expected
    assert failed == [("y", f"{__name__}.Service", "no foot pedal here")] * (fails == "start")
    [record] = caplog.records
    assert record.getMessage() == f"{__name__}.Service {said}"
    assert "no foot pedal here" in caplog.text


PLUGIN = """
from pathlib import Path
from kvmd import hookimpl

class Pedal:
    def __init__(self, kvm):
        self._kvm = kvm
    def start(self):
        self._note("starts")
    def stop(self):
        self._note("stops")
    def _note(self, what):
        with Path(__file__).with_name("notes").open("a") as notes:
            print(what, "and the KVM lives:", self._kvm.is_alive(), file=notes)

class Broken:
    def start(self):
        raise OSError("no foot pedal here")
    def stop(self):
        pass

@hookimpl
def kvmd_services(kvm):
    return [Broken(), Pedal(kvm)]
"""


def test_a_plugin_of_another_package_runs_beside_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package, as pip leaves it: a module, and its entry point."""
    (tmp_path / "acme_pedal.py").write_text(PLUGIN)
    info = tmp_path / "acme_pedal-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pedal\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[kvmd]\npedal = acme_pedal\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "kvmd.toml").write_text(
        '[capture]\ndriver = "virtual"\n[hid]\ndriver = "virtual"\n'
        '[web]\nlisten = ["127.0.0.1:0"]\nvideo_listen = ["127.0.0.1:0"]\n'
        f'[auth]\nfile = "{tmp_path}/auth.json"\n[plugins.pedal]\nanything = 1\n'
    )
    command = [sys.executable, "-m", "kvmd", "serve", "--config", str(tmp_path / "kvmd.toml")]
    notes = tmp_path / "notes"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            eventually(notes.exists, "the service to be started")
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=patience())
    assert process.returncode == 0
    assert notes.read_text() == "starts and the KVM lives: True\nstops and the KVM lives: True\n"
    assert "acme_pedal.Broken cannot be started" in errors
    assert "no foot pedal here" in errors


def test_a_table_of_no_plugin_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    (tmp_path / "kvmd.toml").write_text("[plugins.locl_input]\n")
    command = [sys.executable, "-m", "kvmd", "serve", "--config", str(tmp_path / "kvmd.toml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert ran.stderr.startswith(f"kvmd: {tmp_path}/kvmd.toml: plugins.locl_input is not known; there are: ")
    assert " local_input, " in ran.stderr
