"""``kvmd power``: against a daemon of its own, which is another process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmd.access.credentials import Credentials
from tests.waiting import eventually, patience

KVMD = [sys.executable, "-m", "kvmd"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


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


@pytest.fixture(scope="module", params=["127.0.0.1", "0.0.0.0", "unix"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The settings of a daemon that runs."""
    folder = tmp_path_factory.mktemp("kvmd")
    path = settings(folder, f"unix:{folder}/web.sock" if request.param == "unix" else f"{request.param}:{free_port()}")
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


def test_no_key_is_left_behind(config: Path) -> None:
    kvmd(config, "status")
    assert Credentials(config.with_name("auth.json")).read().keys == {}


def test_without_a_daemon_it_says_what_to_start(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    assert kvmd(config, "status") == (4, "kvmd: the daemon has not been started yet: systemctl start kvmd")
    Credentials(tmp_path / "auth.json").set_password("admin", "correct horse")
    code, said = kvmd(config, "off")
    assert code == 4
    assert said.startswith("kvmd: the daemon does not answer on 127.0.0.1, port ")


def test_who_may_not_write_the_file_is_told(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    config.write_text(config.read_text().replace(f"{tmp_path}/auth.json", "/proc/version"))
    code, said = kvmd(config, "status")
    assert code == 3
    assert said.splitlines()[-1].startswith("kvmd: /proc/version: cannot be read: ")


def test_release_works_without_a_daemon(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    assert kvmd(config, "release") == (0, "every button of virtual is released")


def test_release_without_a_device_is_no_failure(tmp_path: Path) -> None:
    config = settings(tmp_path, f"127.0.0.1:{free_port()}")
    config.write_text(config.read_text().replace('[power]\ndriver = "virtual"\n', ""))
    code, said = kvmd(config, "release")
    assert code == 0
    assert said.startswith("nothing to release: no power device")
