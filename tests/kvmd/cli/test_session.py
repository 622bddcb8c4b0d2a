"""``kvmd session`` and the private socket by which it asks: the real daemon, and the real command."""

import http.client
import json
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, USER, Daemon
from tests.kvmd.cli.test_main import KVMD
from tests.waiting import patience


@pytest.fixture(scope="module")
def served(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    with make_daemon().running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def config(served: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("session") / "kvmd.toml"
    path.write_text(f'[auth]\nfile = "{served.kvm.settings.auth.file}"\n')
    return path


def kvmd(config: Path, *args: str) -> tuple[int, str]:
    command = [*KVMD, "session", *args, "--config", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False)
    assert "Traceback" not in ran.stderr
    return ran.returncode, (ran.stdout + ran.stderr).strip()


def test_sessions_are_listed_and_ended(served: Daemon, config: Path) -> None:
    token = served.login()
    newest = json.loads(kvmd(config, "list", "--json")[1])[-1]
    assert (newest["user"], newest["own"]) == (USER, False)
    assert kvmd(config, "list")[1].splitlines()[-1].startswith(f"{newest['id']}  {USER} from 127.0.0.1, since 20")
    assert kvmd(config, "end", newest["id"]) == (0, "the session is ended")
    refused = served.get("/api/me", token=token)
    assert (refused.code, "root ended it" in refused.json["info"]) == (401, True)
    code, said = kvmd(config, "end", newest["id"])
    assert (code, said.startswith("kvmd: there is no session")) == (1, True)
    assert kvmd(config, "end", "../users/x")[0] == 1


def test_the_socket_is_for_the_owner_of_the_folder_alone(served: Daemon) -> None:
    path = served.kvm.settings.control
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(path.stat().st_mode)


def test_no_header_makes_others_come_by_the_socket(served: Daemon) -> None:
    for name in ("kvmd.control", "kvmd-control", "kvmd_control", "X-Forwarded-For"):
        assert served.get("/api/users", token="", headers={name: "unix"}).code == 401


def test_what_is_asked_for_by_the_socket_is_in_the_audit_as_roots(served: Daemon) -> None:
    connection = http.client.HTTPConnection("localhost", timeout=patience())
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(patience())
    connection.sock.connect(str(served.kvm.settings.control))
    connection.request("POST", "/api/apikeys", json.dumps({"name": "made here", "role": "viewer"}))
    assert connection.getresponse().status == 200
    connection.close()
    entry = served.get("/api/audit").data[-1]
    assert (entry["what"], entry["who"], entry["detail"]) == (
        "users",
        "root",
        "made the API key 'made here', with the role viewer",
    )


def test_a_second_daemon_of_the_same_folder_serves_without_it(
    served: Daemon, make_daemon: Callable[..., Daemon], caplog: pytest.LogCaptureFixture
) -> None:
    other = make_daemon()
    other.kvm.settings.control.symlink_to(served.kvm.settings.control)
    with other.running():
        assert other.get("/api/me").code == 200
    assert "kvmd session, power and type do not work" in caplog.text
    assert PASSWORD not in caplog.text
