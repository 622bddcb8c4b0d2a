"""With TLS and without: who is sent where, what is refused, and what is said about it."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright import sync_api as playwright
from werkzeug.test import TestResponse

from kvmd.contract.settings import Plain, WebSettings
from kvmd.web.secure import load_certificate
from tests.conftest import HOST, PASSWORD, USER, Daemon
from tests.kvmd.front.test_tls import client
from tests.kvmd.web.conftest import differing, log_in, open_panel, opened, seen, snapshot, wait_for_stream
from tests.waiting import eventually, patience
from tests.wire import Read, Wire, request

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LOGIN = f'{{"username": "{USER}", "password": "{PASSWORD}"}}'.encode()


def web(http: Plain = "api", hsts: int = 0, trusted: list[str] | None = None) -> WebSettings:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        ports = [sock.getsockname()[1] for sock in (one, other)]
    tls, video_tls = (f"{HOST}:{port}" for port in ports)
    return WebSettings(
        listen=[f"{HOST}:0"],
        video_listen=[f"{HOST}:0"],
        tls_listen=[tls],
        video_tls_listen=[video_tls],
        http=http,
        names=["kvm.example"],
        trusted_proxies=trusted or [],
        hsts=hsts,
    )


Ask = Callable[..., Read]


def asking(daemon: Daemon) -> Ask:
    """Ask one of the four listeners: the API's without and with TLS, the video's without and with TLS."""

    def ask(method: str, path: str, *headers: str, at: int = 0, body: bytes = b"") -> Read:
        listener = daemon.server.listeners[at]
        headers += (f"Content-Length: {len(body)}", f"Authorization: Bearer {daemon.token}")
        with Wire(listener.address, context=client() if listener.is_tls else None) as wire:
            wire.send(request(method, path, *headers, body=body))
            return wire.answer(method)

    return ask


def visit(
    daemon: Daemon, path: str, *headers: str, source: str = "192.0.2.7", host: str = "kvm.example"
) -> TestResponse:
    """Ask for a page without TLS, from another machine."""
    given = [(name, value) for name, _, value in (header.partition(": ") for header in headers)]
    return daemon.app.test_client().get(
        path, headers=given, base_url=f"http://{host}", environ_base={"REMOTE_ADDR": source}, buffered=True
    )


@pytest.fixture(scope="module")
def secure(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon with TLS and without."""
    with make_daemon(web=web(hsts=3600)).running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def redirecting(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon that serves nothing without TLS."""
    daemon = make_daemon(web=web("redirect"))
    daemon.server.start()
    yield daemon
    daemon.server.stop()


@pytest.fixture(scope="module")
def proxied(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon that serves nothing without TLS, behind a proxy on this machine that it trusts."""
    daemon = make_daemon(web=web("redirect", hsts=3600, trusted=["127.0.0.0/8"]))
    daemon.server.start()
    yield daemon
    daemon.server.stop()


class TestApi:
    @pytest.fixture
    def ask(self, secure: Daemon) -> Ask:
        return asking(secure)

    def test_a_browser_that_asks_for_the_page_is_sent_to_https(self, secure: Daemon) -> None:
        answer = visit(secure, "/?a=b", BROWSER)
        port = secure.kvm.settings.web.tls_listen[0].rpartition(":")[2]
        assert (answer.status_code, answer.location) == (302, f"https://kvm.example:{port}/?a=b")

    @pytest.mark.parametrize("headers", [(), ("Accept: */*",)])
    def test_a_program_is_not(self, secure: Daemon, headers: tuple[str, ...]) -> None:
        assert visit(secure, "/", *headers).status_code == 200

    def test_who_came_through_a_proxy_with_tls_is_not_sent_round_in_circles(self, secure: Daemon, ask: Ask) -> None:
        assert visit(secure, "/", BROWSER, "X-Forwarded-Proto: https").status_code == 200
        assert visit(secure, "/", BROWSER, "X-Forwarded-Proto: http").status_code == 302
        assert visit(secure, "/", BROWSER, "Sec-Fetch-Site: none").status_code == 200, "a browser has seen TLS"
        assert visit(secure, "/", BROWSER, source="::1").status_code == 200
        assert visit(secure, "/", BROWSER, source="unix").status_code == 200
        assert [ask("GET", "/", BROWSER, at=at)[0] for at in (0, 1)] == [200, 200], "from this machine"

    def test_the_api_is_there_with_and_without(self, ask: Ask) -> None:
        for at in (0, 1):
            assert ask("GET", "/api/status", BROWSER, at=at)[0] == 200
            assert ask("POST", "/keyboard", at=at, body=b'{"keycodes": ["ShiftLeft"]}')[0] == 200
        for at in range(4):
            assert ask("GET", "/snapshot", BROWSER, at=at)[0] == 200

    def test_the_cookie_is_secure_where_the_connection_is(self, ask: Ask) -> None:
        plain, secure = (ask("POST", "/login_api", at=at, body=LOGIN)[1]["set-cookie"] for at in (0, 1))
        assert "Secure" not in plain
        assert "; Secure; HttpOnly" in secure

    def test_a_page_without_tls_changes_nothing_where_there_is_tls(self, ask: Ask) -> None:
        for scheme, code in (("http", 403), ("https", 200)):
            body = b'{"keycodes": ["ShiftLeft"]}'
            assert ask("POST", "/keyboard", f"Origin: {scheme}://127.0.0.1", at=1, body=body)[0] == code

    def test_browsers_are_told_to_stay_with_tls_where_that_is_set(self, ask: Ask) -> None:
        assert ask("GET", "/", at=1)[1]["strict-transport-security"] == "max-age=3600"
        assert "strict-transport-security" not in ask("GET", "/")[1]

    def test_the_stream_is_there_with_tls(self, secure: Daemon) -> None:
        for at in (1, 3):
            with Wire(secure.server.listeners[at].address, context=client()) as wire:
                wire.send(request("GET", "/stream", f"Authorization: Bearer {secure.token}"))
                got = b""
                while got.count(b"\xff\xd8\xff") < 3:
                    got += wire.file.read1()


def test_what_is_typed_in_the_page_is_seen_there(secure: Daemon, browser: playwright.Browser) -> None:
    with opened(browser, secure, f"https://{secure.kvm.settings.web.tls_listen[0]}/") as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        page.locator("#screen").focus()
        page.keyboard.press("k")
        eventually(lambda: any(line.text.endswith("k") for line in secure.computer.state().lines), "the letter")
        row, column = secure.computer.state().cursor
        letter = (slice(row * 28, row * 28 + 28), slice((column - 1) * 16, column * 16))
        eventually(lambda: differing(seen(page)[letter], snapshot(secure)[letter]) == 0, "the letter in the page")
        for cookie in page.context.cookies():
            assert cookie["secure"]
            assert cookie["httpOnly"]


class TestRedirect:
    @pytest.fixture
    def ask(self, redirecting: Daemon) -> Ask:
        return asking(redirecting)

    @pytest.mark.parametrize("path", ["/", "/api/status?token=x", "/nothing"])
    def test_who_asks_is_sent_to_https(self, ask: Ask, path: str) -> None:
        code, headers, _ = ask("GET", path)
        assert code == 308
        assert headers["location"].startswith("https://")
        assert headers["location"].endswith(path)

    def test_what_acts_is_refused(self, ask: Ask) -> None:
        code, _, body = ask("POST", "/login_api", body=LOGIN)
        assert (code, b"use https" in body) == (403, True)
        assert ask("POST", "/login_api", at=1, body=LOGIN)[0] == 200

    @pytest.mark.parametrize("header", ["X-Forwarded-Proto: https", "Sec-Fetch-Site: none"])
    def test_who_came_through_a_proxy_with_tls_is_told_what_to_set(self, redirecting: Daemon, header: str) -> None:
        answer = visit(redirecting, "/", BROWSER, header)
        assert answer.status_code == 403
        assert 'set web.trusted_proxies = [\\"192.0.2.7\\"]' in answer.text

    def test_a_browser_on_this_machine_is_sent_to_https(self, redirecting: Daemon) -> None:
        assert visit(redirecting, "/", BROWSER, "Sec-Fetch-Site: none", source="127.0.0.1").status_code == 308


class TestBehindAProxy:
    """A trusted one with TLS, where nothing is served without."""

    @pytest.fixture
    def ask(self, proxied: Daemon) -> Ask:
        return asking(proxied)

    def test_nobody_is_sent_round_in_circles(self, ask: Ask) -> None:
        code, headers, _ = ask("POST", "/login_api", "X-Forwarded-Proto: https", body=LOGIN)
        assert (code, headers["strict-transport-security"]) == (200, "max-age=3600")
        assert "; Secure; HttpOnly" in headers["set-cookie"]
        assert ask("POST", "/login_api", "X-Forwarded-Proto: http", body=LOGIN)[0] == 403

    def test_who_comes_without_tls_is_sent_to_where_the_proxy_was_found(self, ask: Ask, proxied: Daemon) -> None:
        port = proxied.kvm.settings.web.tls_listen[0].rpartition(":")[2]
        said = ("X-Forwarded-Proto: http", "X-Forwarded-Host: kvm.example:8080", "X-Forwarded-Prefix: /kvm")
        for path in ("/kvm/?a=b", "/?a=b"):
            assert ask("GET", path, *said)[1]["location"] == f"https://kvm.example:{port}/kvm/?a=b"

    def test_in_a_folder_the_page_has_a_slash_behind_it(self, ask: Ask) -> None:
        said = ("X-Forwarded-Proto: https", "X-Forwarded-Prefix: /kvm")
        code, headers, _ = ask("GET", "/kvm", *said)
        assert (code, headers["location"]) == (308, "https://127.0.0.1/kvm/")
        assert ask("GET", "/kvm/", *said)[0] == 200

    def test_the_audit_has_the_clients_address(self, ask: Ask, proxied: Daemon) -> None:
        wrong = LOGIN.replace(PASSWORD.encode(), b"wrong")
        for number in range(7):
            said = ("X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.44")
            assert ask("POST", "/login_api", *said, body=wrong)[0] == (401 if number < 5 else 429)
        assert ask("POST", "/login_api", "X-Forwarded-Proto: https", body=LOGIN)[0] == 200, "from another address"
        addresses = {entry.address for entry in proxied.kvm.auth.audit.entries() if entry.what == "refusal"}
        assert addresses == {"192.0.2.44"}


def test_off_listens_nowhere_without_tls(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon(web=web("off"))
    daemon.server.start()
    try:
        *served, own = daemon.server.listeners
        assert [listener.is_tls for listener in served] == [True, True]
        assert own.address == str(daemon.kvm.settings.control)
    finally:
        daemon.server.stop()


def test_no_certificate_is_made_where_nobody_needs_one(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kvmd.access.certificate", None)
    assert load_certificate(daemon.kvm.settings) is None
    assert daemon.get("/api/certificate").json["data"] is None


def test_the_certificate_that_is_told_is_the_one_that_is_shown(secure: Daemon) -> None:
    told = secure.get("/api/certificate").json["data"]
    port = int(secure.kvm.settings.web.tls_listen[0].rpartition(":")[2])
    shown = ssl.get_server_certificate((HOST, port), timeout=patience())
    assert shown.strip() == told["pem"].strip()
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()
    assert told["sha256"].replace(":", "").lower() == digest
    assert told["self_signed"] is True
    assert "localhost" in told["names"]


def test_the_page_shows_the_certificate(secure: Daemon, browser: playwright.Browser) -> None:
    told = secure.get("/api/certificate").json["data"]
    with opened(browser, secure) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        open_panel(page, "Settings")
        page.locator("#fingerprint", has_text=told["sha256"]).wait_for()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save the certificate").click()
        assert saved.value.path().read_text() == told["pem"]


@pytest.mark.parametrize("host", ["[::1]", "[::1]:80", "kvm.example", "kvm.example:80"])
def test_the_way_to_https_keeps_the_name(secure: Daemon, host: str) -> None:
    port = secure.kvm.settings.web.tls_listen[0].rpartition(":")[2]
    assert visit(secure, "/", BROWSER, host=host).location == f"https://{host.removesuffix(':80')}:{port}/"


def test_a_stream_ends_with_the_login(make_daemon: Callable[..., Daemon]) -> None:
    """Also with a key that is removed, and with a password that is changed."""
    with make_daemon().running() as daemon:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        key = daemon.kvm.auth.credentials.add_key("script")
        token = daemon.login()
        ends: dict[str, Callable[[], object]] = {
            f"Bearer {token}": lambda: daemon.post("/api/logout", {}, token=token),
            f"Bearer {key}": lambda: daemon.kvm.auth.credentials.remove_key("script"),
            f"Basic {basic}": lambda: daemon.kvm.auth.credentials.set_password(USER, "another long password"),
        }
        for authorization, end in ends.items():
            with Wire((HOST, daemon.video_port)) as wire:
                wire.send(request("GET", "/stream", f"Authorization: {authorization}"))
                assert wire.file.readline() == b"HTTP/1.1 200 OK\r\n"
                end()
                while wire.file.read(1 << 16):
                    pass
