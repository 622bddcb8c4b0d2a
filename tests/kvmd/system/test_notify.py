"""What systemd is told, over real sockets."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmd.system.notify import notify, watchdog_interval
from tests.waiting import patience


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket such as systemd listens on, in the file system or the abstract namespace."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@kvmd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name.startswith("@") else name)
        sock.settimeout(patience())
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield sock


def test_messages_arrive_whole(systemd: socket.socket) -> None:
    notify("READY=1")
    notify("STATUS=ä picture\nWATCHDOG=1")
    assert systemd.recv(100) == b"READY=1"
    assert systemd.recv(100) == "STATUS=ä picture\nWATCHDOG=1".encode()


@pytest.mark.parametrize("address", [None, ""])
def test_nothing_happens_without_systemd(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        (None, None, None),
        ("30000000", None, 15.0),
        ("1", None, 0.0000005),
        ("30000000", str(os.getpid()), 15.0),
        ("30000000", str(os.getpid() + 1), None),
        ("", None, None),
        ("soon", None, None),
    ],
)
def test_watchdog_interval(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, expected: float | None
) -> None:
    for name, value in {"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_interval() == expected
