"""What a browser may do here for a page that is not ours, and under which names: as its headers tell."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kvmd.contract.settings import WebSettings
from tests.conftest import PASSWORD, USER, Answer, Daemon
from tests.kvmd.web.test_identity import basic, cookie
from tests.wire import Wire

KEY = {"keycodes": ["KeyA"]}


def press(daemon: Daemon, **headers: str) -> Answer:
    """Press a key as the page does, with the cookie."""
    return daemon.post("/api/keyboard", KEY, token="", headers=cookie(daemon) | headers)


@pytest.fixture(scope="module")
def opened(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon of which some needs no login."""
    with make_daemon(open_endpoints=["snapshot", "keyboard"]).running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def named(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon that has names of its own, and an open endpoint."""
    daemon = make_daemon(open_endpoints=["snapshot"])
    names = ["Kvm.Example", "kvm.example:8080", "192.0.2.9", "[2001:db8::1]:8443"]
    web = WebSettings(listen=["listen.example:80", "unix:/run/web.sock"], names=names)
    daemon.kvm.settings = msgspec.structs.replace(daemon.kvm.settings, web=web)
    with daemon.running():
        yield daemon


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:x"},
    {"Origin": "ftp://127.0.0.1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://evil.example@127.0.0.1"},
    {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://127.0.0.1:9999", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "made-up"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_a_page_of_another_site_changes_nothing_and_uses_nothing_that_is_open(
    daemon: Daemon, opened: Daemon, foreign: dict[str, str]
) -> None:
    login = {"username": USER, "password": PASSWORD}
    content = json.dumps(login).encode()
    for answer in (
        daemon.post("/login_api", login, token="", headers=foreign),
        daemon.request("GET", "/login_api", content, token="", headers=foreign),
        daemon.post("/api/keyboard", KEY, headers=foreign),
        daemon.post(f"/keyboard?token={daemon.token}", KEY, token="", headers=foreign),
        daemon.post("/keyboard", {**KEY, "token": daemon.token}, token="", headers=foreign),
        daemon.post("/api/keyboard", KEY, token="", headers=foreign | basic(USER, PASSWORD)),
        press(daemon, **foreign),
        daemon.get("/api/status", token="", headers=foreign | basic(USER, PASSWORD)),
        daemon.put("/api/edid", {"clear": True}, headers=foreign),
        daemon.post("/api/logout", {}, headers=foreign),
        daemon.get("/api/status", headers=foreign | {"Connection": "Upgrade", "Upgrade": "websocket"}),
        opened.post("/keyboard", KEY, token="", headers=foreign),
        opened.get("/snapshot", token="", headers=foreign),
        opened.get("/snapshot", token="", headers=foreign, port=opened.video_port),
    ):
        assert (answer.code, answer.json["status"]) == (403, 0), answer.json
        assert answer.json["info"].startswith("a page of another site cannot ")
    assert daemon.get("/api/status").code == 200, "nobody was logged out"


@pytest.mark.parametrize("site", ["same-site", None])
def test_a_page_of_another_site_sees_nothing_by_the_cookie(daemon: Daemon, site: str | None) -> None:
    told = {"Sec-Fetch-Site": site} if site else {}
    for origin in ("http://evil.example", "null", "http://127.0.0.1", f"https://127.0.0.1:{daemon.video_port}"):
        headers = cookie(daemon) | {"Origin": origin} | told
        assert daemon.get("/api/status", token="", headers=headers).code == 401, origin
    headers = cookie(daemon) | {"Origin": f"http://127.0.0.1:{daemon.port}"} | told
    assert daemon.get("/api/status", token="", headers=headers).code == 200


@pytest.mark.parametrize("site", ["same-site", "same-origin"])
def test_the_pictures_of_the_other_port_are_shown_by_the_cookie(daemon: Daemon, site: str) -> None:
    """As an image in our page asks for them with TLS; without, it sends neither header."""
    for told in ({"Sec-Fetch-Site": site}, {}):
        headers = cookie(daemon) | told
        assert daemon.get("/snapshot", token="", headers=headers, port=daemon.video_port).code == 200


def test_a_page_of_the_other_port_changes_nothing(daemon: Daemon) -> None:
    """Browsers send an origin with it; one that leaves it out is not believed."""
    assert press(daemon, **{"Sec-Fetch-Site": "same-site"}).code == 403


def test_a_foreign_origin_is_no_matter_where_a_token_that_was_given_by_hand_asks(daemon: Daemon) -> None:
    assert daemon.get("/api/status", headers={"Origin": "http://app.example"}).code == 200
    shown = daemon.get(f"/snapshot?token={daemon.token}", token="", headers={"Sec-Fetch-Site": "cross-site"})
    assert (shown.code, shown.headers["Cross-Origin-Resource-Policy"]) == (200, "cross-origin")


def test_our_own_page_may_all_that(opened: Daemon) -> None:
    for headers in (
        {"Origin": f"http://127.0.0.1:{opened.port}"},
        {"Origin": f"http://127.0.0.1:{opened.port}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://unknown.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {},
    ):
        assert opened.post("/keyboard", KEY, token="", headers=headers).code == 200
        assert press(opened, **headers).code == 200


@pytest.mark.parametrize(
    ("origin", "host", "is_ours"),
    [
        ("http://kvm.example", "kvm.example", True),
        ("http://kvm.example", "kvm.example:80", True),
        ("http://KVM.example.", "kvm.Example", True),
        ("https://unknown.example", "unknown.example", True),
        ("https://unknown.example:8443", "unknown.example:8443", True),
        ("http://[2001:db8::2]:81", "[2001:DB8:0::2]:81", True),
        ("http://kvm.example:81", "kvm.example", False),
        ("http://192.0.2.1", "192.0.2.1:81", False),
        ("https://other.example", "unknown.example", False),
    ],
)
def test_without_word_of_the_site_the_origin_is_where_the_request_goes(
    named: Daemon, origin: str, host: str, *, is_ours: bool
) -> None:
    """A proxy may leave out the port (huginn 3047, authentik 8947), or that it speaks TLS."""
    assert (press(named, Origin=origin, Host=host).code == 200) is is_ours


def test_browsers_that_take_a_socket_for_another_site_are_believed_by_the_origin(daemon: Daemon) -> None:
    headers = {"Origin": f"http://127.0.0.1:{daemon.port}", "Sec-Fetch-Site": "cross-site", "Upgrade": "websocket"}
    answer = daemon.get("/api/status", headers=headers | {"Connection": "Upgrade"})
    assert answer.code != 403, answer.json


@pytest.mark.parametrize(
    "origin",
    [
        "http://kvm.example",
        "https://kvm.example",
        "http://kvm.example:8080",
        "https://192.0.2.9",
        "https://[2001:db8::1]:8443",
    ],
)
@pytest.mark.parametrize("site", [None, "same-site", "cross-site"])
def test_names_that_are_set_are_ours_wherever_a_proxy_asks(named: Daemon, origin: str, site: str | None) -> None:
    told = {"Sec-Fetch-Site": site} if site else {}
    assert press(named, Origin=origin, Host="backend:8080", **told).code == 200


def test_the_refusal_says_what_to_set(daemon: Daemon) -> None:
    """What nginx with nothing but proxy_pass makes of a browser that asks without TLS (pikvm 1404, 1452)."""
    answer = press(daemon, Origin="http://kvm.example:8080", Host="127.0.0.1:80")
    assert answer.json["info"] == (
        "a page of another site cannot do this: Origin http://kvm.example:8080, Host 127.0.0.1:80; if that is where "
        'this machine is found, set web.names = ["kvm.example:8080"]'
    )
    answer = press(daemon, Origin="null")
    assert answer.json["info"].endswith(f"Origin null, Host 127.0.0.1:{daemon.port}")
    answer = press(daemon, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.json["info"].endswith(f"Sec-Fetch-Site cross-site, Host 127.0.0.1:{daemon.port}")
    assert any(entry.detail.endswith(answer.json["info"]) for entry in daemon.kvm.auth.audit.entries())


def test_a_refusal_has_no_more_than_a_name_of_what_was_sent(daemon: Daemon) -> None:
    answer = press(daemon, Origin=f"http://{'a' * 20000}", Host=f"{'b' * 9000}")
    assert answer.code == 403
    assert len(answer.body) < 1500


def test_a_link_on_any_page_leads_here(opened: Daemon) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for path in ("/", "/snapshot"):
        assert opened.get(path, token="", headers=followed).code == 200
    assert opened.post("/keyboard", KEY, token="", headers=followed).code == 403


def host(daemon: Daemon, name: str, path: str = "/snapshot", token: str = "") -> Answer:
    return daemon.get(path, token=token, headers={"Host": name})


def test_what_is_open_is_so_under_its_addresses_and_names(named: Daemon) -> None:
    own = socket.gethostname()
    for name in ("127.0.0.1", "[::1]", "192.0.2.7", "localhost", own, own.upper(), f"{own.partition('.')[0]}.local"):
        for port in ("", ":80", ":8443"):
            assert host(named, name + port).code == 200, name
    for name in ("kvm.example", "KVM.example:8443", "kvm.example.", "listen.example"):
        assert host(named, name).code == 200, name


@pytest.mark.parametrize(("name", "policy"), [("kvm.example", "same-site"), ("127.0.0.1", "cross-origin")])
def test_pictures_are_for_pages_of_our_other_ports_as_well(named: Daemon, name: str, policy: str) -> None:
    assert host(named, name, "/snapshot").headers["Cross-Origin-Resource-Policy"] == policy
    assert host(named, name, "/").headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_is_open_is_so_under_the_name_that_the_network_gives_it(
    named: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{socket.gethostname().partition('.')[0]}.fritz.box"
    monkeypatch.setattr("kvmd.web.origin.RESOLVER", tmp_path / "resolv.conf")
    assert host(named, name).code == 403
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\nsearch example.net fritz.box.\n")
    assert host(named, name).code == 200
    assert host(named, "other.fritz.box").code == 403


@pytest.mark.parametrize("name", ["rebind.evil", "rebind.evil:80", "127.0.0.1.rebind.evil", "localhost.evil"])
def test_what_is_open_is_not_under_a_strangers_name(named: Daemon, name: str) -> None:
    answer = host(named, name, "/snapshot")
    assert (answer.code, answer.json["info"]) == (
        403,
        f'"{name}" is no known name of this machine: use its address, or set web.names = ["{name}"]',
    )
    assert host(named, name, "/snapshot", token=named.token).code == 200
    assert host(named, name, "/").code == 200
    assert host(named, name, "/api/status").code == 401
    assert host(named, name, "/api/status", token=named.token).code == 200


def test_a_page_with_a_strangers_name_for_this_machine_cannot_log_in(daemon: Daemon) -> None:
    """DNS rebinding: to the browser it is our own page; with TLS, which needs our certificate, it cannot be."""
    login = {"username": USER, "password": "guessed"}
    rebound = {"Host": "rebind.evil:8080", "Origin": "http://rebind.evil:8080"}
    for answer in (
        daemon.post("/login_api", login, token="", headers=rebound),
        daemon.post("/api/keyboard", KEY, headers=rebound),
        press(daemon, **rebound),
    ):
        assert (answer.code, answer.json["info"].partition(": ")[0]) == (
            403,
            '"rebind.evil:8080" is no known name of this machine',
        )
    with_tls = {"Host": "kvm.lan", "Origin": "https://kvm.lan"}
    assert daemon.post("/login_api", login, token="", headers=with_tls).code == 401
    assert daemon.post("/login_api", login, token="", headers={"Host": "kvm.lan"}).code == 401, "a program"


@pytest.mark.parametrize("name", ["evil@127.0.0.1", "127.0.0.1/", "[", ""])
def test_what_is_no_name_is_malformed(named: Daemon, name: str) -> None:
    assert host(named, name, "/").code == 400


def test_who_sends_no_host_is_no_browser(opened: Daemon) -> None:
    with Wire(("127.0.0.1", opened.port)) as wire:
        wire.send(b"GET /snapshot HTTP/1.0\r\n\r\n")
        assert wire.answer()[0] == 200
