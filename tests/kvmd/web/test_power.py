"""The target's power over HTTP: a virtual computer is switched off and on, and the picture shows it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kvmd.contract.power import PowerButton
from kvmd.contract.reports import State
from tests.conftest import HOST, Answer, Daemon
from tests.kvmd.web.conftest import switch_on
from tests.waiting import eventually, patience


@pytest.fixture(autouse=True)
def running(daemon: Daemon) -> Iterator[None]:
    """A computer that runs, whatever the test before did to it."""
    yield
    switch_on(daemon)
    eventually(lambda: target(daemon) == "on" and daemon.kvm.video.slot.is_online, "the computer to run")


def target(daemon: Daemon) -> str:
    state: str = daemon.get("/api/power").data["target"]
    return state


def act(daemon: Daemon, action: str, **rest: Any) -> Answer:
    return daemon.post("/api/power", {"action": action, **rest})


def reach(daemon: Daemon, state: str) -> None:
    eventually(lambda: target(daemon) == state, f"the target to be {state}")


def test_how_power_stands(daemon: Daemon) -> None:
    reach(daemon, "on")
    answer = daemon.get("/api/power")
    assert answer.json["info"] == "power success"
    power = answer.data
    assert (power["state"], power["driver"], power["press"]) == ("online", "virtual", None)
    assert power["capabilities"] == ["power_button", "reset_button", "power_lamp", "disk_lamp"]
    assert power.keys() == daemon.status()["power"].keys()


def test_off_and_on_again_is_seen_by_all(daemon: Daemon) -> None:
    reach(daemon, "on")
    answer = act(daemon, "off")
    assert (answer.code, answer.json["info"]) == (200, "the power button was pressed for 0.5 s")
    reach(daemon, "off")
    eventually(lambda: daemon.status()["capture"]["state"] == "no signal", "the picture to go")
    status = daemon.status()
    assert "switched off" in status["capture"]["reason"]
    assert status["hid"]["state"] == "no signal"
    assert act(daemon, "off").json["info"] == "nothing was done: the target is off already"
    assert act(daemon, "on").json["info"] == "the power button was pressed for 0.5 s"
    reach(daemon, "on")
    eventually(lambda: daemon.status()["capture"]["state"] == "online", "the picture")
    assert act(daemon, "on").json["info"] == "nothing was done: the target is on already"


def test_force_off(daemon: Daemon) -> None:
    reach(daemon, "on")
    assert act(daemon, "force_off").json["info"] == "the power button was pressed for 6 s"
    reach(daemon, "off")


def test_reset(daemon: Daemon) -> None:
    reach(daemon, "on")
    assert act(daemon, "reset").json["info"] == "the reset button was pressed for 0.5 s"


@pytest.mark.parametrize(
    ("rest", "info"),
    [
        ({}, "the power button was pressed for 0.5 s"),
        ({"button": "reset", "length": "short"}, "the reset button was pressed for 0.5 s"),
        ({"length": "long"}, "the power button was pressed for 6 s"),
        ({"button": "reset", "seconds": 0.1}, "the reset button was pressed for 0.1 s"),
    ],
)
def test_press(daemon: Daemon, rest: dict[str, Any], info: str) -> None:
    reach(daemon, "on")
    answer = act(daemon, "press", **rest)
    assert (answer.code, answer.json["info"]) == (200, info)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, 'missing required field "action"'),
        ({"action": "explode"}, "Invalid enum value 'explode'"),
        ({"action": "press", "seconds": 20.1}, "Expected `float` <= 20.0".replace("`", '"')),
        ({"action": "press", "seconds": 0.01}, "Expected `float` >= 0.1".replace("`", '"')),
        ({"action": "press", "button": "turbo"}, "Invalid enum value 'turbo'"),
        ({"action": "press", "length": "long", "seconds": 1}, "length or seconds, not both"),
        ({"action": "on", "seconds": 1}, "button, length and seconds go with press alone, not with on"),
        ({"action": "on", "force": True}, 'unknown field "force"'),
    ],
)
def test_what_makes_no_sense_presses_nothing(daemon: Daemon, body: dict[str, Any], problem: str) -> None:
    answer = daemon.post("/api/power", body)
    assert (answer.code, answer.json["status"]) == (400, 0)
    assert problem in answer.json["info"]
    assert daemon.get("/api/power").data["press"] is None


def test_no_json(daemon: Daemon) -> None:
    assert daemon.post("/api/power", b"on, please").code == 400


def test_one_press_at_a_time(daemon: Daemon) -> None:
    reach(daemon, "on")
    answers: list[Answer] = []
    presser = threading.Thread(target=lambda: answers.append(act(daemon, "press", button="reset", seconds=4)))
    presser.start()
    eventually(lambda: daemon.get("/api/power").data["press"], "the press")
    refused = act(daemon, "force_off")
    assert refused.code == 409
    assert "the reset button is pressed, for " in refused.json["info"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 4
    presser.join()
    assert answers[0].code == 200


def test_a_client_that_goes_away_leaves_no_button_pressed(daemon: Daemon) -> None:
    reach(daemon, "on")
    body = b'{"action": "press", "button": "reset", "seconds": 3}'
    head = f"POST /api/power HTTP/1.1\r\nHost: kvm\r\nAuthorization: Bearer {daemon.token}\r\n"
    with socket.create_connection((HOST, daemon.port), timeout=patience()) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: daemon.computer.is_down(PowerButton.RESET), "the press", pause=0.01)
    eventually(lambda: daemon.get("/api/power").data["press"] is None, "the end of the press")
    assert not daemon.computer.is_down(PowerButton.RESET)


def test_where_nothing_is_wired_the_answer_says_so(daemon: Daemon) -> None:
    daemon.computer.plug_panel(False)
    try:
        eventually(lambda: daemon.kvm.power.slot.status.state is not State.ONLINE, "the loss")
        assert act(daemon, "on").code == 503
        assert "unplugged" in daemon.get("/api/power").data["reason"]
    finally:
        daemon.computer.plug_panel(True)


def test_nobody_logged_in(daemon: Daemon) -> None:
    assert daemon.get("/api/power", token="").code == 401
    assert daemon.request("POST", "/api/power", b'{"action": "force_off"}', token="").code == 401
