"""Text on a socket: it is typed, followed, cancelled, and ends with the socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kvmd.access.grant import UserRole
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
