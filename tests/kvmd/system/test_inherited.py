"""Sockets of systemd's: a process that systemd-socket-activate starts takes them over, and nobody else does."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kvmd.errors import ConfigError
from kvmd.system.inherited import FIRST, inherited_sockets
from tests.ports import HOST, free_ports
from tests.process import served
from tests.waiting import eventually, patience

ACTIVATE = shutil.which("systemd-socket-activate")

needs_systemd = pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed")

TAKE = """
import os, subprocess, sys
from kvmd.system.inherited import inherited_sockets
kept = inherited_sockets()
for sock in kept:
    print(sock.getsockname())
print([name for name in os.environ if name.startswith("LISTEN_")], inherited_sockets(), flush=True)
sys.exit(subprocess.call(["test", "-e", "/proc/self/fd/3"], close_fds=False))
"""


def activate(*places: str) -> list[str]:
    """Return how a program is started by the first who connects to one of these places."""
    return [str(ACTIVATE), *(f"--listen={place}" for place in places)]


def connect(place: tuple[str, int]) -> socket.socket | None:
    try:
        return socket.create_connection(place, timeout=patience())
    except ConnectionRefusedError:
        return None


@needs_systemd
def test_they_are_taken_over_once_and_no_program_that_we_start_has_them(tmp_path: Path) -> None:
    [port] = free_ports(1)
    path = tmp_path / "web.sock"
    command = [*activate(f"{HOST}:{port}", str(path)), sys.executable, "-c", TAKE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        eventually(lambda: connect((HOST, port)), "systemd-socket-activate to listen").close()
        said = process.communicate(timeout=patience())[0]
    assert said.splitlines() == [f"('{HOST}', {port})", str(path), "[] []"]
    assert process.returncode == 1, "the program that was started has descriptor 3"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "all", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_what_is_meant_for_others_is_left_to_them(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert inherited_sockets() == []


def test_what_is_no_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FIRST == 3, "SD_LISTEN_FDS_START of sd-daemon.h"
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr("kvmd.system.inherited.FIRST", file.fileno())
        monkeypatch.setenv("LISTEN_FDS", "1")
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        with pytest.raises(ConfigError) as caught:
            inherited_sockets()
        assert str(caught.value).startswith(f"systemd has handed over descriptor {file.fileno()}, which is no socket (")


@needs_systemd
def test_the_daemon_answers_whoever_had_it_started_by_connecting(tmp_path: Path) -> None:
    [port, other] = free_ports(2)
    before = [*activate(f"{HOST}:{port}", f"{HOST}:{other}"), "--setenv=NOTIFY_SOCKET"]
    with served(tmp_path, before=before, listen=f"{HOST}:{port}") as daemon:
        with eventually(lambda: connect((HOST, port)), "systemd-socket-activate to listen") as early:
            early.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert early.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        daemon.wait("READY=1")
        assert f"listening on http://{HOST}:{port}\n" in daemon.log
        assert f"systemd listens on {HOST}:{other}, where nobody answers" in daemon.log
        assert daemon.end() == 0
