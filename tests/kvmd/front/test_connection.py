"""Clients that take their time, and those that want too much: nobody else waits for them, and they end."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator

import flask
import pytest

from kvmd.front import connection, pools, server, tally
from kvmd.front.admission import Admission
from tests.kvmd.front.conftest import KNOWN, Serve, make_app
from tests.waiting import eventually, moment, patience
from tests.wire import Wire, request

Where = tuple[str, int]

KNOW = f"Authorization: {KNOWN}"
FILES = 128
SHARE = Admission(FILES).each


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes seconds take moments."""
    monkeypatch.setattr(server, "TURN", 0.02)
    for name in ("WHOLE", "IDLE", "STALLED", "LINGER"):
        monkeypatch.setattr(connection, name, moment(0.3))


@pytest.fixture
def app() -> Iterator[flask.Flask]:
    app = make_app()
    yield app
    app.config["go"].set()


@contextlib.contextmanager
def many(count: int, where: Where, sent: bytes, source: str | None = None) -> Iterator[list[Wire]]:
    with contextlib.ExitStack() as stack:
        wires = []
        for _ in range(count):
            wires.append(stack.enter_context(Wire(where, source)))
            with contextlib.suppress(ConnectionError):  # it had to make room already
                wires[-1].send(sent)
        yield wires


def asked(app: flask.Flask, count: int) -> None:
    """Wait until the app has been asked so often."""
    for _ in range(count):
        assert app.config["asked"].acquire(timeout=patience())


def test_the_time_for_a_request() -> None:
    assert (connection.WHOLE, connection.IDLE, connection.STALLED) == (10, 20, 30)


@pytest.mark.usefixtures("hurried")
class TestTime:
    @pytest.mark.parametrize(
        "half", [b"G", b"GET /echo HTTP/1.1\r\nHost:", request("POST", "/echo", "Content-Length: 9") + b"x"]
    )
    def test_a_request_that_does_not_come_whole_ends(self, where: Where, half: bytes) -> None:
        with Wire(where) as wire:
            wire.send(half)
            code, headers, body = wire.answer()
            assert (code, headers["connection"], json.loads(body)["status"]) == (408, "close", 0)
            assert wire.ended()

    @pytest.mark.parametrize("before", [b"", request("POST", "/echo", "Transfer-Encoding: chunked")])
    def test_a_request_that_comes_byte_by_byte_ends(self, where: Where, before: bytes) -> None:
        with Wire(where) as wire:
            wire.send(before)
            wire.sock.settimeout(0.02)
            for byte in itertools.cycle(b"5;abcdefghij") if before else itertools.cycle(b"GETGET"):
                with contextlib.suppress(TimeoutError):
                    if said := wire.sock.recv(1000):
                        break
                wire.send(bytes([byte]))
            assert said.startswith(b"HTTP/1.1 408 ")

    def test_a_silent_connection_ends(self, where: Where) -> None:
        with Wire(where) as wire:
            assert wire.ended()

    def test_an_idle_connection_ends(self, where: Where) -> None:
        with Wire(where) as wire:
            for _ in range(3):
                wire.send(request("GET", "/echo"))
                assert wire.answer()[0] == 200
            assert wire.ended()

    def test_a_second_request_has_its_time_too(self, where: Where) -> None:
        with Wire(where) as wire:
            wire.send(request("GET", "/echo"))
            assert wire.answer()[0] == 200
            wire.send(b"GET /")
            assert wire.answer()[0] == 408

    def test_an_answer_that_nobody_takes_ends(self, where: Where, caplog: pytest.LogCaptureFixture) -> None:
        with Wire(where) as wire:
            wire.send(request("GET", f"/large?size={1 << 26}"))
            wire.sock.recv(1000)
            time.sleep(moment(1))
            size = 0
            with contextlib.suppress(ConnectionError):
                while got := wire.sock.recv(1 << 20):
                    size += len(got)
            assert size < 1 << 26
        assert not caplog.records

    def test_an_answer_that_is_taken_slowly_comes_whole(self, where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "STALLED", moment(2))
        size = 1 << 23
        with Wire(where) as wire:
            wire.send(request("GET", f"/large?size={size}") + request("GET", "/echo"))
            for _ in range(8):
                time.sleep(moment(0.4))
                wire.file.read(size // 16)
            left = wire.file.read(size // 2)
            assert len(left) == size // 2
            assert b'"path":"/echo?"' in wire.file.read(1000)

    def test_what_takes_the_app_long_does_not_end(self, app: flask.Flask, serve: Serve) -> None:
        with Wire(serve(app)) as wire:
            wire.send(request("GET", "/wait"))
            time.sleep(moment(0.8))
            app.config["go"].set()
            assert wire.answer()[2] == b"done"


def test_requests_that_are_sent_ahead_cost_no_memory(app: flask.Flask, serve: Serve) -> None:
    with Wire(serve(app)) as wire:
        wire.send(request("GET", "/wait"))
        wire.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            wire.send(request("GET", "/echo") * 1_000_000)
        app.config["go"].set()
        wire.sock.settimeout(patience())
        assert wire.answer()[2] == b"done"
        assert wire.answer()[0] == 200


class TestRoom:
    def test_strangers_who_wait_make_room_for_the_next(self, serve: Serve) -> None:
        where = serve(make_app(), files=FILES)
        with many(3 * SHARE, where, b"GET /echo HTTP/1.1\r\n") as wires:
            assert all(wire.ended() for wire in wires[: 2 * SHARE]), "the first had to go"
            wires[-1].send(b"Host: h\r\n\r\n")
            assert wires[-1].answer()[0] == 200

    def test_strangers_whose_requests_are_in_work_leave_no_room(self, app: flask.Flask, serve: Serve) -> None:
        where = serve(app, files=FILES)
        with many(SHARE, where, request("GET", "/later?seconds=600")):
            asked(app, SHARE)
            with Wire(where) as late:
                late.send(request("GET", "/echo"))
                code, headers, body = late.answer()
            assert (code, headers["retry-after"]) == (429, "1")
            assert json.loads(body)["info"] == "too many connections from this address"
            with Wire(where, "127.0.0.2") as other:
                other.send(request("GET", "/echo"))
                assert other.answer()[0] == 200

    def test_there_is_room_for_those_who_are_known(self, app: flask.Flask, serve: Serve) -> None:
        where = serve(app, files=FILES)
        bounds = Admission(FILES)
        with contextlib.ExitStack() as stack:
            for number in range(bounds.strangers // SHARE):
                stack.enter_context(many(SHARE, where, request("GET", "/later?seconds=600"), f"127.0.0.{number + 2}"))
                asked(app, SHARE)
            held = stack.enter_context(many(3 * bounds.trials, where, b"GET /"))
            assert all(wire.ended() for wire in held[: 2 * bounds.trials]), (
                "nor do those stay who never say who they are"
            )
            with Wire(where) as stranger, Wire(where) as known:
                stranger.send(request("GET", "/echo"))
                known.send(request("GET", "/echo", KNOW))
                assert (stranger.answer()[0], known.answer()[0]) == (503, 200)

    def test_when_all_places_are_taken_the_next_is_told(self, app: flask.Flask, serve: Serve) -> None:
        where = serve(app, files=64)
        bounds = Admission(64)
        with contextlib.ExitStack() as stack:
            for number in range(bounds.most):
                source = f"127.0.0.{number // bounds.each + 2}"
                stack.enter_context(many(1, where, request("GET", "/later?seconds=600", KNOW), source))
                asked(app, 1)
            with Wire(where, "127.0.0.99") as late:
                assert late.answer()[0] == 503

    def test_one_who_is_known_is_not_behind_strangers(self, app: flask.Flask, serve: Serve) -> None:
        where = serve(app)
        room = pools.STRANGERS_THREADS * pools.WAITING
        with many(room, where, request("GET", "/wait")) as strangers:
            for _ in range(pools.STRANGERS_THREADS):
                assert app.config["asked"].acquire(timeout=patience())
            with Wire(where, "127.0.0.2") as stranger, Wire(where) as known:
                eventually(lambda: _code(stranger) == 503, "strangers having filled their share")
                known.send(request("GET", "/echo", KNOW))
                assert known.answer()[0] == 200
            app.config["go"].set()
            assert [wire.answer()[2] for wire in strangers] == [b"done"] * room

    def test_what_waits_in_the_loop_takes_no_thread(self, serve: Serve) -> None:
        where = serve(make_app())
        before = threading.active_count()
        with many(30, where, request("GET", "/later?seconds=1", KNOW)) as waiting, Wire(where) as wire:
            wire.send(request("GET", "/echo"))
            assert wire.answer()[0] == 200
            assert threading.active_count() <= before + pools.KNOWN_THREADS + pools.STRANGERS_THREADS
            assert [each.answer()[2] for each in waiting] == [b"later"] * 30


def _code(wire: Wire) -> int:
    wire.send(request("GET", "/echo"))
    return wire.answer()[0]


def test_a_failure_of_the_app_is_told_without_its_secrets(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    with Wire(where) as wire:
        wire.send(request("GET", "/fail?token=0123456789"))
        code, headers, body = wire.answer()
    assert (code, headers["content-type"]) == (500, "application/json")
    assert b"secret" not in body
    assert "GET '/fail' failed" in caplog.text
    assert "0123456789" not in caplog.text


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        (b"GET /echo HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer 0123456789\r\n\r\n", "illegal header line"),
        (b"GET /echo?token=0123456789 HTTP/1.1 x\r\nHost: x\r\n\r\n", "illegal request line"),
    ],
)
def test_what_is_malformed_is_told_without_what_it_was(
    where: Where, caplog: pytest.LogCaptureFixture, sent: bytes, what: str
) -> None:
    with Wire(where) as wire:
        wire.send(sent)
        code, _, body = wire.answer()
    assert code == 400
    assert f"malformed HTTP: {what}" in body.decode()
    assert "0123456789" not in body.decode() + caplog.text


def test_what_goes_on_and_on_is_logged_once_with_a_count(
    where: Where, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "EVERY", 1.0)
    for _ in range(20):
        with Wire(where) as wire:
            wire.send(b"nonsense\r\n\r\n")
            assert wire.answer()[0] == 400
    eventually(lambda: " times more" in caplog.text, "the count")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("malformed requests: 127.0.0.1: malformed HTTP: ")
    assert len(lines) < 10
    told = sum(int(line.rpartition("; ")[2].split()[0]) for line in lines if "times more" in line)
    assert told + len([line for line in lines if "127.0.0.1" in line]) == 20


def test_a_client_that_leaves_gives_its_place_back(
    app: flask.Flask, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LEAVING", 1.0)
    where = serve(app, files=FILES)
    for sent in (b"", b"GET", request("GET", "/later?seconds=600"), request("GET", f"/large?size={1 << 24}")):
        for _ in range(3):
            with many(SHARE, where, sent):
                pass

    def all_answered() -> bool:
        with contextlib.suppress(ConnectionError), many(SHARE, where, request("GET", "/echo")) as wires:
            return {wire.answer()[0] for wire in wires} == {200}
        return False

    eventually(all_answered, "all places to be free again")
