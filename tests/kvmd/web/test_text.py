"""Text over HTTP: a virtual computer's console shows it; it is followed, cancelled, and cut short."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import HOST, Answer, Daemon
from tests.waiting import eventually

LONG = "abcdefghij" * 500
SECRET = "Tr0ub4dor"


@pytest.fixture(autouse=True)
def fresh(daemon: Daemon) -> Iterator[None]:
    """A line of its own on the console, and nothing held in the end."""
    eventually(lambda: daemon.kvm.input.slot.is_online, "the host")
    daemon.post("/keyboard", {"keycodes": ["Enter"]})
    yield
    daemon.request("DELETE", "/api/text")
    eventually(lambda: report(daemon)["state"] != "typing", "the end of the text")
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def report(daemon: Daemon) -> Any:
    return daemon.get("/api/text").data


def send(daemon: Daemon, text: str, **rest: Any) -> Answer:
    return daemon.post("/api/text", {"text": text, **rest})


def begin(daemon: Daemon, pool: ThreadPoolExecutor, **rest: Any) -> Future[Answer]:
    """Have a long text typed, and wait until some of it is."""
    future = pool.submit(send, daemon, LONG, **{"delay": 20, **rest})
    eventually(lambda: report(daemon)["typed"] > 3 and report(daemon)["state"] == "typing", "some of it")
    return future


def screen(daemon: Daemon) -> list[str]:
    return [line.text.rstrip() for line in daemon.computer.state().lines]


def test_text_is_on_the_console_once_it_is_answered(daemon: Daemon) -> None:
    answer = send(daemon, "Echo 'A<b>' | wc\n~/{x}\t#!", delay=0)
    assert answer.json["info"] == "25 of 25 characters were typed"
    assert answer.data == {"state": "done", "typed": 25, "length": 25, "layout": "us", "reason": ""}
    assert any(line.endswith("Echo 'A<b>' | wc") for line in screen(daemon))
    assert report(daemon) == answer.data


def test_what_cannot_be_typed_is_named(daemon: Daemon) -> None:
    before = screen(daemon)
    answer = send(daemon, "5 €")
    assert (answer.code, screen(daemon)) == (400, before)
    assert "€ (U+20AC EURO SIGN)" in answer.json["info"]
    answer = send(daemon, "a", layout="klingon")
    assert (answer.code, answer.json["info"][:32]) == (400, 'there is no layout "klingon"; GE')
    assert send(daemon, "").code == 400
    assert send(daemon, "a", delay=1001).code == 400
    assert send(daemon, "a", speed=1).code == 400


def test_it_is_followed_and_cancelled(daemon: Daemon, pool: ThreadPoolExecutor) -> None:
    future = begin(daemon, pool)
    busy = send(daemon, "b")
    assert (busy.code, busy.json["info"][:23]) == (409, "a text is being typed, ")
    assert int(busy.headers["Retry-After"]) > 10
    tap = daemon.post("/keyboard", {"keycodes": ["KeyB"]})
    assert (tap.code, tap.json["info"]) == (409, "a text is being typed; cancel it, or wait")
    answer = daemon.request("DELETE", "/api/text")
    assert answer.json["info"] == "the text is cancelled"
    told = future.result()
    assert told.code == 409
    assert told.json["info"].endswith("of 5000 characters were typed: admin cancelled it")
    assert (report(daemon)["state"], report(daemon)["reason"]) == ("cancelled", told.json["info"])
    assert daemon.request("DELETE", "/api/text").json["info"] == "nothing is being typed"
    assert daemon.post("/keyboard", {"keycodes": ["KeyB"]}).code == 200


def test_it_stops_when_whoever_asked_goes(daemon: Daemon) -> None:
    body = b'{"text": "%s"}' % LONG.encode()
    with socket.create_connection((HOST, daemon.port)) as client:
        client.sendall(
            b"POST /api/text HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (HOST.encode(), daemon.token.encode(), len(body), body)
        )
        eventually(lambda: report(daemon)["typed"] > 3, "some of it")
    eventually(lambda: report(daemon)["state"] == "cancelled", "the end")
    assert report(daemon)["reason"].endswith("whoever asked for it has gone")
    assert report(daemon)["typed"] < len(LONG)


def test_it_stops_with_the_login(daemon: Daemon, pool: ThreadPoolExecutor) -> None:
    before, daemon.token = daemon.token, daemon.login()
    try:
        future = pool.submit(daemon.post, "/api/text", {"text": LONG, "delay": 20}, token=daemon.token)
        eventually(lambda: report(daemon)["state"] == "typing" and report(daemon)["typed"], "some of it")
        daemon.post("/api/logout", {})
    finally:
        daemon.token = before
    assert future.result().code == 409
    assert "logged out" in report(daemon)["reason"]


def test_it_stops_where_the_host_takes_no_more(daemon: Daemon, pool: ThreadPoolExecutor) -> None:
    future = begin(daemon, pool)
    daemon.computer.plug_host(False)
    answer = future.result()
    assert answer.code == 503
    assert (report(daemon)["state"], report(daemon)["reason"]) == ("failed", answer.json["info"])
    assert f"{report(daemon)['typed']} of 5000 characters were typed: " in answer.json["info"]
    eventually(lambda: not daemon.kvm.input.slot.is_online, "the loss")
    assert send(daemon, "a").code == 503


def test_caps_lock_is_put_out_and_lit_again(daemon: Daemon) -> None:
    daemon.post("/keyboard", {"keycodes": ["CapsLock"]})
    eventually(lambda: daemon.status()["hid"]["leds"]["caps"], "the lamp")
    assert send(daemon, "Caps aBc1").code == 200
    assert any(line.endswith("Caps aBc1") for line in screen(daemon))
    eventually(lambda: daemon.status()["hid"]["leds"]["caps"], "the lamp again")
    daemon.post("/keyboard", {"keycodes": ["CapsLock"]})


def test_what_is_typed_is_in_no_log(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert send(daemon, SECRET).code == 200
    assert send(daemon, f"{SECRET}€").code == 400
    daemon.computer.plug_host(False)
    assert send(daemon, SECRET).code == 503
    assert SECRET not in caplog.text
    audited = [entry for entry in daemon.get("/api/audit").data if entry["what"] == "typing"]
    assert [(entry["who"], entry["detail"]) for entry in audited][-1] == ("admin", "text: 9 of 9 characters were typed")
    assert SECRET not in str(audited)


def test_the_layouts_have_names_for_people(daemon: Daemon) -> None:
    listed = daemon.get("/api/layouts").data
    assert listed["default"] == "us"
    assert {"name": "de(nodeadkeys)", "title": "German (no dead keys)"} in listed["layouts"]


def test_what_keys_type_is_known_by_what_is_printed_on_them(daemon: Daemon) -> None:
    german = daemon.get("/api/layouts/de").data
    assert german["title"] == "German"
    assert german["keys"]["KeyQ"] == ["q", "Q", "@", "Ω"]
    assert german["keys"]["Equal"][:2] == ["\N{ACUTE ACCENT}", "`"]
    assert daemon.get("/api/layouts/us(intl)").data["keys"]["Quote"][:2] == ["\N{ACUTE ACCENT}", "\N{DIAERESIS}"]
    for name in ("nonsense", "x" * 3000, "..%2findex"):
        refused = daemon.get(f"/api/layouts/{name}")
        assert refused.code == 404
        assert len(refused.body) < 300


def test_many_at_once_do_no_harm(daemon: Daemon) -> None:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(send(daemon, "x" * 50).code)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 409}
    assert 200 in codes
