"""Text on a socket: it is typed, followed, cancelled, and ends with the socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kvmd.access.grant import UserRole
from kvmd.contract.hid import AbsoluteMouseReport, KeyboardReport, RelativeMouseReport, Report
from kvmd.input.keymap import KEYS
from tests.conftest import PASSWORD, Daemon
from tests.sockets import Socket
from tests.waiting import eventually

LONG = "abcdefghij" * 500


@pytest.fixture
def socket(daemon: Daemon) -> Iterator[Socket]:
    with Socket(daemon) as socket:
        yield socket
    eventually(lambda: report(daemon)["state"] != "typing", "the end of the text")
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def report(daemon: Daemon) -> Any:
    return daemon.get("/api/text").data


def begin(socket: Socket, number: int) -> None:
    """Have a long text typed, and wait for news that some of it is."""
    socket.send("text", text=LONG, delay=20, id=number)
    news = socket.wait("typed", wanted=lambda news: news["typed"] > 3)
    assert (news["id"], news["length"]) == (number, 5000)


def test_text_is_typed_and_answered(daemon: Daemon, socket: Socket) -> None:
    daemon.post("/keyboard", {"keycodes": ["Enter"]})
    assert socket.do("text", text="Over a wire, 100 %")["info"] == "18 of 18 characters were typed"
    lines = [line.text.rstrip() for line in daemon.computer.state().lines]
    assert any(line.endswith("Over a wire, 100 %") for line in lines)
    assert report(daemon)["state"] == "done"


def test_the_last_news_is_that_all_is_typed(socket: Socket) -> None:
    socket.send("text", text="abc")
    assert socket.wait("typed", wanted=lambda news: news["typed"] == 3)["id"] is None


def test_keys_and_clicks_follow_the_texts_before_them(
    daemon: Daemon, socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = noted(daemon, monkeypatch)
    socket.send("tap", keys=["KeyA"], id=1)
    socket.send("text", text="bc", delay=100, id=2)
    socket.send("text", text="d", id=3)
    socket.send("tap", keys=["KeyE"], id=4)
    socket.send("mouse", click="left", id=5)
    answers = [socket.wait("done", "refused") for _ in range(5)]
    assert [(answer["type"], answer["id"]) for answer in answers] == [("done", number) for number in range(1, 6)]
    assert seen == ["KeyA", "KeyB", "KeyC", "KeyD", "KeyE", "left"]


def test_a_key_does_not_wait_for_a_text_that_takes_too_long(daemon: Daemon, socket: Socket) -> None:
    socket.send("text", text="abc", delay=900, id=70)  # 2.7 s
    assert socket.refused("tap", keys=["KeyB"])["reason"] == "busy"
    socket.send("mouse", x=0.5, y=0.5, id=71)  # nor does the mouse
    assert socket.wait("done")["id"] == 71
    daemon.request("DELETE", "/api/text")
    assert socket.wait("refused")["reason"] == "cancelled"


def test_a_key_waits_no_longer_than_it_may(daemon: Daemon, socket: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device takes its time, so that a text which could be typed at once is not."""
    held_up = threading.Event()
    take = daemon.computer.take

    def wait(report: Report) -> None:
        held_up.wait(1.0)
        take(report)

    monkeypatch.setattr(daemon.computer, "take", wait)
    socket.send("text", text="abcd", delay=0, id=70)
    refused = socket.refused("tap", keys=["KeyB"])
    held_up.set()
    assert refused["reason"] == "busy"
    assert "a text is being typed" in refused["info"]
    assert socket.wait("done")["id"] == 70


def noted(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes down at the computer from now on: keys, and "left" for the mouse's button."""
    seen: list[str] = []
    take = daemon.computer.take

    def note(report: Report) -> None:
        if isinstance(report, KeyboardReport) and report.keys:
            seen.extend(name for name in KEYS if KEYS[name].usage in report.keys and name.startswith("Key"))
        if isinstance(report, AbsoluteMouseReport | RelativeMouseReport) and report.buttons:
            seen.append("left")
        take(report)

    monkeypatch.setattr(daemon.computer, "take", note)
    return seen


def test_what_is_refused(daemon: Daemon, socket: Socket) -> None:
    unknown = socket.refused("text", text="€")
    assert (unknown["reason"], unknown["what"]) == ("malformed", "text")
    assert "U+20AC EURO SIGN" in unknown["info"]
    assert socket.refused("text", text="a", layout="klingon")["reason"] == "malformed"
    assert socket.refused("text", text="a", delay=5000)["reason"] == "malformed"
    assert socket.refused("text", text="a", at=socket.now - 3000)["reason"] == "late"
    daemon.computer.plug_host(False)
    assert socket.refused("text", text="a")["reason"] == "offline"
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")


def test_it_is_cancelled_and_keys_are_busy_meanwhile(socket: Socket) -> None:
    socket.do("press", keys=["ControlLeft"])
    begin(socket, 70)
    assert socket.refused("tap", keys=["KeyB"])["reason"] == "busy"
    assert socket.refused("text", text="b")["reason"] == "busy"
    socket.send("cancel_text", id=71)
    told = [socket.wait("done", "refused") for _ in range(2)]
    assert {(news["id"], news["type"]) for news in told} == {(71, "done"), (70, "refused")}
    [refused] = [news for news in told if news["id"] == 70]
    assert refused["reason"] == "cancelled"
    assert refused["info"].endswith("of 5000 characters were typed: admin cancelled it")
    socket.do("tap", keys=["KeyB"])


def test_who_types_a_text_is_known_to_all(daemon: Daemon, socket: Socket) -> None:
    with Socket(daemon) as other:
        begin(socket, 70)
        other.wait("clients", wanted=lambda news: any(each["typing"] for each in news["clients"]))
        other.do("cancel_text")
    socket.wait("refused", wanted=lambda news: news["id"] == 70)


def test_it_ends_with_the_socket(daemon: Daemon) -> None:
    with Socket(daemon) as socket:
        begin(socket, 1)
    eventually(lambda: report(daemon)["state"] == "cancelled", "the end")
    assert report(daemon)["reason"].endswith("the socket has ended")
    assert daemon.post("/keyboard", {"keycodes": ["KeyA"]}).code == 200


def test_it_ends_with_the_right_to_type(daemon: Daemon) -> None:
    daemon.kvm.auth.credentials.add_user("ann", PASSWORD, UserRole.OPERATOR)
    token = daemon.post("/login_api", {"username": "ann", "password": PASSWORD}, token="").data["token"]
    with Socket(daemon, token=token) as socket:
        begin(socket, 1)
        daemon.kvm.auth.credentials.set_role("ann", UserRole.VIEWER)
        refused = socket.wait("refused", wanted=lambda news: news["id"] == 1)
        assert (refused["reason"], "viewer" in refused["info"]) == ("cancelled", True)
        for kind in ("text", "cancel_text"):
            assert socket.refused(kind, **({"text": "a"} if kind == "text" else {}))["reason"] == "denied"
