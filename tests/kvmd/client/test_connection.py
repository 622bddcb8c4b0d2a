"""Connections: addresses, certificates, ends and silences."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmd.client import Client, ClientError, Refused, Unreachable, Untrusted
from kvmd.client.address import parse
from kvmd.client.connection import Trust, _has_ended
from kvmd.contract.settings import WebSettings
from tests.conftest import HOST, PASSWORD, USER, Daemon
from tests.kvmd.client.peers import read_request, served_by
from tests.kvmd.client.test_client import reach, typed
from tests.kvmd.web.test_secure import web
from tests.ports import free_port
from tests.waiting import eventually, patience

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{"status":1,"info":"done","data":[]}'


@pytest.mark.parametrize(
    ("url", "parts", "authority", "shown"),
    [
        ("http://kvm", ("kvm", 80, ""), "kvm", "http://kvm:80"),
        ("https://KVM.example:8443/", ("kvm.example", 8443, ""), "kvm.example:8443", "https://kvm.example:8443"),
        ("https://kvm/rack/7/", ("kvm", 443, "/rack/7"), "kvm", "https://kvm:443/rack/7"),
        ("http://[fd00::7]", ("fd00::7", 80, ""), "[fd00::7]", "http://[fd00::7]:80"),
        ("http://[fe80::1%25eth0]:8008", ("fe80::1%eth0", 8008, ""), "[fe80::1]:8008", "http://[fe80::1%eth0]:8008"),
        ("http://admin:secret@kvm", ("kvm", 80, ""), "kvm", "http://kvm:80"),
        ("unix:/run/kvmd/web.sock", ("/run/kvmd/web.sock", 0, ""), "localhost", "/run/kvmd/web.sock"),
    ],
)
def test_addresses(url: str, parts: tuple[str, int, str], authority: str, shown: str) -> None:
    address = parse(url)
    assert (address.host, address.port, address.prefix) == parts
    assert (address.authority, str(address)) == (authority, shown)


def test_a_login_in_an_address_is_decoded() -> None:
    address = parse("http://ann%40home:a%3Ab%2F%25@kvm")
    assert (address.user, address.password) == ("ann@home", "a:b/%")


@pytest.mark.parametrize(
    "url",
    ["kvm", "192.0.2.7:80", "ftp://kvm", "http://", "http://kvm:x", "http://kvm:99999", "http://[::1", "http://a?b"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ClientError, match="no address of a daemon"):
        Client(url)


def test_an_ipv6_address(make_daemon: Callable[..., Daemon]) -> None:
    local = WebSettings(listen=["[::1]:0"], video_listen=["[::1]:0"], tls_listen=[], video_tls_listen=[])
    daemon = make_daemon(web=local)
    daemon.kvm.start()
    daemon.server.start()
    try:
        with Client(f"http://[::1]:{daemon.port}", user=USER, password=PASSWORD, timeout=patience()) as kvm:
            assert kvm.status().version
    finally:
        daemon.kvm.stop()
        daemon.server.stop()


def port_of(daemon: Daemon) -> int:
    """Return the daemon's first port with TLS."""
    return int(next(listener.address[1] for listener in daemon.server.listeners if listener.is_tls))


def tls(daemon: Daemon, host: str = HOST, **given: object) -> Client:
    login = {"user": USER, "password": PASSWORD, "timeout": patience()}
    return Client(f"https://{host}:{port_of(daemon)}", **login, **given)  # type: ignore[arg-type]


def certificate(daemon: Daemon) -> str:
    """Return the daemon's certificate, in PEM."""
    return ssl.get_server_certificate((HOST, port_of(daemon)))


def fingerprint(daemon: Daemon) -> str:
    from cryptography import x509  # noqa: PLC0415  # likewise

    from kvmd.access import pki  # noqa: PLC0415  # it is heavy

    return pki.fingerprint(x509.load_pem_x509_certificate(certificate(daemon).encode()))


def test_a_certificate_that_nobody_trusts_is_refused_with_the_way_out(secure: Daemon) -> None:
    sessions = len(secure.kvm.auth.sessions.all())
    with tls(secure) as kvm, pytest.raises(Untrusted, match="pin it with fingerprint=, which `kvmd certificate show`"):
        kvm.status()
    assert len(secure.kvm.auth.sessions.all()) == sessions


@pytest.mark.parametrize("written", [str, str.lower, lambda text: text.replace(":", ""), lambda text: f"sha256:{text}"])
def test_a_certificate_is_pinned_by_its_fingerprint(secure: Daemon, written: Callable[[str], str]) -> None:
    with tls(secure, fingerprint=written(fingerprint(secure))) as kvm:
        kvm.tap("KeyS")
        assert next(kvm.stream(timeout=patience())).data
    assert typed(secure)[-1] == "S"


def test_another_certificate_than_the_pinned_one_gets_no_password(secure: Daemon) -> None:
    sessions = len(secure.kvm.auth.sessions.all())
    for use in (Client.status, Client.login, lambda kvm: next(kvm.stream())):
        with (
            tls(secure, fingerprint="00" * 32) as kvm,
            pytest.raises(Untrusted, match="another certificate than the one"),
        ):
            use(kvm)
    assert len(secure.kvm.auth.sessions.all()) == sessions


def test_the_daemons_own_certificate_is_trusted_as_a_file(secure: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "kvm.pem"
    path.write_text(certificate(secure))
    with tls(secure, "localhost", ca=str(path)) as kvm:
        assert kvm.status().version


def test_verification_is_off_only_where_it_is_said(secure: Daemon) -> None:
    with tls(secure, verify=False) as kvm:
        assert kvm.status().version


@pytest.mark.parametrize("wrong", ["00:11", "xy" * 32, "00" * 20])
def test_what_is_no_fingerprint_pins_nothing(wrong: str) -> None:
    with pytest.raises(ClientError, match="no SHA-256"):
        Trust("", wrong, verify=True)


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for path in ("empty", "nothing"):
        with pytest.raises(ClientError, match="cannot be used as ca"):
            Client("https://kvm", ca=str(tmp_path / path))


def test_connections_are_used_again(daemon: Daemon) -> None:
    with reach(daemon) as kvm:
        kvm.status()
        [(first, _)] = kvm._session._connections._idle
        kvm.tap("KeyA")
        [(second, _)] = kvm._session._connections._idle
        assert second is first


def test_a_connection_that_the_daemon_has_ended_meanwhile_is_no_matter(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmd.front.connection.IDLE", 0.1)
    with reach(daemon) as kvm:
        kvm.status()
        [(connection, _)] = kvm._session._connections._idle
        eventually(lambda: _has_ended(connection.sock), "the daemon to end the idle connection")
        kvm.tap("KeyE")
        assert typed(daemon)[-1] == "E"


def test_what_may_have_been_done_is_not_done_twice() -> None:
    asked: list[bytes] = []

    def behave(sock: socket.socket, number: int) -> None:
        asked.append(read_request(sock))
        sock.sendall(OK)
        if number == 0:
            asked.append(read_request(sock))  # and ends without an answer

    with served_by(behave) as url:
        kvm = Client(url, timeout=patience())
        kvm.tap("KeyA")
        with pytest.raises(Unreachable, match="it is not known whether the request was carried out"):
            kvm.tap("KeyB")
        assert len(asked) == 2


def test_what_only_reads_is_asked_again() -> None:
    def behave(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(OK)
        if number == 0:
            read_request(sock)

    with served_by(behave) as url:
        kvm = Client(url, timeout=patience())
        kvm.tap("KeyA")
        assert kvm.devices() == []
        kvm.close()


def test_a_daemon_that_says_nothing_is_given_up() -> None:
    with served_by(lambda sock, _: sock.recv(1 << 16) and sock.recv(1)) as url:
        with pytest.raises(Unreachable, match=r"did not answer in 0\.2 s"):
            Client(url, timeout=0.2).status()
        with pytest.raises(Unreachable, match="did not answer"):
            next(Client(url, timeout=0.2).stream())


def test_nobody_there() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port} cannot be reached: Connection refused"):
        Client(f"http://{HOST}:{port}").status()


@pytest.mark.parametrize("body", [b"<html>502 Bad Gateway</html>", b"{}", b"\xff", b""])
def test_somebody_else_there(body: bytes) -> None:
    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\nRetry-After: 3\r\n\r\n%s" % (len(body), body)

    def behave(sock: socket.socket, _: int) -> None:
        read_request(sock)
        sock.sendall(answer)

    refused = pytest.raises(Refused, match="HTTP 502, and not as kvmd answers")
    with served_by(behave) as url, Client(url, timeout=patience()) as kvm, refused as error:
        kvm.status()
    assert (error.value.code, error.value.retry_after) == (502, 3.0)


def test_another_version_there() -> None:
    def behave(sock: socket.socket, _: int) -> None:
        read_request(sock)
        sock.sendall(OK)

    another = pytest.raises(ClientError, match="of another version than this client")
    with served_by(behave) as url, Client(url, timeout=patience()) as kvm, another:
        kvm.status()


def test_where_tls_is_needed_the_way_is_told(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon(web=web("redirect"))
    daemon.kvm.start()
    daemon.server.start()
    try:
        refused = pytest.raises(Refused, match=r"Location: https://127\.0\.0\.1:")
        with Client(f"http://{HOST}:{daemon.port}", key="none") as kvm, refused as error:
            kvm.status()
        assert error.value.code == 308
    finally:
        daemon.kvm.stop()
        daemon.server.stop()
