"""The mouse over HTTP, in the manner of the document: method, envelope, errors."""

import json
import re
from collections.abc import Iterator

import pytest

from kvmd.contract.hid import Capability
from kvmd_drivers.virtual import VirtualHid
from kvmd_drivers.virtual.session import Pointer
from tests.conftest import Daemon
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _released(daemon: Daemon) -> Iterator[None]:
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")
    yield
    daemon.kvm.input.mouse.reset()


def pointer(daemon: Daemon) -> Pointer:
    return daemon.computer.state().pointer


@pytest.mark.parametrize(("method", "path"), [("GET", "/mouse"), ("POST", "/mouse"), ("POST", "/api/mouse")])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_it_answers_in_the_documents_style(daemon: Daemon, method: str, path: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = daemon.request(method, path, b'{"x": 0.5, "y": 0.25}', headers=headers)
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == b'{"status":1,"info":"mouse input success","data":[]}'
    assert (pointer(daemon).x, pointer(daemon).y) == (640, 180)


def test_everything_at_once(daemon: Daemon) -> None:
    before = pointer(daemon)
    body = {"x": 0, "y": 0, "buttons": ["left"], "click": "right", "wheel": 1, "hwheel": -1, "token": "x"}
    assert daemon.post("/mouse", body).code == 200
    after = pointer(daemon)
    assert (after.x, after.y, after.buttons) == (0, 0, 1)
    assert (after.wheel - before.wheel, after.hwheel - before.hwheel) == (1, -1)
    daemon.post("/mouse", {"dx": 300, "dy": 200})
    daemon.post("/mouse", {"buttons": []})
    assert (pointer(daemon).x, pointer(daemon).y, pointer(daemon).buttons) == (300, 200, 0)


@pytest.mark.parametrize(
    ("body", "info"),
    [
        ({}, "nothing to do"),
        ({"x": 1.5, "y": 0}, '"?x"?'),
        ({"x": -0.1, "y": 0}, "x"),
        ({"x": "left", "y": 0}, "x"),
        ({"x": 0.5}, "x and y go together"),
        ({"dx": 1.5}, "dx"),
        ({"dx": 40000}, "dx"),
        ({"x": 0, "y": 0, "dx": 1}, "one of them"),
        ({"buttons": "left"}, "buttons"),
        ({"buttons": ["thumb"]}, "thumb"),
        ({"click": "any"}, "any"),
        ({"wheel": "up"}, "wheel"),
        ([], "the body"),
        (b"x=1", "the body is not what /mouse takes"),
    ],
)
def test_what_cannot_be_understood_moves_nothing(daemon: Daemon, body: object, info: str) -> None:
    before = pointer(daemon)
    answer = daemon.post("/mouse", body)
    assert (answer.code, answer.json["status"], answer.json["data"]) == (400, 0, [])
    assert re.search(info, answer.json["info"]), answer.json["info"]
    assert pointer(daemon) == before


def test_without_a_login_nothing_moves(daemon: Daemon) -> None:
    before = pointer(daemon)
    assert daemon.post("/mouse", {"x": 1, "y": 1}, token="").code == 401
    assert pointer(daemon) == before


def test_without_a_host_it_says_so(daemon: Daemon) -> None:
    daemon.computer.plug_host(False)
    eventually(lambda: not daemon.kvm.input.slot.is_online, "the loss")
    answer = daemon.post("/mouse", {"x": 1, "y": 1})
    assert answer.code == 503
    assert "USB cable is unplugged" in answer.json["info"]


def test_what_the_driver_cannot_do_is_a_conflict(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VirtualHid, "capabilities", Capability.KEYBOARD)
    answer = daemon.post("/mouse", {"x": 1, "y": 1})
    assert answer.code == 409
    assert answer.json["info"] == "the device in use has no absolute mouse; it has: keyboard"
    answer = daemon.post("/keyboard", {"keycodes": ["MediaPlayPause"]})
    assert answer.code == 409
    assert answer.json["info"] == "MediaPlayPause cannot be pressed: the device in use has no media keys"


def test_logging_out_releases_the_buttons(daemon: Daemon) -> None:
    token = daemon.login()
    daemon.post("/mouse", {"buttons": ["left", "forward"]}, token=token)
    assert pointer(daemon).buttons == 0b10001
    daemon.post("/api/logout", {}, token=token)
    assert pointer(daemon).buttons == 0


def test_media_and_power_keys_go_through_the_keyboard(daemon: Daemon) -> None:
    body = json.dumps({"keycodes": ["AudioVolumeMute"]}).encode()
    assert daemon.request("GET", "/keyboard", body).code == 200
    for name in ("MediaPlayPause", "Sleep", "WakeUp", "Power"):
        assert daemon.post("/keyboard", {"keycodes": [name]}).code == 200
    keys = ("AudioVolumeMute", "MediaPlayPause", "Sleep", "WakeUp", "Power")
    assert daemon.computer.state().keys[-5:] == keys
