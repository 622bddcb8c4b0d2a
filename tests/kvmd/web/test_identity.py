"""Who is asking: every way by which a token travels, and those that must not work."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from kvmd.contract.settings import WebSettings
from tests.conftest import PASSWORD, USER, Answer, Daemon

PROTECTED = [
    ("GET", "/api/status"),
    ("GET", "/api/devices"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/edid"),
    ("PUT", "/api/edid"),
    ("GET", "/api/power"),
    ("GET", "/api/virtual"),
    ("GET", "/stream"),
    ("GET", "/snapshot"),
    ("GET", "/keyboard"),
    ("POST", "/keyboard"),
    ("POST", "/api/keyboard"),
    ("GET", "/mouse"),
    ("POST", "/mouse"),
    ("POST", "/api/mouse"),
    ("POST", "/api/power"),
    ("POST", "/api/logout"),
]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"kvmd_token={token}"}


def no_token(daemon: Daemon, **headers: str) -> Answer:
    return daemon.get("/api/status", token="", headers=headers)


def test_a_token_travels_in_every_way(daemon: Daemon) -> None:
    for answer in (
        daemon.get("/api/status", token=daemon.token),
        daemon.get(f"/api/status?token={daemon.token}", token=""),
        daemon.get("/api/status", token="", headers=cookie(daemon.token)),
        daemon.request("GET", "/api/status", b'{"token": "%s"}' % daemon.token.encode(), token=""),
        daemon.get("/api/status", token="", headers=basic(USER, PASSWORD)),
    ):
        assert answer.code == 200, answer.body


def test_an_api_key_travels_as_a_token_does(daemon: Daemon) -> None:
    key = daemon.kvm.auth.credentials.add_key("script")
    assert daemon.get("/api/status", token=key).code == 200
    assert daemon.get(f"/api/status?token={key}", token="").code == 200
    daemon.kvm.auth.credentials.remove_key("script")
    assert daemon.get("/api/status", token=key).code == 401


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_everything_needs_a_login(daemon: Daemon, method: str, path: str) -> None:
    for token in ("", "wrong"):
        answer = daemon.request(method, path, b'{"keycodes": ["KeyA"]}', token=token)
        assert answer.code == 401
        assert answer.json["status"] == 0
        assert "log in" in answer.json["info"]
    assert daemon.computer.state().keys == ()


def test_no_rule_is_forgotten(daemon: Daemon) -> None:
    """A new endpoint is looked at by this file, or it is public on purpose."""
    known = {path for _, path in PROTECTED} | {"/", "/static/<path:name>", "/login_api"}
    assert {rule.rule for rule in daemon.app.url_map.iter_rules()} == known


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Digest username=admin"},
        {"Authorization": "nonsense"},
        {"Cookie": "kvmd_token="},
        {"Cookie": "kvmd_token=\xff"},
        {"Cookie": "other=1"},
    ],
)
def test_nonsense_is_not_let_in_and_breaks_nothing(daemon: Daemon, headers: dict[str, str]) -> None:
    answer = no_token(daemon, **headers)
    assert (answer.code, answer.json["status"]) == (401, 0)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_cookie_from_another_site_is_refused(daemon: Daemon) -> None:
    for origin in ("http://evil.example", "https://evil.example:8080", "null", "http://127.0.0.1.evil.example"):
        assert no_token(daemon, **cookie(daemon.token), Origin=origin).code == 401, origin
    for origin in (f"http://127.0.0.1:{daemon.port}", "http://127.0.0.1", "https://127.0.0.1:8008"):
        assert no_token(daemon, **cookie(daemon.token), Origin=origin).code == 200, origin


def test_a_foreign_origin_is_no_matter_where_a_token_that_was_given_by_hand_asks(daemon: Daemon) -> None:
    assert daemon.get("/api/status", headers={"Origin": "http://app.example"}).code == 200
    shown = daemon.get(f"/snapshot?token={daemon.token}", token="", headers={"Sec-Fetch-Site": "cross-site"})
    assert (shown.code, shown.headers["Cross-Origin-Resource-Policy"]) == (200, "cross-origin")


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://evil.example@127.0.0.1"},
    {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
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
        daemon.post("/api/keyboard", {"keycodes": ["KeyA"]}, headers=foreign),
        daemon.post(f"/keyboard?token={daemon.token}", {"keycodes": ["KeyA"]}, token="", headers=foreign),
        daemon.post("/api/keyboard", {"keycodes": ["KeyA"]}, token="", headers=foreign | basic(USER, PASSWORD)),
        daemon.post("/api/keyboard", {"keycodes": ["KeyA"]}, token="", headers=foreign | cookie(daemon.token)),
        daemon.get("/api/status", token="", headers=foreign | basic(USER, PASSWORD)),
        daemon.put("/api/edid", {"clear": True}, headers=foreign),
        daemon.post("/api/logout", {}, headers=foreign),
        opened.post("/keyboard", {"keycodes": ["KeyA"]}, token="", headers=foreign),
        opened.get("/snapshot", token="", headers=foreign),
        opened.get("/snapshot", token="", headers=foreign, port=opened.video_port),
    ):
        assert (answer.code, answer.json["status"]) == (403, 0), answer.json
        assert answer.json["info"].startswith("a page of another site cannot ")
    assert daemon.get("/api/status").code == 200, "nobody was logged out"


@pytest.fixture(scope="module")
def opened(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon of which some needs no login."""
    with make_daemon(open_endpoints=["snapshot", "keyboard"]).running() as daemon:
        yield daemon


def test_our_own_page_may_all_that(opened: Daemon) -> None:
    for origin in (f"http://127.0.0.1:{opened.port}", "http://127.0.0.1", "https://127.0.0.1:8443"):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        assert opened.post("/keyboard", {"keycodes": ["KeyA"]}, token="", headers=headers).code == 200
        assert opened.post("/api/keyboard", {"keycodes": ["KeyA"]}, headers=headers).code == 200


def test_a_link_on_any_page_leads_here(opened: Daemon) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for path in ("/", "/snapshot"):
        assert opened.get(path, token="", headers=followed).code == 200
    assert opened.post("/keyboard", {"keycodes": ["KeyA"]}, token="", headers=followed).code == 403


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


@pytest.fixture(scope="module")
def named(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon that has names of its own, and an open endpoint."""
    daemon = make_daemon(open_endpoints=["snapshot"])
    web = WebSettings(listen=["listen.example:80"], hosts=["Kvm.Example"])
    daemon.kvm.settings = msgspec.structs.replace(daemon.kvm.settings, web=web)
    with daemon.running():
        yield daemon


@pytest.mark.parametrize(
    "name",
    [
        "rebind.evil",
        "rebind.evil:80",
        "127.0.0.1.rebind.evil",
        "localhost.evil",
    ],
)
def test_what_is_open_is_not_under_a_strangers_name(named: Daemon, name: str) -> None:
    answer = host(named, name, "/snapshot")
    assert (answer.code, answer.json["status"]) == (403, 0)
    assert answer.json["info"].endswith("log in, use its address, or set web.hosts")
    assert host(named, name, "/snapshot", token=named.token).code == 200
    assert host(named, name, "/").code == 200
    assert host(named, name, "/api/status").code == 401
    assert host(named, name, "/api/status", token=named.token).code == 200


@pytest.mark.parametrize("name", ["evil@127.0.0.1", "127.0.0.1/", "[", ""])
def test_what_is_no_name_is_malformed(named: Daemon, name: str) -> None:
    assert host(named, name, "/").code == 400


def test_pages_behind_a_proxy_post(named: Daemon) -> None:
    """The proxy has a name of its own, and asks for an address."""
    for headers in (
        {"Origin": "https://kvm.example"},
        {"Origin": "https://unknown.example", "Sec-Fetch-Site": "same-origin"},
    ):
        assert named.post("/api/keyboard", {"keycodes": ["KeyA"]}, headers=headers).code == 200


def test_the_login_sets_a_cookie_that_no_script_can_read(daemon: Daemon) -> None:
    answer = daemon.post("/login_api", {"username": USER, "password": PASSWORD}, token="")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name == f"kvmd_token={answer.data['token']}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)


def test_the_token_of_a_session_that_ended_is_refused(daemon: Daemon) -> None:
    token = daemon.login()
    assert daemon.get("/api/status", token=token).code == 200
    answer = daemon.post("/api/logout", {}, token=token)
    assert answer.data == []
    assert "kvmd_token=;" in answer.headers["Set-Cookie"]
    refused = daemon.get("/api/status", token=token)
    assert (refused.code, refused.json["info"]) == (401, "the token is wrong or has ended; log in again")


@pytest.mark.parametrize("send", [cookie, lambda token: {"Authorization": f"Bearer {token}"}])
def test_a_logout_ends_the_session_by_whichever_way_the_token_came(
    daemon: Daemon, send: Callable[[str], dict[str, str]]
) -> None:
    token = daemon.login()
    assert daemon.post("/api/logout", {}, token="", headers=send(token)).code == 200
    assert daemon.get("/api/status", token=token).code == 401


def test_wrong_passwords_are_slowed_for_their_user_and_address_alone(daemon: Daemon) -> None:
    def guess() -> Answer:
        return daemon.post("/login_api", {"username": USER, "password": "wrong"}, token="", source="127.0.0.2")

    answers = [guess()]
    while answers[-1].code == 401 and len(answers) < 50:  # a slow machine forgets the first while it hashes the last
        assert answers[-1].json["info"] == "wrong user name or password"
        answers.append(guess())
    assert len(answers) > 5
    assert (answers[-1].code, answers[-1].json["status"]) == (429, 0)
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    for answer in (
        daemon.post("/login_api", {"username": USER, "password": PASSWORD}, token="", source="127.0.0.2"),
        daemon.get("/api/status", token="", headers=basic(USER, PASSWORD), source="127.0.0.2"),
    ):
        assert answer.code == 429
    assert daemon.post("/login_api", {"username": "eve", "password": "wrong"}, token="", source="127.0.0.2").code == 401
    assert daemon.get("/api/status", source="127.0.0.2").code == 200, "a token is no guess"
    assert daemon.login(), "from another address"


def test_what_is_open_needs_no_login_and_nothing_else_does(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon(open_endpoints=["snapshot", "keyboard"]).running() as daemon:
        for port in (daemon.port, daemon.video_port):
            assert daemon.get("/snapshot", token="", port=port).code == 200
            assert daemon.get("/stream", token="", port=port).code == 401
        for path in ("/keyboard", "/api/keyboard"):
            assert daemon.post(path, {"keycodes": ["KeyA"]}, token="").code == 200
        assert daemon.get("/api/status", token="").code == 401
        daemon.post("/api/keyboard", {"press": ["KeyB"]}, token="")
        assert daemon.down() == (0, (5,))
        daemon.post("/api/keyboard", {"release_all": True}, token="", source="127.0.0.2")
        assert daemon.down() == (0, (5,)), "another address is another client"
        daemon.post("/api/keyboard", {"release_all": True}, token="")
        assert daemon.down() == (0, ())
