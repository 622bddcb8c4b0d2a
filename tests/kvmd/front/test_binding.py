"""Unix sockets: who may connect, what a killed daemon leaves, and what is said where one cannot be made."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kvmd.access.certificate import ensure
from kvmd.contract.addresses import SUN_PATH, parse_address
from kvmd.errors import ConfigError
from kvmd.front.proxies import Proxies
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.front.tls import Certificate
from kvmd.system.probe import Listener, answers
from tests.kvmd.front.conftest import make_app
from tests.kvmd.front.test_tls import client
from tests.waiting import patience
from tests.wire import Wire, request


@contextmanager
def serving(path: Path, inherited: Sequence[socket.socket] = (), **given: object) -> Iterator[Server]:
    site = Site(make_app(), [f"unix:{path}"], "set web.listen", 1000, **given)  # type: ignore[arg-type]
    server = Server([site], inherited=inherited)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def listening(*addresses: str | tuple[str, int]) -> Iterator[socket.socket]:
    """Listen on some addresses, as systemd does before it starts whom it hands them to."""
    for address in addresses:
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        sock.bind(address)
        sock.listen()
        yield sock


def echo(path: Path, *headers: str) -> dict[str, object]:
    with Wire(str(path)) as wire:
        wire.send(request("GET", "/echo", *headers, host="localhost"))
        answer: dict[str, object] = json.loads(wire.answer()[2])
        return answer


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_unix_socket_is_served_and_removed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "web.sock"
    before = os.umask(0o077)
    try:
        with serving(path, socket_mode=mode):
            assert stat.S_IMODE(path.stat().st_mode) == mode, "whatever the umask"
            assert echo(path)["address"] == "unix"
    finally:
        os.umask(before)
    assert not path.exists()


def test_the_daemon_can_see_whether_it_answers(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "web.sock"))
    assert str(listener) == f"unix:{tmp_path}/web.sock"
    with serving(tmp_path / "web.sock"):
        assert answers(listener, patience())
    assert not answers(listener, patience())


def test_tls_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    certificate = Certificate(lambda: ensure(tmp_path), "")
    with serving(path, certificate=certificate) as server:
        assert str(server.listeners[0]) == f"unix:{path}, with TLS"
        with Wire(str(path), context=client()) as wire:
            wire.send(request("GET", "/echo"))
            assert json.loads(wire.answer()[2])["secure"] is True


def test_a_client_that_has_a_name_is_no_other(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with serving(path), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience())
        sock.bind(f"\0kvmd-test-{os.getpid()}")
        sock.connect(str(path))
        sock.sendall(request("GET", "/echo", "Connection: close"))
        assert b'"address":"unix"' in sock.makefile("rb").read()


def test_a_proxy_on_a_unix_socket_is_trusted_where_that_is_set(tmp_path: Path) -> None:
    said = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
    with serving(tmp_path / "one"):
        answer = echo(tmp_path / "one", *said)
        assert (answer["address"], answer["secure"]) == ("unix", False)
    with serving(tmp_path / "two", proxies=Proxies(["unix"])):
        answer = echo(tmp_path / "two", *said)
        assert (answer["address"], answer["secure"]) == ("192.0.2.7", True)


SERVE = """
import sys, time, flask
from kvmd.front.server import Server
from kvmd.front.site import Site
Server([Site(flask.Flask("test"), [f"unix:{sys.argv[1]}"], "", 0)]).start()
print("ready", flush=True)
time.sleep(9999)
"""


def test_what_a_killed_daemon_leaves_is_taken_over_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with subprocess.Popen([sys.executable, "-c", SERVE, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(ConfigError) as caught, serving(path):
            pass
        assert str(caught.value) == f"cannot listen on unix:{path}: Address already in use; set web.listen"
        assert path.exists()
        other.send_signal(signal.SIGKILL)
        other.wait(patience())
    assert path.exists()
    with serving(path):
        assert echo(path)["address"] == "unix"


def test_the_end_removes_no_socket_of_another(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with serving(path), socket.socket(socket.AF_UNIX) as other:
        path.unlink()
        other.bind(str(path))
    assert path.exists()


def test_where_it_cannot_be_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for path, why in (
        (tmp_path / "file", "there is a file that is no socket"),
        (tmp_path / "none" / "web.sock", "No such file or directory"),
    ):
        with pytest.raises(ConfigError) as caught, serving(path):
            pass
        assert str(caught.value) == f"cannot listen on unix:{path}: {why}; set web.listen"
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unix:", "is not an address"),
        ("unix:web.sock", "is not an address"),
        ("unix:/run/", "is not an address"),
        ("unix:/run/\0", "is not an address"),
        (f"unix:/{'a' * SUN_PATH}", "is too long: the path of a socket has 107 bytes at most"),
        (f"unix:/{'ä' * (SUN_PATH // 2 + 1)}", "is too long"),
    ],
)
def test_what_is_no_path_is_told(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_address(address)


def test_the_longest_path_is_served(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path = path.with_name("a" * (SUN_PATH - len(str(tmp_path)) - 1))
    assert parse_address(f"unix:{path}") == path
    with serving(path):
        assert echo(path)["address"] == "unix"


def test_sockets_that_listen_already_are_used_where_an_address_is_theirs_and_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    ours = list(listening(str(path), ("127.0.0.1", 0)))
    port = ours[1].getsockname()[1]
    site = Site(make_app(), [f"unix:{path}", f"127.0.0.1:{port}"], "", 1000)
    server = Server([site], inherited=[sock.dup() for sock in ours])
    server.start()
    assert echo(path)["address"] == "unix"
    with Wire(("127.0.0.1", port)) as wire:
        wire.send(request("GET", "/echo"))
        assert wire.answer()[0] == 200
    server.stop()
    assert path.exists(), "it is not ours to remove"
    with Wire(("127.0.0.1", port)), Wire(str(path)):
        pass  # somebody listens there still
    for sock in ours:
        sock.close()


def test_a_socket_whose_address_no_setting_has_is_told_and_the_addresses_that_are_set_are_bound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    [other] = listening(("127.0.0.1", 0))
    with serving(tmp_path / "web.sock", inherited=[other.dup()]):
        assert echo(tmp_path / "web.sock")["address"] == "unix"
    where = f"127.0.0.1:{other.getsockname()[1]}"
    assert f"systemd listens on {where}, where nobody answers: no setting in [web] has that address" in caplog.text
    other.close()
