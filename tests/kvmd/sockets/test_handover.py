"""Who has the keyboard: taken, given, lost; with real clients, by sockets and by requests."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from kvmd.access.grant import UserRole
from kvmd.contract.hid import Button, MouseEvent
from kvmd.errors import Taken
from tests.conftest import PASSWORD, Answer, Daemon
from tests.sockets import Socket
from tests.waiting import eventually

SHIFT = 2
KEY_A, KEY_B = 4, 5
Tokens = dict[str, str]


@pytest.fixture(scope="module")
def tokens(daemon: Daemon) -> Tokens:
    """The logins of two operators and of a viewer."""
    roles = {"alice": UserRole.OPERATOR, "bob": UserRole.OPERATOR, "vera": UserRole.VIEWER}
    for name, role in roles.items():
        daemon.kvm.auth.credentials.add_user(name, PASSWORD, role)
    return {name: log_in(daemon, name) for name in roles}


@pytest.fixture
def alice(daemon: Daemon, tokens: Tokens) -> Iterator[Socket]:
    with Socket(daemon, token=tokens["alice"]) as socket:
        yield socket
    eventually(lambda: daemon.down() == (0, ()), "everything being released")
    eventually(lambda: daemon.kvm.input.turn.holder is None, "the keyboard being free")


@pytest.fixture
def bob(daemon: Daemon, tokens: Tokens) -> Iterator[Socket]:
    with Socket(daemon, token=tokens["bob"]) as socket:
        yield socket


def log_in(daemon: Daemon, name: str) -> str:
    return str(daemon.post("/login_api", {"username": name, "password": PASSWORD}, token="").data["token"])


def number_of(socket: Socket) -> int:
    return int(socket.wait("hello")["number"])


def told(socket: Socket) -> int | None:
    """Return the number of who has the keyboard, of the next news about that."""
    keyboard: int | None = socket.wait("clients")["keyboard"]
    return keyboard


def by_request(daemon: Daemon, token: str) -> list[Answer]:
    """Type and point by each request that does so."""
    asked = {
        "/keyboard": {"keycodes": ["KeyA"]},
        "/api/keyboard": {"press": ["KeyA"]},
        "/mouse": {"x": 0.5, "y": 0.5},
        "/api/mouse": {"buttons": ["left"]},
    }
    return [daemon.post(path, body, token=token) for path, body in asked.items()]


def let_go(daemon: Daemon, token: str) -> list[int]:
    answers = [
        daemon.post("/api/keyboard", {"release": ["KeyA"]}, token=token),
        daemon.post("/api/keyboard", {"release_all": True}, token=token),
        daemon.post("/mouse", {"buttons": []}, token=token),
    ]
    return [answer.code for answer in answers]


def buttons(daemon: Daemon) -> object:
    return daemon.computer.state().pointer.buttons


def test_at_the_start_all_type(daemon: Daemon, tokens: Tokens, alice: Socket, bob: Socket) -> None:
    assert told(alice) is None
    alice.do("tap", keys=["KeyA"])
    bob.do("tap", keys=["KeyA"])
    assert [answer.code for answer in by_request(daemon, tokens["bob"])] == [200] * 4
    assert let_go(daemon, tokens["bob"]) == [200] * 3


def test_who_takes_it_types_alone(daemon: Daemon, tokens: Tokens, alice: Socket, bob: Socket) -> None:
    assert alice.do("take")["info"] == "took the keyboard"
    before = daemon.computer.state()
    for kind, members in (
        ("tap", {"keys": ["KeyA"]}),
        ("press", {"keys": ["KeyA"]}),
        ("mouse", {"x": 0.1, "y": 0.1}),
        ("mouse", {"buttons": ["left"]}),
        ("mouse", {"click": "left"}),
        ("mouse", {"wheel": 1}),
    ):
        refused = bob.refused(kind, **members)
        assert (refused["reason"], refused["info"]) == ("taken", "alice has the keyboard; take it to type")
    for answer in by_request(daemon, tokens["bob"]):
        assert (answer.code, answer.json["info"]) == (409, "alice has the keyboard; take it to type")
        assert "Retry-After" not in answer.headers, "nobody knows when"
    now = daemon.computer.state()
    assert (now.cursor, now.keys, now.pointer) == (before.cursor, before.keys, before.pointer)
    alice.do("tap", keys=["KeyA"])
    assert daemon.computer.state().cursor != before.cursor
    assert alice.do("take")["info"] == "nothing was done: you have the keyboard already"


def test_the_login_that_took_it_types_by_requests_too(daemon: Daemon, tokens: Tokens, alice: Socket) -> None:
    alice.do("take")
    assert [answer.code for answer in by_request(daemon, tokens["alice"])] == [200] * 4
    assert let_go(daemon, tokens["alice"]) == [200] * 3
    elsewhere = log_in(daemon, "alice")
    assert [answer.code for answer in by_request(daemon, elsewhere)] == [409] * 4


def test_letting_go_and_power_are_never_refused(daemon: Daemon, tokens: Tokens, alice: Socket, bob: Socket) -> None:
    alice.do("take")
    bob.do("release", keys=["KeyA"])
    bob.do("release_all")
    bob.do("mouse", buttons=[])
    assert "already" in bob.do("power", action="on")["info"]
    assert let_go(daemon, tokens["bob"]) == [200] * 3


def test_what_others_held_is_let_go_before_the_first_key(
    daemon: Daemon, tokens: Tokens, alice: Socket, bob: Socket
) -> None:
    bob.do("press", keys=["ShiftLeft"])
    bob.do("mouse", buttons=["left"])
    daemon.post("/api/keyboard", {"press": ["KeyB"]}, token=tokens["bob"])
    assert (daemon.down(), bool(buttons(daemon))) == ((SHIFT, (KEY_B,)), True)
    alice.do("take")
    assert (daemon.down(), bool(buttons(daemon))) == ((0, ()), False)
    assert bob.wait("released")["reason"] == "may not type now: alice has the keyboard; take it to type"


def test_it_can_be_taken_from_whoever_has_it(daemon: Daemon, alice: Socket, bob: Socket) -> None:
    theirs, ours = number_of(alice), number_of(bob)
    alice.do("take")
    alice.do("press", keys=["KeyA"])
    assert bob.do("take")["info"] == "took the keyboard from alice"
    assert daemon.down() == (0, ())
    assert alice.wait("released")["reason"] == "may not type now: bob has the keyboard; take it to type"
    alice.wait("clients", wanted=lambda news: news["keyboard"] == ours)
    assert alice.refused("press", keys=["KeyA"])["reason"] == "taken"
    assert alice.refused("give", to=theirs)["info"] == "bob has the keyboard; take it first"
    entries = daemon.kvm.audit.entries()
    noted = [(entry.who, entry.detail) for entry in entries if entry.what == "keyboard"]
    assert noted[-2:] == [("alice", "took the keyboard"), ("bob", "took the keyboard from alice")]


def test_it_is_given_to_another_and_to_all(daemon: Daemon, alice: Socket, bob: Socket) -> None:
    theirs = number_of(bob)
    alice.do("take")
    alice.do("press", keys=["KeyA"])
    assert alice.do("give", to=theirs)["info"] == "gave the keyboard to bob"
    assert daemon.down() == (0, ())
    alice.wait("clients", wanted=lambda news: news["keyboard"] == theirs)
    assert alice.refused("tap", keys=["KeyA"])["reason"] == "taken"
    bob.do("tap", keys=["KeyA"])
    assert bob.do("give")["info"] == "gave the keyboard back"
    alice.wait("clients", wanted=lambda news: news["keyboard"] is None)
    alice.do("tap", keys=["KeyA"])
    assert bob.do("give")["info"] == "nothing was done: it is free"


def test_what_was_asked_before_is_done_before(daemon: Daemon, alice: Socket, bob: Socket) -> None:
    theirs = number_of(bob)
    daemon.post("/keyboard", {"keycodes": ["Enter"]})
    row = daemon.computer.state().cursor[0]
    alice.send("take")
    for letter in "KVM":
        alice.send("tap", keys=[f"Key{letter}"])
    alice.do("give", to=theirs)
    assert daemon.computer.state().lines[row].text.endswith("kvm")


def test_it_is_not_given_to_who_could_not_type(daemon: Daemon, tokens: Tokens, alice: Socket) -> None:
    alice.do("take")
    with Socket(daemon, token=tokens["vera"]) as vera:
        number = number_of(vera)
        refused = alice.refused("give", to=number)
        assert (refused["reason"], refused["info"]) == ("denied", "vera has the role viewer, and may not type")
        assert vera.refused("take")["reason"] == "denied"
    eventually(lambda: alice.refused("give", to=number)["reason"] == "malformed", "the socket being forgotten")
    assert "there is no socket 999" in alice.refused("give", to=999)["info"]
    alice.do("tap", keys=["KeyA"])


def test_it_is_free_when_its_holder_goes(daemon: Daemon, tokens: Tokens, alice: Socket) -> None:
    with Socket(daemon, token=tokens["bob"]) as bob:
        theirs = number_of(bob)
        bob.do("take")
        alice.wait("clients", wanted=lambda news: news["keyboard"] == theirs)
    alice.wait("clients", wanted=lambda news: news["keyboard"] is None)
    alice.do("tap", keys=["KeyA"])


def test_it_is_free_when_its_holder_may_type_no_more(daemon: Daemon, alice: Socket, bob: Socket) -> None:
    bob.do("take")
    daemon.kvm.auth.credentials.set_role("bob", UserRole.VIEWER)
    try:
        alice.wait("clients", wanted=lambda news: news["keyboard"] is not None)
        alice.wait("clients", wanted=lambda news: news["keyboard"] is None)
    finally:
        daemon.kvm.auth.credentials.set_role("bob", UserRole.OPERATOR)
    alice.do("tap", keys=["KeyA"])


def test_a_late_wish_for_it_is_not_granted(daemon: Daemon, alice: Socket) -> None:
    alice.wait("hello")
    assert alice.refused("take", at=alice.now - 10_000)["reason"] == "late"
    assert daemon.kvm.input.turn.holder is None


def test_who_is_at_the_machine_itself_always_types(daemon: Daemon, alice: Socket) -> None:
    hands = daemon.kvm.input
    alice.do("take")
    hands.press("local:event3", ["KeyB"])
    hands.point("local:event3", MouseEvent(buttons=[Button.LEFT]))
    alice.do("take")
    assert daemon.down() == (0, (KEY_B,))
    hands.leave("local:event3")
    with pytest.raises(Taken, match="alice has the keyboard"):
        hands.tap("a plug-in", ["KeyB"])


def test_who_is_refused_is_not_said_to_type(alice: Socket, bob: Socket) -> None:
    ours, theirs = number_of(alice), number_of(bob)
    alice.do("take")
    bob.refused("tap", keys=["KeyA"])
    alice.send("tap", keys=["KeyA"])
    news = bob.wait("clients", wanted=lambda news: any(each["typing"] for each in news["clients"]))
    assert [each["number"] for each in news["clients"] if each["typing"]] == [ours]
    assert theirs != ours


def test_who_types_by_requests_is_shown(daemon: Daemon, tokens: Tokens, alice: Socket) -> None:
    alice.wait("clients", wanted=lambda news: not news["typists"])
    daemon.post("/keyboard", {"keycodes": ["KeyA"]}, token=tokens["bob"])
    assert alice.wait("clients")["typists"] == ["bob"]
    assert alice.wait("clients")["typists"] == [], "after two seconds"
    alice.send("tap", keys=["KeyA"])
    news = alice.wait("clients")
    assert (news["clients"][0]["typing"], news["typists"]) == (True, []), "who has a socket is shown there"


def test_keys_in_a_race_with_a_hand_over_leave_nothing_held(
    daemon: Daemon, alice: Socket, bob: Socket, add_presses: Callable[[Socket, int], None]
) -> None:
    """Whatever comes first: once the keyboard is taken, nothing of the others is down."""
    for _ in range(20):
        add_presses(bob, 10)
        alice.do("take")
        assert daemon.down() == (0, ())
        alice.do("give")
        eventually(lambda: bob.do("release_all") and daemon.down() == (0, ()), "everything being released")


@pytest.fixture
def add_presses() -> Callable[[Socket, int], None]:
    def add(socket: Socket, count: int) -> None:
        for _ in range(count):
            socket.send("press", keys=["ShiftLeft"])
            socket.send("release", keys=["ShiftLeft"])
        socket.send("press", keys=["KeyB"])
        time.sleep(0.002)

    return add


def test_a_text_stops_where_another_takes_the_keyboard(
    daemon: Daemon, tokens: Tokens, alice: Socket, bob: Socket
) -> None:
    bob.send("text", text="x" * 10_000, delay=20, id=7)
    bob.wait("typed", wanted=lambda news: news["typed"] > 0)
    alice.do("take")
    before = daemon.computer.state().cursor
    refused = bob.wait("refused", wanted=lambda news: news["id"] == 7)
    assert refused["reason"] == "taken"
    assert re.fullmatch(r"\d+ of 10000 characters were typed: alice has the keyboard; take it to type", refused["info"])
    assert (daemon.computer.state().cursor, daemon.down()) == (before, (0, ()))
    assert bob.refused("text", text="x")["reason"] == "taken"
    answer = daemon.post("/api/text", {"text": "x"}, token=tokens["bob"])
    assert (answer.code, answer.json["info"][:27]) == (409, "0 of 1 characters were type")
    alice.do("text", text="x")
    assert daemon.post("/api/text", {"text": "x"}, token=tokens["alice"]).code == 200
