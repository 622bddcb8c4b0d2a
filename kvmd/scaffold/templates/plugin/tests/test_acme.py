"""The plug-in in a daemon with a virtual computer, asked over HTTP."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SETTINGS = """\
capture = {{ driver = "virtual" }}
hid = {{ driver = "virtual" }}
web = {{ listen = ["unix:{0}/api"], video_listen = [], tls_listen = [], video_tls_listen = [] }}
auth = {{ file = "{0}/auth.json" }}
plugins = {{ acme = {{ role = "hid" }} }}
"""
KVMD = [sys.executable, "-m", "kvmd"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "kvmd.toml").write_text(SETTINGS.format(tmp_path))
    with subprocess.Popen([*KVMD, "serve", "--config", tmp_path / "kvmd.toml"]) as daemon:
        yield tmp_path
        daemon.terminate()


def ask(folder: Path, path: str, key: str) -> Any:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "api"))
        asked = http.client.HTTPConnection("localhost")
        asked.sock = connection
        asked.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = json.loads(asked.getresponse().read())
        assert answer["status"] == 1, answer
        return answer["data"]


def eventually(is_so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


def test_what_happened_is_shown(folder: Path) -> None:
    eventually((folder / "api").exists, "the daemon to listen")
    ran = subprocess.run(
        [*KVMD, "apikey", "add", "test", "--config", folder / "kvmd.toml"], capture_output=True, text=True, check=True
    )
    key = ran.stdout.split()[-1]
    eventually(lambda: ask(folder, "/api/acme", key)["states"].get("online"), "the keyboard to be online")
