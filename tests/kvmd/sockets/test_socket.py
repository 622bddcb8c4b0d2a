"""What is said on a socket, with a real client and a whole daemon."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd.access.grant import UserRole
from kvmd.contract.reports import Status
from kvmd.sockets import hub, session
from kvmd.sockets.hub import MOST_EACH, PACE
from kvmd.sockets.messages import MESSAGES, NEWS, Why
from tests.conftest import PASSWORD, Daemon
from tests.sockets import News, Socket
from tests.waiting import eventually, patience

DOCS = Path(__file__).parents[3] / "docs/socket.md"
SHIFT = 2
KEY_A, KEY_B, CAPS_LOCK = 4, 5, 57


@pytest.fixture
def socket(daemon: Daemon) -> Iterator[Socket]:
    with Socket(daemon) as socket:
        yield socket
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def buttons(daemon: Daemon) -> Any:
    return daemon.computer.state().pointer.buttons


def news_of(socket: Socket, count: int) -> list[News]:
    received = [socket.receive() for _ in range(count)]
    return [news for news in received if isinstance(news, dict)]


def test_the_documentation_names_every_message_and_reason() -> None:
    tables = DOCS.read_text().split("### ")
    rows = [re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) for table in tables]
    said, told, reasons = (set(names) for names in rows[1:4])
    assert said == {each.__struct_config__.tag for each in MESSAGES}
    assert told == {each.__struct_config__.tag for each in NEWS}
    assert reasons == {why.value for why in Why}


def test_it_greets_and_tells_all_there_is(daemon: Daemon, socket: Socket) -> None:
    hello, status, clients = news_of(socket, 3)
    assert (hello["type"], hello["version"], hello["who"], hello["role"]) == ("hello", 1, "admin", "admin")
    assert hello["bounds"] == {"late": 2000, "silent": 2000, "message": 65536}
    assert status["type"] == "status"
    assert status["status"].keys() == daemon.status().keys()
    me = {"number": hello["number"], "who": "admin", "role": "admin", "typing": False, "watching": False}
    assert clients["clients"] == [me]


def test_keys_are_typed_and_the_answer_comes_once_they_are(daemon: Daemon, socket: Socket) -> None:
    before = daemon.computer.state().cursor
    assert socket.do("tap", keys=["KeyA"])["info"] == ""
    assert daemon.computer.state().cursor != before
    socket.do("press", keys=["ShiftLeft", "KeyA"])
    assert daemon.down() == (SHIFT, (KEY_A,))
    socket.do("release", keys=["KeyA"])
    assert daemon.down() == (SHIFT, ())
    socket.do("release_all")
    assert daemon.down() == (0, ())


def test_keys_stay_in_order_without_waiting_for_answers(daemon: Daemon, socket: Socket) -> None:
    daemon.post("/keyboard", {"keycodes": ["Enter"]})
    row = daemon.computer.state().cursor[0]
    for letter in "KVMDOVERAWIRE":
        socket.send("tap", keys=[f"Key{letter}"])
    socket.do("ping")
    socket.do("release_all")
    assert daemon.computer.state().lines[row].text.endswith("kvmdoverawire")


def test_the_mouse_moves_clicks_and_holds(daemon: Daemon, socket: Socket) -> None:
    socket.do("mouse", x=0.25, y=0.5, buttons=["left"])
    pointer = daemon.computer.state().pointer
    assert abs(pointer.x - 320) <= 1
    assert abs(pointer.y - 360) <= 1
    assert buttons(daemon)
    socket.do("release_all")
    assert not buttons(daemon)
    socket.do("mouse", dx=10, dy=0)


def test_moves_that_wait_become_one_and_each_is_answered(daemon: Daemon, socket: Socket) -> None:
    for number in range(300):
        socket.send("mouse", x=number / 300, y=0.5, id=number)
    answered = [socket.wait("done", "refused") for _ in range(300)]
    assert [(news["type"], news["id"]) for news in answered] == [("done", number) for number in range(300)]
    assert abs(daemon.computer.state().pointer.x - 1280 * 299 / 300) <= 2


def test_power(socket: Socket) -> None:
    socket.send("power", action="press", button="reset", seconds=0.1, id=1)
    event, done = (socket.wait(kind) for kind in ("event", "done"))
    said = "the reset button was pressed for 0.1 s"
    assert (event["role"], event["state"], event["reason"]) == ("power", "pressed", said)
    assert (done["id"], done["info"]) == (1, said)
    assert socket.refused("power", action="on", seconds=1)["reason"] == "malformed"


def test_keys_do_not_wait_for_a_button(daemon: Daemon, socket: Socket) -> None:
    socket.send("power", action="press", button="reset", seconds=3, id=70)
    eventually(lambda: daemon.status()["power"]["press"], "the press")
    assert socket.refused("power", action="press", button="reset", seconds=1)["reason"] == "busy"
    socket.do("tap", keys=["KeyA"])
    assert daemon.status()["power"]["press"]
    socket.wait("done", wanted=lambda news: news["id"] == 70)


@pytest.mark.parametrize(
    ("message", "number", "what", "word"),
    [
        ("nonsense", None, "", "JSON"),
        ("[]", None, "", "object"),
        ("[" * 50_000, None, "", ""),
        ('{"type": "jump", "id": 7}', 7, "jump", "jump"),
        ('{"id": 7}', 7, "", "type"),
        ('{"type": "press", "id": 7}', 7, "press", "keys"),
        ('{"type": "tap", "keys": ["KeyÄ"], "id": 7}', 7, "tap", "KeyÄ"),
        ('{"type": "tap", "keys": [], "id": 7}', 7, "tap", "no key"),
        ('{"type": "tap", "keys": "KeyA", "id": 7}', 7, "tap", "array"),
        ('{"type": "mouse", "x": 2, "y": 0, "id": 7}', 7, "mouse", "<= 1"),
        ('{"type": "mouse", "x": 0.5, "id": 7}', 7, "mouse", "go together"),
        ('{"type": "mouse", "id": 7}', 7, "mouse", "nothing to do"),
        ('{"type": "pictures", "on": true, "fps": 0, "id": 7}', 7, "pictures", "fps"),
        ('{"type": "pictures", "on": true, "quality": "best", "id": 7}', 7, "pictures", "quality"),
        ('{"type": "tap", "keys": ["KeyA"], "at": 1e999, "id": 7}', 7, "tap", "at"),
        ('{"type": "tap", "keys": ["KeyA"], "id": 1e30}', None, "", "id"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_nothing_ends(
    socket: Socket, message: str, number: int | None, what: str, word: str
) -> None:
    socket.connection.send(message)
    refused = socket.wait("refused")
    assert (refused["reason"], refused["id"]) == ("malformed", number)
    assert refused["what"] in {what, "tap"}
    assert word in refused["info"]
    socket.do("ping")


def test_what_is_late_is_not_typed_and_told(daemon: Daemon, socket: Socket) -> None:
    socket.wait("hello")
    before = daemon.computer.state().cursor
    late = socket.refused("tap", keys=["KeyA"], at=socket.now - 2100)
    assert late["reason"] == "late"
    assert re.search(r"it was meant 2\.\d s ago", late["info"])
    assert socket.refused("press", keys=["KeyA"], at=socket.now - 99_000)["reason"] == "late"
    assert socket.refused("mouse", x=0, y=0, at=socket.now - 2100)["reason"] == "late"
    assert socket.refused("power", action="press", at=socket.now - 2100)["reason"] == "late"
    assert socket.refused("tap", keys=["KeyA"], at=socket.now + 2000)["reason"] == "early"
    assert daemon.computer.state().cursor == before
    assert daemon.down() == (0, ())


def test_letting_go_is_never_late(daemon: Daemon, socket: Socket) -> None:
    socket.wait("hello")
    socket.do("press", keys=["KeyA", "KeyB"], at=socket.now)
    socket.do("release", keys=["KeyA"], at=socket.now - 10_000)
    assert daemon.down() == (0, (KEY_B,))
    socket.do("release_all", at=socket.now - 10_000)
    assert daemon.down() == (0, ())
    socket.do("mouse", buttons=["left", "right"], at=socket.now)
    assert socket.refused("mouse", x=0.9, y=0.9, buttons=["left"], at=socket.now - 10_000)["reason"] == "late"
    assert not buttons(daemon)


def test_a_key_is_let_go_with_its_socket(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SILENT", 2 * patience())  # or it would be let go for that
    with Socket(daemon) as other:
        other.do("press", keys=["KeyB"])
        with Socket(daemon) as socket:
            socket.do("press", keys=["KeyA", "ShiftLeft"])
            socket.do("mouse", buttons=["left"])
            other.do("ping")
            assert daemon.down() == (SHIFT, (KEY_A, KEY_B))
        eventually(lambda: other.do("ping") and daemon.down() == (0, (KEY_B,)), "the keys of one alone")
        eventually(lambda: other.do("ping") and not buttons(daemon), "the button, too")
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def test_who_is_silent_holds_nothing_any_more(daemon: Daemon, socket: Socket) -> None:
    socket.do("press", keys=["KeyA"])
    for _ in range(30):  # longer than the two seconds
        socket.do("ping")
        assert daemon.down() == (0, (KEY_A,))
        socket.connection.ping().wait(0.1)
    eventually(lambda: daemon.down() == (0, ()), "the key being let go, though the connection is there")
    assert socket.wait("released")["reason"] == "was silent for 2 s"
    socket.do("press", keys=["KeyB"])
    assert daemon.down() == (0, (KEY_B,))


def test_lamps_are_told(socket: Socket) -> None:
    def leds(news: News) -> bool | None:
        return news["status"]["hid"]["leds"]["caps"] if "hid" in news["status"] else None

    socket.send("tap", keys=["CapsLock"])
    socket.wait("status", wanted=lambda news: leds(news) is True)
    socket.send("tap", keys=["CapsLock"])
    socket.wait("status", wanted=lambda news: leds(news) is False)


def test_what_changes_is_told_and_nothing_else(daemon: Daemon, socket: Socket) -> None:
    socket.wait("clients")
    daemon.computer.plug_video(False)
    event = socket.wait("event", wanted=lambda news: news["role"] == "capture")
    assert event["state"] == "no signal"
    status = socket.wait("status", wanted=lambda news: "capture" in news["status"])
    assert status["status"]["capture"]["state"] == "no signal"
    assert "version" not in status["status"]
    daemon.computer.plug_video(True)
    socket.wait("event", wanted=lambda news: (news["role"], news["state"]) == ("capture", "online"))


def test_without_a_host_it_says_so(daemon: Daemon, socket: Socket) -> None:
    daemon.computer.plug_host(False)
    eventually(lambda: not daemon.kvm.input.slot.is_online, "the loss")
    refused = socket.refused("tap", keys=["KeyA"])
    assert refused["reason"] == "offline"
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")


def test_all_know_who_is_here_and_who_types(daemon: Daemon, socket: Socket) -> None:
    number = socket.wait("hello")["number"]

    def hear(by: Socket, expected: dict[int, tuple[bool, bool]]) -> None:
        """Wait until it is told so; what was so before may be told again."""

        def told(news: dict[str, Any]) -> bool:
            return {each["number"]: (each["typing"], each["watching"]) for each in news["clients"]} == expected

        by.wait("clients", wanted=told)

    hear(socket, {number: (False, False)})
    with Socket(daemon) as other:
        theirs = other.wait("hello")["number"]
        for each in (socket, other):
            hear(each, {number: (False, False), theirs: (False, False)})
        other.send("tap", keys=["KeyA"])
        hear(socket, {number: (False, False), theirs: (True, False)})
        hear(socket, {number: (False, False), theirs: (False, False)})
        other.send("pictures", on=True)
        hear(socket, {number: (False, False), theirs: (False, True)})
        other.send("pictures", on=False)
        hear(socket, {number: (False, False), theirs: (False, False)})
    hear(socket, {number: (False, False)})


@pytest.fixture
def add_user(daemon: Daemon) -> Callable[[str, UserRole], str]:
    """Make users, and log them in."""

    def add(name: str, role: UserRole) -> str:
        daemon.kvm.auth.credentials.add_user(name, PASSWORD, role)
        return str(daemon.post("/login_api", {"username": name, "password": PASSWORD}, token="").data["token"])

    return add


def test_a_viewer_watches_and_does_not_type(daemon: Daemon, add_user: Callable[[str, UserRole], str]) -> None:
    with Socket(daemon, token=add_user("anna", UserRole.VIEWER)) as socket:
        assert socket.wait("hello")["role"] == "viewer"
        before = daemon.computer.state().cursor
        for kind, members in (
            ("tap", {"keys": ["KeyA"]}),
            ("press", {"keys": ["KeyA"]}),
            ("mouse", {"x": 0.5, "y": 0.5}),
            ("power", {"action": "press"}),
        ):
            refused = socket.refused(kind, **members)
            assert (refused["reason"], refused["what"]) == ("denied", kind)
            assert "operator" in refused["info"]
        assert (daemon.computer.state().cursor, daemon.down()) == (before, (0, ()))
        socket.do("pictures", on=True)
        assert socket.picture().is_live
    noted = [entry for entry in daemon.kvm.audit.entries() if (entry.what, entry.who) == ("refusal", "anna")]
    assert len(noted) == 1, "once, however often it is tried"


def test_who_may_type_no_more_lets_go(daemon: Daemon, add_user: Callable[[str, UserRole], str]) -> None:
    with Socket(daemon, token=add_user("otto", UserRole.OPERATOR)) as socket:
        socket.do("press", keys=["KeyA"])
        daemon.kvm.auth.credentials.set_role("otto", UserRole.VIEWER)
        while daemon.down() != (0, ()):
            socket.send("ping")
            time.sleep(0.05)
        assert "may not type any more: otto has the role viewer now" in socket.wait("released")["reason"]
        assert socket.refused("tap", keys=["KeyA"])["reason"] == "denied"
        roles = {"otto": "viewer"}
        socket.send("pictures", on=True)
        socket.wait("clients", wanted=lambda news: {each["who"]: each["role"] for each in news["clients"]} == roles)


def test_it_ends_with_the_session_that_it_came_with(daemon: Daemon) -> None:
    token = daemon.login()
    with Socket(daemon, token=token) as socket:
        socket.do("press", keys=["KeyA"])
        daemon.post("/api/logout", {}, token=token)
        code, reason, ended = socket.end()
    assert (code, reason) == (4401, "it was logged out")
    assert ended
    assert (ended["code"], ended["reason"]) == (code, reason)
    eventually(lambda: daemon.down() == (0, ()), "the key being let go")


def test_it_ends_with_its_session_also_where_all_had_just_left(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one comes while the status is asked for those who were there, after the last look at them."""
    asked, asks, looked = threading.Event(), threading.Event(), threading.Event()
    look = hub.Hub._look  # what ends is nothing that can be seen

    def note(self: hub.Hub) -> None:
        look(self)
        if not self._sessions:
            looked.set()

    monkeypatch.setattr(hub.Hub, "_look", note)
    with make_daemon().running() as daemon:  # of its own: where others were just now, a look at them may be due
        status = daemon.kvm.status

        def ask() -> Status:
            asked.set()
            asks.wait(patience())
            return status()

        monkeypatch.setattr(daemon.kvm, "status", ask)
        token = daemon.login()
        with Socket(daemon):
            assert asked.wait(patience())
        assert looked.wait(patience())
        with Socket(daemon, token=token) as socket:
            socket.wait("hello")
            asks.set()
            socket.wait("clients")
            daemon.post("/api/logout", {}, token=token)
            assert socket.end()[0] == 4401


def test_it_ends_with_its_api_key(daemon: Daemon) -> None:
    key = daemon.kvm.auth.credentials.add_key("robot")
    with Socket(daemon, token=key) as socket:
        assert "robot" in socket.wait("hello")["who"]
        daemon.kvm.auth.credentials.remove_key("robot")
        code, reason, _ = socket.end()
    assert code == 4401
    assert "key was removed" in reason


def test_a_removed_user_s_sockets_end(daemon: Daemon, add_user: Callable[[str, UserRole], str]) -> None:
    with Socket(daemon, token=add_user("emil", UserRole.VIEWER)) as socket:
        socket.wait("hello")
        daemon.kvm.auth.credentials.remove_user("emil")
        assert socket.end()[:2] == (4401, "the user was removed")


def test_one_user_has_so_many_and_no_more(daemon: Daemon, add_user: Callable[[str, UserRole], str]) -> None:
    token = add_user("carl", UserRole.VIEWER)
    sockets = [Socket(daemon, token=token) for _ in range(MOST_EACH)]
    for each in sockets:
        each.__enter__().wait("clients")
    with Socket(daemon, token=token) as one_more:
        code, reason, ended = one_more.end()
    assert (code, reason) == (4429, f"carl has {MOST_EACH} sockets already, which is the most")
    assert ended
    with Socket(daemon) as somebody_else:
        somebody_else.do("ping")
    for each in sockets:
        each.__exit__(None, None, None)
    with Socket(daemon, token=token) as later:
        later.do("ping")


def test_all_together_have_so_many(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MOST", 2)
    with Socket(daemon) as one, Socket(daemon) as other:
        one.do("ping")
        other.do("ping")
        with Socket(daemon) as one_more:
            assert one_more.end()[:2] == (4429, "there are 2 sockets already, which is the most")


def test_the_daemon_s_end_is_told(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon().running() as daemon:
        socket = Socket(daemon).__enter__()
        socket.do("press", keys=["KeyA"])
        socket.do("pictures", on=True)
    assert socket.end()[:2] == (1001, "the daemon stops")
    socket.__exit__(None, None, None)


def test_one_looks_at_the_status_for_all_while_somebody_is_there(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who listen see the same news, by the daemon's clock; when nobody listens nobody asks."""
    asked: list[float] = []
    really = daemon.kvm.status

    def status() -> Status:
        asked.append(time.monotonic())
        return really()

    monkeypatch.setattr(daemon.kvm, "status", status)
    with Socket(daemon) as socket, Socket(daemon) as other:
        for each in (socket, other):
            each.wait("clients")
        daemon.computer.plug_panel(False)
        told = [each.wait("status", wanted=lambda news: "power" in news["status"]) for each in (socket, other)]
        daemon.computer.plug_panel(True)
    assert told[0] == told[1]
    eventually(lambda: time.monotonic() - asked[-1] > 5 * PACE, "no more questions")


def test_typing_is_in_the_audit_once_and_not_what(daemon: Daemon, add_user: Callable[[str, UserRole], str]) -> None:
    with Socket(daemon, token=add_user("tina", UserRole.OPERATOR)) as socket:
        socket.do("mouse", x=0.5, y=0.5)
        assert not [entry for entry in daemon.kvm.audit.entries() if (entry.who, entry.what) == ("tina", "typing")]
        socket.do("tap", keys=["KeyS"])
        socket.do("tap", keys=["KeyX"])
    noted = [entry for entry in daemon.kvm.audit.entries() if (entry.who, entry.what) == ("tina", "typing")]
    assert len(noted) == 1
    assert "Key" not in json.dumps(noted[0].detail)


def test_a_failure_of_ours_ends_it_and_says_no_more(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Socket(daemon) as socket:
        socket.wait("clients")
        with monkeypatch.context() as patch:
            patch.setattr(daemon.kvm.video, "watchers", lambda _: 1 / 0)
            socket.send("pictures", on=True)
            assert socket.end()[:2] == (1011, "the daemon failed; its log says why")
    assert "a message on a socket failed" in caplog.text
    with Socket(daemon) as socket:
        with monkeypatch.context() as patch:
            patch.setattr(daemon.kvm.input, "tap", lambda *_: 1 / 0)
            refused = socket.refused("tap", keys=["KeyA"])
        assert (refused["reason"], refused["info"]) == ("failed", "the daemon failed; its log says why")
        socket.do("tap", keys=["KeyA"])
