"""Behind Debian's nginx, Caddy and HAProxy: with the forwarding line alone, with docs/proxies.md's, in a folder."""

from __future__ import annotations

import http.client
import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from playwright import sync_api as playwright

from kvmd.access.grant import UserRole
from kvmd.contract.settings import WebSettings
from tests.conftest import HOST, PASSWORD, USER, Daemon
from tests.kvmd.front.test_tls import client
from tests.kvmd.web.conftest import ARGUMENTS, CHROMIUM, log_in, opened, text_of, wait_for_stream
from tests.proxies import BARE, PAGE, Proxy, documented, proxy
from tests.waiting import eventually, patience

NAMES = ["nginx", "caddy", "haproxy"]
SECURE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
"""What a browser sends beside Origin with TLS, and to this machine."""
SPOOFED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
}
MADE = "127.0.0.5"
"""Where the client is, which is not where the proxy is."""


@dataclass(frozen=True)
class Setup:
    """A daemon with a proxy before it.

    :param root: the folder in which it is found
    """

    daemon: Daemon
    proxy: Proxy
    root: str = ""

    def ask(
        self, scheme: str, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask through the proxy, from an address that is not the proxy's."""
        source = (MADE, 0)
        if scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                HOST, self.proxy.tls_port, timeout=patience(), source_address=source, context=client()
            )
        else:
            connection = http.client.HTTPConnection(HOST, self.proxy.port, timeout=patience(), source_address=source)
        content = None if body is None else json.dumps(body)
        try:
            connection.request(
                method, f"{self.root}{path}", content, {n.replace("_", "-"): v for n, v in headers.items()}
            )
            response = connection.getresponse()
            if path == "/stream":
                return response, response.read(300_000)
            return response, response.read()
        finally:
            connection.close()

    def origin(self, scheme: str, name: str = HOST) -> str:
        return f"{scheme}://{name}:{self.proxy.tls_port if scheme == 'https' else self.proxy.port}"


def as_documented(listen: list[str]) -> WebSettings:
    """Return the settings that the page has, but for where kvmd listens."""
    text = PAGE.read_text().partition("```toml\n")[2].partition("```")[0]
    web = msgspec.convert(tomllib.loads(text)["web"], WebSettings)
    assert web.listen == ["127.0.0.1:8080"]
    assert "unix:/run/kvmd/web.sock" in text
    return msgspec.structs.replace(web, listen=listen)


@pytest.fixture(
    scope="module", params=[(name, lines) for name in NAMES for lines in ("bare", "told", "folder")], ids="-".join
)
def setup(
    request: pytest.FixtureRequest, make_daemon: Callable[..., Daemon], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    name, lines = request.param
    web = None if lines == "bare" else as_documented([f"{HOST}:0"])
    with make_daemon(web=web).running() as daemon:
        text = BARE[name] if lines == "bare" else documented(name, ["told", "folder"].index(lines))
        folder = tmp_path_factory.mktemp(name)
        with proxy(name, text, f"{HOST}:{daemon.port}", folder) as before:
            yield Setup(daemon, before, "/kvm" if lines == "folder" else "")


def is_bare(setup: Setup) -> bool:
    return not setup.daemon.kvm.settings.web.trusted_proxies


def logged_in(setup: Setup, scheme: str, **headers: str) -> dict[str, str]:
    """Log in as the page does; return what the browser sends from then on."""
    headers = {"Origin": setup.origin(scheme), **SECURE, **headers}
    response, body = setup.ask(scheme, "POST", "/login_api", {"username": USER, "password": PASSWORD}, **headers)
    assert response.status == 200, body
    cookies = [cookie.partition(";")[0] for cookie in response.headers.get_all("Set-Cookie", [])]
    return {**headers, "Cookie": "; ".join(cookies)}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_page_is_there_and_all_that_it_does_works(setup: Setup, scheme: str) -> None:
    response, body = setup.ask(scheme, "GET", "/", Accept="text/html", **SECURE)
    assert (response.status, b'src="static/page.js"' in body) == (200, True)
    assert setup.ask(scheme, "GET", "/static/page.js")[0].status == 200
    browser = logged_in(setup, scheme)
    typed = setup.daemon.computer.state().keys
    response, body = setup.ask(scheme, "POST", "/api/keyboard", {"keycodes": ["KeyA"]}, **browser)
    assert response.status == 200, body
    eventually(lambda: setup.daemon.computer.state().keys != typed, "the key at the computer")
    del browser["Origin"]
    response, body = setup.ask(scheme, "GET", "/stream", **browser)
    assert response.status == 200
    assert body.count(b"\xff\xd8\xff") >= 2
    assert setup.ask(scheme, "GET", "/snapshot", **browser)[1].startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_programs_work(setup: Setup, scheme: str) -> None:
    key = setup.daemon.kvm.auth.credentials.add_key(f"script {scheme}", UserRole.OPERATOR)
    bearer = {"Authorization": f"Bearer {key}"}
    assert setup.ask(scheme, "GET", "/api/status", **bearer)[0].status == 200
    assert setup.ask(scheme, "POST", "/keyboard", {"keycodes": ["KeyA"]}, **bearer)[0].status == 200
    assert setup.ask(scheme, "GET", "/snapshot", **bearer)[0].status == 200
    response, _ = setup.ask(scheme, "GET", "/snapshot")
    assert (response.status, 'Basic realm="kvmd"' in ", ".join(response.headers.get_all("WWW-Authenticate", []))) == (
        401,
        True,
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_of_another_site_is_refused(setup: Setup, scheme: str) -> None:
    browser = logged_in(setup, scheme)
    for told in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": ""}):
        headers = {**browser, "Origin": f"{scheme}://evil.example", **told}
        response, body = setup.ask(scheme, "POST", "/api/keyboard", {"keycodes": ["KeyA"]}, **headers)
        assert (response.status, f"Origin {scheme}://evil.example, Host " in body.decode()) == (403, True)


def test_over_http_under_a_name_it_works_or_says_what_to_set(setup: Setup) -> None:
    """There browsers send no Sec-Fetch-Site; nginx with nothing but proxy_pass has a Host of its own."""
    name = f"kvm.example:{setup.proxy.port}"
    login = {"username": USER, "password": PASSWORD}
    response, body = setup.ask("http", "POST", "/login_api", login, Host=name, Origin=f"http://{name}")
    if is_bare(setup):
        assert (response.status, f'web.names = ["{name}"]' in json.loads(body)["info"]) == (403, True)
    else:
        assert response.status == 200, body


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_with_the_documented_lines_the_client_is_seen_whatever_it_says(setup: Setup, scheme: str) -> None:
    if is_bare(setup):
        for said in ({}, SPOOFED):
            logged_in(setup, scheme, **said)
            assert setup.daemon.kvm.auth.audit.entries()[-1].address == HOST, "nobody is believed"
        return
    for said in ({}, SPOOFED):
        headers = {"Origin": setup.origin(scheme), **SECURE, **said}
        response, _ = setup.ask(scheme, "POST", "/login_api", {"username": USER, "password": PASSWORD}, **headers)
        assert ("Secure" in response.headers["Set-Cookie"]) is (scheme == "https")
        assert setup.daemon.kvm.auth.audit.entries()[-1].address == MADE
        del headers["Sec-Fetch-Site"]
        response, _ = setup.ask(scheme, "POST", "/login_api", {"username": USER, "password": PASSWORD}, **headers)
        assert response.status == 200, "by Origin and Host alone"


def test_in_a_folder_the_slash_is_added(setup: Setup) -> None:
    if setup.root:
        response, _ = setup.ask("http", "GET", "", Accept="text/html")
        assert response.status in {301, 302, 308}
        assert response.headers["Location"] in {"/kvm/", f"{setup.origin('http')}/kvm/"}


@pytest.mark.parametrize("name", NAMES)
def test_by_a_unix_socket(name: str, make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    web = msgspec.structs.replace(as_documented([f"{HOST}:0", f"unix:{path}"]), trusted_proxies=["unix"])
    behind = {"nginx": f"http://unix:{path}", "caddy": f"unix/{path}", "haproxy": f"unix@{path}"}[name]
    assert behind.replace(str(path), "/run/kvmd/web.sock") in PAGE.read_text()
    with make_daemon(web=web).running() as daemon, proxy(name, documented(name), behind, tmp_path) as before:
        setup = Setup(daemon, before)
        for scheme in ("http", "https"):
            browser = logged_in(setup, scheme)
            assert daemon.kvm.auth.audit.entries()[-1].address == MADE
            response, body = setup.ask(scheme, "POST", "/api/keyboard", {"keycodes": ["KeyA"]}, **browser)
            assert response.status == 200, body
            assert setup.ask(scheme, "GET", "/stream", **browser)[1].count(b"\xff\xd8\xff") >= 2


def typed(page: playwright.Page, daemon: Daemon, key: str) -> None:
    log_in(page, PASSWORD)
    wait_for_stream(page)
    page.locator("#screen").focus()
    page.keyboard.press(key)
    eventually(lambda: any(line.text.endswith(key) for line in daemon.computer.state().lines), "the letter")


@pytest.mark.parametrize("setup", [("nginx", "bare"), ("haproxy", "folder")], indirect=True, ids="-".join)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_real_browser_types_through_it(setup: Setup, browser: playwright.Browser, scheme: str) -> None:
    """A bare nginx passes no WebSocket on, which the browser tells; all others do."""
    expected = ("WebSocket connection to",) if is_bare(setup) else ()
    with opened(browser, setup.daemon, f"{setup.origin(scheme)}{setup.root}/", expected) as page:
        typed(page, setup.daemon, "k" if scheme == "http" else "j")


@pytest.mark.parametrize("setup", [("nginx", "bare")], indirect=True, ids="-".join)
def test_a_real_browser_shows_what_to_set(setup: Setup, browser: playwright.Browser) -> None:
    rules = f"--host-resolver-rules=MAP kvm.test {HOST}"
    elsewhere = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, rules])
    page = elsewhere.new_page()
    page.set_default_timeout(patience() * 1000)
    page.goto(setup.origin("http", "kvm.test"))
    log_in(page, PASSWORD)
    wanted = f'web.names = ["kvm.test:{setup.proxy.port}"]'
    eventually(lambda: wanted in text_of(page, "body"), "the words")
    elsewhere.close()
