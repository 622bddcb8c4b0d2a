"""``kvmd power``: against a daemon of its own, which is another process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import eventually, patience

KVMD = [sys.executable, "-m", "kvmd"]


def settings(folder: Path, listen: str) -> Path:
    roles = "".join(f'[{role}]\ndriver = "virtual"\n' for role in ("capture", "hid", "power"))
    path = folder / "kvmd.toml"
    path.write_text(
        f'{roles}[web]\nlisten = ["{listen}"]\nvideo_listen = ["127.0.0.1:{free_port()}"]\n'
        f"tls_listen = []\nvideo_tls_listen = []\n"
        f'[auth]\nfile = "{folder}/auth.json"\n'
    )
    return path


def kvmd(config: Path, *args: str) -> tuple[int, str]:
    """Run ``kvmd power``; return its exit code and all that it said."""
    command = [*KVMD, "power", *args, "--config", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False)
    assert "Traceback" not in ran.stderr
    return ran.returncode, (ran.stdout + ran.stderr).strip()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The settings of a daemon that runs."""
    path = settings(tmp_path_factory.mktemp("kvmd"), f"127.0.0.1:{free_port()}")
    with subprocess.Popen([*KVMD, "serve", "--config", str(path)], stderr=subprocess.DEVNULL) as daemon:
        eventually(lambda: kvmd(path, "status")[0] == 0, "the daemon")
        yield path
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(patience()) == 0


def state(config: Path) -> str:
    said: str = json.loads(kvmd(config, "status", "--json")[1])["target"]
    return said


def test_off_and_on(config: Path) -> None:
    eventually(lambda: state(config) == "on", "it to run")
    assert kvmd(config, "on") == (0, "nothing was done: the target is on already")
    assert kvmd(config, "off") == (0, "the power button was pressed for 0.5 s")
    eventually(lambda: state(config) == "off", "it to stop")
    assert kvmd(config, "on") == (0, "the power button was pressed for 0.5 s")
    eventually(lambda: state(config) == "on", "it to run again")
    assert kvmd(config, "reset") == (0, "the reset button was pressed for 0.5 s")
    assert kvmd(config, "press", "reset", "--seconds", "0.2") == (0, "the reset button was pressed for 0.2 s")


def test_status_in_words(config: Path) -> None:
    code, said = kvmd(config, "status")
    assert code == 0
    assert "virtual: online" in said
    assert "wired: power_button, reset_button, power_lamp, disk_lamp" in said


def test_a_refusal_is_one_line(config: Path) -> None:
    code, said = kvmd(config, "press", "--seconds", "50")
    assert code == 1
    assert said.startswith("kvmd: the body is not what /api/power takes")


def test_without_a_daemon_it_says_what_to_start(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    path = tmp_path / "control.sock"
    reason = f"kvmd: the daemon does not run, or has other settings ({path}): systemctl start kvmd"
    assert kvmd(config, "status") == (4, reason)
    with stale_socket(path):
        assert kvmd(config, "off") == (4, reason)


@contextmanager
def stale_socket(path: Path) -> Iterator[None]:
    """What a daemon that was killed leaves."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    yield
    path.unlink()


def test_release_works_without_a_daemon(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    assert kvmd(config, "release") == (0, "every button of virtual is released")


def test_release_without_a_device_is_no_failure(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    config.write_text(config.read_text().replace('[power]\ndriver = "virtual"\n', ""))
    code, said = kvmd(config, "release")
    assert code == 0
    assert said.startswith("nothing to release: no power device")
