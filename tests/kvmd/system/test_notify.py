"""What systemd is told, over real sockets."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kvmd.system import notify
from kvmd.system.notify import Systemd, watchdog_interval
from tests.shadow import shadow
from tests.waiting import patience

Make = Callable[[], Systemd]


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket such as systemd listens on, in the file system or the abstract namespace."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@kvmd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name.startswith("@") else name)
        sock.settimeout(patience())
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield sock


@pytest.fixture
def make() -> Iterator[Make]:
    """Make what tells systemd; its socket, which lives as long as the process, is closed in the end."""
    with ExitStack() as stack:

        def make() -> Systemd:
            made = Systemd()
            if made._socket:
                stack.enter_context(made._socket)
            return made

        yield make


def test_messages_arrive_whole(systemd: socket.socket, make: Make) -> None:
    told = make()
    told.tell("READY=1")
    told.show("ä picture\nof two lines")
    assert systemd.recv(100) == b"READY=1"
    assert systemd.recv(100) == "STATUS=ä picture of two lines".encode()


def test_it_is_told_though_no_descriptor_is_left(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    told = make()

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    shadow(monkeypatch, notify, "socket", socket=refuse)
    told.tell("WATCHDOG=1")
    assert systemd.recv(100) == b"WATCHDOG=1"
    make().tell("WATCHDOG=1")


def test_who_does_not_listen_any_more_is_no_failure_and_who_listens_again_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    told = make()
    told.tell("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        told.tell("WATCHDOG=1")
        assert sock.recv(100) == b"WATCHDOG=1"
    told.tell("WATCHDOG=1")


def test_who_takes_no_messages_is_not_waited_for(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setattr(notify, "PATIENCE", 0.001)
    told = make()
    for _ in range(5000):
        told.tell("WATCHDOG=1")
    assert systemd.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", [None, ""])
def test_nothing_happens_without_systemd(monkeypatch: pytest.MonkeyPatch, address: str | None, make: Make) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    make().tell("READY=1")


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
