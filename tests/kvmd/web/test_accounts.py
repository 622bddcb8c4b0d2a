"""Users, sessions, API keys and the audit over HTTP: for admins, and what is open ends with what allowed it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kvmd.access.credentials import Credentials
from kvmd.access.grant import UserRole
from kvmd.access.totp import code_at
from tests.conftest import HOST, PASSWORD, USER, Answer, Daemon
from tests.kvmd.web.test_identity import FOR_ADMINS, FOR_OPERATORS, PROTECTED, basic
from tests.waiting import eventually
from tests.wire import Wire, request


@pytest.fixture(scope="module")
def staffed(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon with a user of each role."""
    with make_daemon().running() as daemon:
        for name, role in (("ann", UserRole.OPERATOR), ("vic", UserRole.VIEWER), ("boss", UserRole.ADMIN)):
            daemon.kvm.auth.credentials.add_user(name, PASSWORD, role)
        yield daemon


def log_in(daemon: Daemon, user: str, **more: str) -> Answer:
    return daemon.post("/login_api", {"username": user, "password": PASSWORD, **more}, token="")


def token_of(daemon: Daemon, user: str) -> str:
    return str(log_in(daemon, user).data["token"])


def delete(daemon: Daemon, path: str, token: str | None = None) -> Answer:
    return daemon.request("DELETE", path, token=daemon.token if token is None else token)


@pytest.mark.parametrize("user", ["vic", "ann"])
def test_nobody_may_what_is_beyond_their_role(staffed: Daemon, user: str) -> None:
    token = token_of(staffed, user)
    beyond = FOR_ADMINS if user == "ann" else [*FOR_ADMINS, *FOR_OPERATORS]
    for method, path in beyond:
        answer = staffed.request(method, path.replace("<name>", "ann"), b'{"keycodes": ["KeyA"]}', token=token)
        needed = "admin" if (method, path) in FOR_ADMINS else "operator"
        expected = f"this needs the role {needed}; {user} has {'operator' if user == 'ann' else 'viewer'}"
        assert (answer.code, answer.json["info"]) == (403, expected), (method, path)
    for method, path in set(PROTECTED) - set(beyond) - {("POST", "/api/logout"), ("GET", "/stream")}:
        assert staffed.request(method, path, b"{}", token=token).code not in {401, 403}, (method, path)
    assert staffed.down() == (0, ())


def test_who_asks_is_told_who_they_are(staffed: Daemon) -> None:
    assert staffed.get("/api/me", token=token_of(staffed, "vic")).data == {"who": "vic", "role": "viewer"}
    key = staffed.kvm.auth.credentials.add_key("script", UserRole.OPERATOR)
    assert staffed.get("/api/me", token=key).data == {"who": "API key script", "role": "operator"}
    staffed.kvm.auth.credentials.remove_key("script")


def test_users_are_made_changed_and_removed(staffed: Daemon) -> None:
    put, path = staffed.put, "/api/users/eve"
    assert put(path, {"password": PASSWORD}).json["info"].endswith("a new one needs both: password, role")
    assert put(path, {"password": "short", "role": "viewer"}).code == 400
    assert put("/api/users/a%2Fb", {"password": PASSWORD, "role": "viewer"}).code == 404
    assert put("/api/users/%20", {"password": PASSWORD, "role": "viewer"}).code == 400
    assert put(path, {"password": PASSWORD, "role": "king"}).code == 400
    assert put(path, {"password": PASSWORD, "role": "viewer"}).code == 200
    eve = token_of(staffed, "eve")
    assert {"name": "eve", "role": "viewer", "totp": False} in staffed.get("/api/users").data
    assert put(path, {}).code == 400
    assert put(path, {"role": "operator"}).code == 200
    assert staffed.get("/api/me", token=eve).data["role"] == "operator"
    assert put(path, {"password": "another long password"}).code == 200
    refused = staffed.get("/api/me", token=eve)
    assert (refused.code, "the password was changed" in refused.json["info"]) == (401, True)
    assert delete(staffed, path).code == 200
    gone = delete(staffed, path)
    assert (gone.code, gone.json["info"]) == (404, 'there is no user named "eve"; GET /api/users lists them')


def test_the_last_admin_stays(staffed: Daemon) -> None:
    assert staffed.put("/api/users/boss", {"role": "viewer"}).code == 200
    for answer in (delete(staffed, f"/api/users/{USER}"), staffed.put(f"/api/users/{USER}", {"role": "operator"})):
        assert (answer.code, "the last admin" in answer.json["info"]) == (400, True)
    assert staffed.put("/api/users/boss", {"role": "admin"}).code == 200


def test_one_time_codes_are_set_up_with_a_code(staffed: Daemon) -> None:
    path = "/api/users/ann/totp"
    given = staffed.post(path, {}).data
    assert given["uri"].startswith("otpauth://totp/")
    assert log_in(staffed, "ann").code == 200, "it is not in force yet"
    assert staffed.put(path, {"secret": given["secret"], "code": "0"}).code == 400
    assert staffed.put(path, {"secret": given["secret"], "code": now(given["secret"])}).code == 200
    refused = log_in(staffed, "ann")
    assert (refused.code, refused.json["info"]) == (401, "a one-time code is needed, too; send it as code")
    assert staffed.get("/api/me", token="", headers=basic("ann", PASSWORD)).code == 401
    assert log_in(staffed, "ann", code=now(given["secret"])).code == 200
    assert delete(staffed, path).code == 200
    assert log_in(staffed, "ann").code == 200


def now(secret: str) -> str:
    return code_at(secret, int(time.time()) // 30)


def test_sessions_are_listed_and_ended(staffed: Daemon) -> None:
    token = token_of(staffed, "vic")
    sessions = staffed.get("/api/sessions").data
    (own,) = (each for each in sessions if each["own"])
    assert (own["user"], own["address"]) == (USER, HOST)
    newest = sessions[-2] if sessions[-1]["own"] else sessions[-1]
    assert newest["user"] == "vic"
    assert token not in str(sessions)
    assert delete(staffed, f"/api/sessions/{newest['id']}").code == 200
    refused = staffed.get("/api/me", token=token)
    assert (refused.code, f"{USER} ended it" in refused.json["info"]) == (401, True)
    assert delete(staffed, f"/api/sessions/{newest['id']}").code == 404


def test_keys_are_made_listed_and_removed(staffed: Daemon) -> None:
    assert staffed.post("/api/apikeys", {"name": "x", "days": 0}).code == 400
    made = staffed.post("/api/apikeys", {"name": "backup", "role": "viewer", "days": 1}).data
    assert staffed.get("/api/status", token=made["key"]).code == 200
    assert staffed.post("/api/keyboard", {"keycodes": ["KeyA"]}, token=made["key"]).code == 403
    (listed,) = staffed.get("/api/apikeys").data
    assert (listed["name"], listed["role"], listed["is_over"]) == ("backup", "viewer", False)
    assert made["key"] not in str(listed)
    assert staffed.post("/api/apikeys", {"name": "backup"}).code == 400
    assert delete(staffed, "/api/apikeys/backup").code == 200
    assert staffed.get("/api/status", token=made["key"]).code == 401
    assert delete(staffed, "/api/apikeys/backup").code == 404


def audit(daemon: Daemon, what: str) -> list[Any]:
    return [entry for entry in daemon.get("/api/audit").data if entry["what"] == what]


def test_the_audit_has_who_did_what_and_never_what_was_typed(staffed: Daemon) -> None:
    ann = token_of(staffed, "ann")
    for code in ("KeyX", "KeyY"):
        staffed.post("/api/keyboard", {"keycodes": [code]}, token=ann)
    staffed.post("/api/power", {"action": "press", "button": "reset"}, token=ann)
    staffed.post("/login_api", {"username": "mallory", "password": "a secret guess"}, token="")
    staffed.post("/api/logout", {}, token=ann)
    for what, who, detail in (
        ("login", "ann", "logged in"),
        ("typing", "ann", "began to type or point"),
        ("power", "ann", "the reset button was pressed for 0.5 s"),
        ("refusal", "mallory", "wrong user name or password"),
        ("logout", "ann", "logged out"),
    ):
        entry = audit(staffed, what)[-1]
        assert (entry["who"], entry["address"], entry["detail"]) == (who, HOST, detail)
    told = str(staffed.get("/api/audit").data)
    assert not any(secret in told for secret in ("KeyX", "KeyY", "secret guess", PASSWORD, ann))


def test_changes_by_the_command_line_are_in_the_audit(staffed: Daemon) -> None:
    other = Credentials(staffed.kvm.auth.credentials.path)
    other.add_user("zoe", PASSWORD, UserRole.VIEWER)
    staffed.get("/api/status")
    other.remove_user("zoe")
    staffed.get("/api/status")
    assert [(entry["who"], entry["detail"]) for entry in audit(staffed, "users")[-2:]] == [
        ("root", "user 'zoe' was made, with the role viewer"),
        ("root", "user 'zoe' was removed"),
    ]


def test_a_stream_that_ends_shows_why(staffed: Daemon) -> None:
    """Its last picture is a slate, after which the connection ends."""
    key = staffed.kvm.auth.credentials.add_key("wall", UserRole.VIEWER)
    with Wire((HOST, staffed.video_port)) as wire:
        wire.send(request("GET", "/stream", f"Authorization: Bearer {key}"))
        assert wire.file.readline() == b"HTTP/1.1 200 OK\r\n"
        eventually(lambda: staffed.kvm.video.broadcaster.viewers == 1, "the viewer")
        staffed.kvm.auth.credentials.remove_key("wall")
        parts = wire.file.read().split(b"--kvmd\r\n")
    slate = staffed.kvm.video._farewell("the API key was removed").split(b"\r\n\r\n", 1)[1]
    assert parts[-1] == b""
    assert parts[-2].split(b"\r\n\r\n", 1)[1] + b"--kvmd\r\n" == slate


def test_keys_that_are_held_are_released_with_the_right_to_hold_them(staffed: Daemon) -> None:
    ends: dict[str, Callable[[], object]] = {
        token_of(staffed, "ann"): lambda: staffed.put("/api/users/ann", {"role": "viewer"}),
        staffed.kvm.auth.credentials.add_key("typist"): lambda: delete(staffed, "/api/apikeys/typist"),
    }
    for token, end in ends.items():
        assert staffed.post("/api/keyboard", {"press": ["KeyB"]}, token=token).code == 200
        assert staffed.down() == (0, (5,))
        end()
        eventually(lambda: staffed.down() == (0, ()), "the release")
    staffed.put("/api/users/ann", {"role": "operator"})


def test_a_proxys_own_basic_does_no_harm(staffed: Daemon) -> None:
    """Browsers send it with each request, also to us; it is no wrong login, and a good cookie goes first."""
    foreign = basic("proxy", "its password")
    cookie = {"Cookie": f"{staffed.cookie}={staffed.token}"}
    for _ in range(30):
        assert staffed.get("/api/status", token="", headers=foreign | cookie).code == 200
        script = staffed.get("/api/status", token="", headers=foreign | {"X-Requested-With": "kvmd"})
        assert (script.code, script.json["info"]) == (401, "log in first: /login_api")
        stale = staffed.get("/api/status", token="", headers=foreign | {"Cookie": f"{cookie['Cookie']}x"})
        assert (stale.code, "its session has ended" in stale.json["info"]) == (401, True)
    assert log_in(staffed, USER).code == 200
    assert not [entry for entry in audit(staffed, "refusal") if entry["who"] == "proxy"]


def test_a_browser_that_was_here_before_is_not_held_up_by_others(staffed: Daemon) -> None:
    marks = log_in(staffed, "boss").headers.get_all("Set-Cookie", [])
    (mark,) = (each.partition(";")[0] for each in marks if each.startswith("kvmd_browser_"))
    for _ in range(6):
        staffed.post("/login_api", {"username": "boss", "password": "wrong"}, token="")
    login = {"username": "boss", "password": PASSWORD}
    assert staffed.post("/login_api", login, token="", headers={"Cookie": mark}).code == 200
