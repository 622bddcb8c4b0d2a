"""Who is asking: every way by which a token travels, and those that must not work."""

import base64
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.conftest import PASSWORD, USER, Answer, Daemon

FOR_ADMINS = [
    ("GET", "/api/audit"),
    ("GET", "/api/log"),
    ("GET", "/api/doctor"),
    ("GET", "/api/users"),
    ("PUT", "/api/users/<name>"),
    ("DELETE", "/api/users/<name>"),
    ("POST", "/api/users/<name>/totp"),
    ("PUT", "/api/users/<name>/totp"),
    ("DELETE", "/api/users/<name>/totp"),
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions/<identifier>"),
    ("GET", "/api/apikeys"),
    ("POST", "/api/apikeys"),
    ("DELETE", "/api/apikeys/<name>"),
    ("PUT", "/api/edid"),
]
FOR_OPERATORS = [
    ("GET", "/keyboard"),
    ("POST", "/keyboard"),
    ("POST", "/api/keyboard"),
    ("GET", "/mouse"),
    ("POST", "/mouse"),
    ("POST", "/api/mouse"),
    ("POST", "/api/power"),
    ("POST", "/api/text"),
    ("DELETE", "/api/text"),
]
PROTECTED = [
    ("GET", "/api/status"),
    ("GET", "/api/devices"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/certificate"),
    ("GET", "/api/edid"),
    ("GET", "/api/edid/profiles"),
    ("GET", "/api/power"),
    ("GET", "/api/text"),
    ("GET", "/api/layouts"),
    ("GET", "/api/layouts/<name>"),
    ("GET", "/api/virtual"),
    ("GET", "/stream"),
    ("GET", "/snapshot"),
    ("POST", "/api/logout"),
    ("GET", "/api/me"),
    ("GET", "/api/ocr"),
    ("POST", "/api/ocr"),
    ("GET", "/api/ws"),
    *FOR_OPERATORS,
    *FOR_ADMINS,
]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def cookie(daemon: Daemon, token: str = "") -> dict[str, str]:
    return {"Cookie": f"{daemon.cookie}={token or daemon.token}"}


def no_token(daemon: Daemon, **headers: str) -> Answer:
    return daemon.get("/api/status", token="", headers=headers)


def test_a_token_travels_in_every_way(daemon: Daemon) -> None:
    for answer in (
        daemon.get("/api/status", token=daemon.token),
        daemon.get(f"/api/status?token={daemon.token}", token=""),
        daemon.get("/api/status", token="", headers=cookie(daemon)),
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
        {"Cookie": "kvmd_token_{device}="},
        {"Cookie": "kvmd_token_{device}=\xff"},
        {"Cookie": "kvmd_token=1"},
        {"Cookie": "other=1"},
    ],
)
def test_nonsense_is_not_let_in_and_breaks_nothing(daemon: Daemon, headers: dict[str, str]) -> None:
    device = daemon.kvm.auth.device
    answer = no_token(daemon, **{name: value.format(device=device) for name, value in headers.items()})
    assert (answer.code, answer.json["status"]) == (401, 0)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_login_sets_a_cookie_that_no_script_can_read(daemon: Daemon) -> None:
    answer = daemon.post("/login_api", {"username": USER, "password": PASSWORD}, token="")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name == f"{daemon.cookie}={answer.data['token']}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)


def test_the_token_of_a_session_that_ended_is_refused(daemon: Daemon) -> None:
    token = daemon.login()
    assert daemon.get("/api/status", token=token).code == 200
    answer = daemon.post("/api/logout", {}, token=token)
    assert answer.data == []
    assert f"{daemon.cookie}=;" in answer.headers["Set-Cookie"]
    refused = daemon.get("/api/status", token=token)
    assert (refused.code, refused.json["info"]) == (
        401,
        "the token is wrong, or its session has ended: it was logged out; log in again",
    )


@pytest.mark.parametrize("send", [cookie, lambda _, token: {"Authorization": f"Bearer {token}"}])
def test_a_logout_ends_the_session_by_whichever_way_the_token_came(
    daemon: Daemon, send: Callable[[Daemon, str], dict[str, str]]
) -> None:
    token = daemon.login()
    assert daemon.post("/api/logout", {}, token="", headers=send(daemon, token)).code == 200
    assert daemon.get("/api/status", token=token).code == 401


def test_wrong_passwords_are_slowed_for_their_user_and_address_alone(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmd.system.delays.time", SimpleNamespace(monotonic=time.monotonic().__float__))
    for _ in range(5):
        answer = daemon.post("/login_api", {"username": USER, "password": "wrong"}, token="", source="127.0.0.2")
        assert (answer.code, answer.json["info"]) == (401, "wrong user name or password")
    for answer in (
        daemon.post("/login_api", {"username": USER, "password": PASSWORD}, token="", source="127.0.0.2"),
        daemon.get("/api/status", token="", headers=basic(USER, PASSWORD), source="127.0.0.2"),
    ):
        assert (answer.code, answer.json["status"]) == (429, 0)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
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
