"""The API of BliKVM's document, word for word, and its additions."""

import json
import re
from collections.abc import Iterator

import pytest

from kvmd.contract.hid import Capability
from kvmd.input.keymap import KEYS
from tests.conftest import PASSWORD, USER, Daemon
from tests.waiting import eventually

LOGIN = {"username": USER, "password": PASSWORD}
A, B = KEYS["KeyA"].usage, KEYS["KeyB"].usage
NOTHING = (0, ())


@pytest.fixture(autouse=True)
def _released(daemon: Daemon) -> Iterator[None]:
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")
    yield
    daemon.kvm.input.keyboard.reset()


def typed(daemon: Daemon) -> str:
    """The line that is being typed."""
    return [line.text for line in daemon.computer.state().lines if line.text][-1]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_login_answers_as_the_document_says(daemon: Daemon, method: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = daemon.request(method, "/login_api", json.dumps(LOGIN).encode(), token="", headers=headers)
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json"
    token = answer.json["data"]["token"]
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert answer.body == b'{"status":1,"info":"login success","data":{"token":"%s"}}' % token.encode()
    assert daemon.get("/api/status", token=token).code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_keyboard_answers_as_the_document_says(daemon: Daemon, method: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    before = typed(daemon)
    answer = daemon.request(method, "/keyboard", b'{"keycodes": ["Digit1"]}', headers=headers)
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == b'{"status":1,"info":"key input success","data":[]}'
    assert typed(daemon) == before + "1"
    assert daemon.down() == NOTHING


def test_a_chord_is_pressed_at_once(daemon: Daemon) -> None:
    daemon.post("/keyboard", {"keycodes": ["ControlLeft", "AltLeft", "Delete"]})
    assert daemon.computer.state().keys[-1] == "Ctrl+Alt+Delete"


def test_unknown_members_are_left_alone(daemon: Daemon) -> None:
    """What newer clients add does not break them."""
    assert daemon.post("/keyboard", {"keycodes": ["KeyA"], "delay": 5, "token": "x"}).code == 200


@pytest.mark.parametrize(
    ("body", "info"),
    [
        (b'{"username": "admin"}', r'missing required field "password"'),
        (b'{"username": 1, "password": "x"}', r"username"),
        (b"[]", "the body"),
        (b"", "the body is not what /login_api takes"),
        (b"{", "the body is not what /login_api takes"),
        (b"\xff\xfe", "the body is not what /login_api takes"),
        (b'{"username": "\xff", "password": "x"}', "the body is not what /login_api takes"),
    ],
)
def test_a_login_that_cannot_be_understood(daemon: Daemon, body: bytes, info: str) -> None:
    answer = daemon.post("/login_api", body, token="")
    assert (answer.code, answer.json["status"], answer.json["data"]) == (400, 0, [])
    assert re.search(info, answer.json["info"]), answer.json["info"]


@pytest.mark.parametrize("path", ["/keyboard", "/api/keyboard"])
@pytest.mark.parametrize(
    ("body", "info"),
    [
        (b'{"keycodes": ["KeyA", "Keyb"]}', '"Keyb" is not a key'),
        (b'{"press": ["Nonsense"]}', '"Nonsense" is not a key'),
        (b'{"release": ["Nonsense"]}', '"Nonsense" is not a key'),
        (b'{"keycodes": []}', "no key given"),
        (json.dumps({"keycodes": [f"Key{letter}" for letter in "ABCDEFG"]}).encode(), "7 ordinary keys at once"),
        (b'{"keycodes": "KeyA"}', "keycodes"),
        (b'{"keycodes": [4]}', "keycodes"),
        (b'{"keycodes": [null]}', "keycodes"),
        (b'{"keycodes": {"KeyA": 1}}', "keycodes"),
        (b'{"keycodes": null}', "exactly one is needed"),
        (b"{}", "exactly one is needed"),
        (b'{"keycodes": ["KeyA"], "press": ["KeyB"]}', "exactly one is needed"),
        (b'{"press": ["KeyA"], "release_all": true}', "exactly one is needed"),
        (b'{"release_all": false}', "exactly one is needed"),
        (b'{"release_all": 1}', "release_all"),
        (b'["KeyA"]', "the body"),
        (b'"KeyA"', "the body"),
        (b"null", "the body"),
        (b"KeyA", "the body is not what"),
        (b"keycodes=KeyA", "the body is not what"),
        (b'{"keycodes": ["KeyA"]', "the body is not what"),
        (b'{"keycodes": ["Key\xff"]}', "the body is not what"),
        (b"[" * 5000, "the body is not what"),
        (b"", "the body is not what"),
        (None, "the body is not what"),
    ],
)
def test_keys_that_cannot_be_understood_press_nothing(daemon: Daemon, path: str, body: bytes | None, info: str) -> None:
    before = daemon.computer.state().keys
    answer = daemon.request("POST", path, body)
    assert answer.code == 400, answer.body
    assert (answer.json["status"], answer.json["data"]) == (0, [])
    assert info in answer.json["info"]
    assert "Traceback" not in answer.json["info"]
    assert daemon.computer.state().keys == before
    assert daemon.down() == NOTHING


def test_keys_are_held_and_released(daemon: Daemon) -> None:
    daemon.post("/api/keyboard", {"press": ["ShiftLeft", "KeyA"]})
    assert daemon.down() == (2, (A,))
    daemon.post("/api/keyboard", {"press": ["KeyB"]})
    daemon.post("/api/keyboard", {"release": ["KeyA"]})
    assert daemon.down() == (2, (B,))
    answer = daemon.post("/api/keyboard", {"release_all": True})
    assert answer.json == {"status": 1, "info": "key input success", "data": []}
    assert daemon.down() == NOTHING


def test_two_logins_are_two_clients(daemon: Daemon) -> None:
    other = daemon.login()
    daemon.post("/api/keyboard", {"press": ["KeyA"]})
    daemon.post("/api/keyboard", {"press": ["KeyA", "KeyB"]}, token=other)
    daemon.post("/api/keyboard", {"release_all": True})
    assert daemon.down() == (0, (A, B))
    daemon.post("/api/keyboard", {"release_all": True}, token=other)
    assert daemon.down() == NOTHING


def test_a_logout_releases_what_was_held(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon.kvm.input.keyboard, "expire", lambda: None)  # what would do it half a second later
    token = daemon.login()
    daemon.post("/api/keyboard", {"press": ["KeyA"]}, token=token)
    assert daemon.down() == (0, (A,))
    assert daemon.post("/api/logout", {}, token=token).json == {"status": 1, "info": "logout success", "data": []}
    assert daemon.down() == NOTHING


def test_the_seventh_key_beside_what_others_hold_is_refused(daemon: Daemon) -> None:
    daemon.post("/api/keyboard", {"press": [f"Key{letter}" for letter in "ABCDEF"]})
    answer = daemon.post("/keyboard", {"keycodes": ["KeyG"]}, token=daemon.login())
    assert (answer.code, answer.json["status"]) == (400, 0)
    assert "7 ordinary keys" in answer.json["info"]
    assert len(daemon.down()[1]) == 6


def test_without_a_host_it_says_so(daemon: Daemon) -> None:
    daemon.computer.plug_host(False)
    for _ in range(2):
        answer = daemon.post("/keyboard", {"keycodes": ["KeyA"]})
        assert (answer.code, answer.json["status"]) == (503, 0)
        assert "no host: the virtual computer's USB cable is unplugged" in answer.json["info"]
        eventually(lambda: not daemon.kvm.input.slot.is_online, "the loss being noticed")
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")
    assert daemon.post("/keyboard", {"keycodes": ["KeyA"]}).code == 200


def test_what_the_driver_cannot_do_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(daemon.kvm.input.slot.driver), "capabilities", Capability.LEDS)
        for body in ({"keycodes": ["KeyA"]}, {"press": ["KeyA"]}):
            answer = daemon.post("/api/keyboard", body)
            info = "KeyA cannot be pressed: the device in use has no keyboard"
            assert (answer.code, answer.json) == (409, {"status": 0, "info": info, "data": []})
    daemon.post("/keyboard", {"keycodes": ["KeyB"]})
    assert daemon.down() == NOTHING, "what was refused is not held"
