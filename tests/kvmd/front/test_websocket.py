"""WebSockets byte by byte: handshakes, frames, and what is wrong with both."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import random
import socket
import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kvmd.front import websocket
from kvmd.front.websocket import MAX_MESSAGE, frame
from tests.conftest import HOST, Daemon
from tests.waiting import eventually, patience
from tests.wire import Wire, request

KEY = base64.b64encode(b"0123456789abcdef").decode()
ACCEPT = "BACScCJPNqyz+UBoqMH89VmURoA="
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
PING = b'{"type": "ping", "id": 5}'
TEXT, BINARY, CLOSE = 1, 2, 8


def handshake(daemon: Daemon, version: str = "1.1", method: str = "GET", body: bytes = b"", **changes: str) -> bytes:
    """Make a handshake; a header that is changed to nothing is left out, ``_`` stands for a hyphen."""
    headers = HANDSHAKE | {"Authorization": f"Bearer {daemon.token}"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    if body:
        headers["Content-Length"] = str(len(body))
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return request(method, "/api/ws", *lines, body=body, version=version)


def masked(opcode: int, payload: bytes = b"", *, last: bool = True, size: int | None = None, rsv: int = 0) -> bytes:
    """Make a client's frame.

    :param size: what it says that it has
    """
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = bytes([0xFE]) + size.to_bytes(2, "big")
    else:
        length = bytes([0xFF]) + size.to_bytes(8, "big")
    mask = b"\x11\x22\x33\x44"
    hidden = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([(0x80 if last else 0) | rsv | opcode]) + length + mask + hidden


class Raw(Wire):
    """A WebSocket of which every byte is known."""

    def open(self, daemon: Daemon) -> Raw:
        self.send(handshake(daemon))
        first = self.file.readline()
        assert first == b"HTTP/1.1 101 Switching Protocols\r\n", first
        while self.file.readline() != b"\r\n":
            pass
        return self

    def frame(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload.

        :raises EOFError: there is none
        """
        head = self.file.read(2)
        if len(head) < 2:
            raise EOFError
        assert not head[1] & 0x80, "a server does not mask"
        assert head[0] & 0x80, "nor does this one fragment"
        size = head[1]
        if size == 126:
            size = int.from_bytes(self.file.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self.file.read(8), "big")
        return head[0] & 0x0F, self.file.read(size)

    def wait(self, opcode: int, word: bytes = b"") -> bytes:
        while True:
            got, payload = self.frame()
            if got == opcode and word in payload:
                return payload

    def closed(self) -> tuple[int, str]:
        """Read to the end; return the code and reason of the close frame."""
        payload = self.wait(CLOSE)
        with contextlib.suppress(ConnectionError):
            assert self.file.read() == b"", "nothing comes behind a close"
        return struct.unpack(">H", payload[:2])[0], payload[2:].decode()


@pytest.fixture
def raw(daemon: Daemon) -> Iterator[Raw]:
    with Raw((HOST, daemon.port)) as raw:
        yield raw.open(daemon)


@pytest.fixture(autouse=True)
def _nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_handshake_of_the_rfc(daemon: Daemon) -> None:
    """RFC 6455, section 1.3, with a key of ours."""
    with Wire((HOST, daemon.port)) as wire:
        wire.send(handshake(daemon))
        assert wire.file.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"
        lines = [line.decode().strip() for line in iter(wire.file.readline, b"\r\n")]
    headers = [line.split(": ", 1) for line in lines]
    assert [value for name, value in headers if name == "Connection"] == ["Upgrade"]
    assert dict(headers) | {"Upgrade": "websocket", "Sec-WebSocket-Accept": ACCEPT} == dict(headers)
    assert not {"Content-Length", "Content-Type", "Sec-WebSocket-Extensions"} & {name for name, _ in headers}


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"Upgrade": ""}, 426, "proxy"),
        ({"Connection": ""}, 426, "proxy"),
        ({"Connection": "keep-alive"}, 426, "proxy"),
        ({"version": "1.0"}, 426, "HTTP/1.1"),
        ({"Upgrade": "h2c"}, 426, "WebSocket"),
        ({"Sec_WebSocket_Version": "8"}, 426, "13"),
        ({"Sec_WebSocket_Version": ""}, 426, "13"),
        ({"Sec_WebSocket_Version": "13, 8"}, 426, "13"),
        ({"Sec_WebSocket_Key": ""}, 400, "Sec-WebSocket-Key"),
        ({"Sec_WebSocket_Key": "short"}, 400, "Sec-WebSocket-Key"),
        ({"Sec_WebSocket_Key": KEY + "AAAA"}, 400, "Sec-WebSocket-Key"),
        ({"Sec_WebSocket_Key": f"{KEY}, {KEY}"}, 400, "Sec-WebSocket-Key"),
        ({"body": b"hello"}, 400, "body"),
        ({"method": "HEAD"}, 400, ""),
        ({"method": "POST"}, 405, ""),
        ({"method": "POST", "Upgrade": ""}, 405, ""),
        ({"Authorization": ""}, 401, "log in"),
        ({"Authorization": "Bearer wrong"}, 401, ""),
        ({"Origin": "http://evil.example"}, 403, "another site"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "another site"),
    ],
)
def test_a_handshake_that_is_none(daemon: Daemon, changes: dict[str, str], code: int, word: str) -> None:
    with Wire((HOST, daemon.port)) as wire:
        wire.send(handshake(daemon, **changes))  # type: ignore[arg-type]  # whichever it is
        got, headers, body = wire.answer(changes.get("method", "GET"))
    assert got == code
    if changes.get("method") != "HEAD":
        assert json.loads(body)["status"] == 0
        assert word in json.loads(body)["info"]
    if code == 426:
        assert (headers["upgrade"], headers["sec-websocket-version"]) == ("websocket", "13")


@pytest.mark.parametrize(
    "changes",
    [
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "upgrade"},
        {"Upgrade": "WebSocket"},
        {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},
        {"Sec_WebSocket_Protocol": "chat"},
        {"Origin": f"http://{HOST}"},
        {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_handshakes_that_are_taken(daemon: Daemon, changes: dict[str, str]) -> None:
    with Wire((HOST, daemon.port)) as wire:
        wire.send(handshake(daemon, **changes))  # type: ignore[arg-type]
        assert wire.file.readline() == b"HTTP/1.1 101 Switching Protocols\r\n"


def test_frames_may_come_with_the_handshake(daemon: Daemon) -> None:
    with Raw((HOST, daemon.port)) as raw:
        raw.send(handshake(daemon) + masked(TEXT, PING)[:-4])
        raw.file.readline()
        while raw.file.readline() != b"\r\n":
            pass
        raw.send(masked(TEXT, PING)[-4:])
        assert json.loads(raw.wait(TEXT, b"pong"))["id"] == 5


@pytest.mark.parametrize("cuts", [[5], [1, 2, 3], [0, 10, 10]])
def test_a_message_may_come_in_fragments_with_pings_between(raw: Raw, cuts: list[int]) -> None:
    bounds = [0, *cuts, len(PING)]
    parts = [PING[one:other] for one, other in pairwise(bounds)]
    raw.send(masked(TEXT, parts[0], last=False) + masked(9, b"between"))
    for part in parts[1:-1]:
        raw.send(masked(0, part, last=False))
    raw.send(masked(0, parts[-1]))
    assert raw.wait(10) == b"between"
    assert json.loads(raw.wait(TEXT, b"pong"))["id"] == 5


def test_a_message_byte_by_byte(raw: Raw) -> None:
    for byte in masked(TEXT, PING):
        raw.send(bytes([byte]))
    raw.wait(TEXT, b"pong")


def test_the_largest_message_is_taken(raw: Raw) -> None:
    raw.send(masked(TEXT, PING.ljust(MAX_MESSAGE)))
    raw.wait(TEXT, b"pong")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, PING), 1002),  # no mask
        (masked(3), 1002),  # no such opcode
        (masked(11), 1002),
        (masked(TEXT, PING, rsv=0x40), 1002),  # compressed, which was not agreed on
        (masked(TEXT, PING, rsv=0x10), 1002),
        (masked(0, b"goes on"), 1002),  # what?
        (masked(TEXT, b"{", last=False) + masked(TEXT, b"}"), 1002),  # two at once
        (masked(9, b"x" * 126), 1002),
        (masked(9, b"x", last=False), 1002),
        (masked(CLOSE, b"x"), 1002),
        (masked(CLOSE, struct.pack(">H", 999)), 1002),
        (masked(CLOSE, struct.pack(">H", 1005)), 1002),
        (masked(BINARY, b"picture"), 1003),
        (masked(BINARY, b"", last=False), 1003),
        (masked(TEXT, b"\xff\xfe"), 1007),
        (masked(TEXT, b"\xc3", last=False) + masked(0, b"x"), 1007),
        (masked(TEXT, b"\xc3"), 1007),
        (masked(TEXT, b"\xed\xa0\x80"), 1007),
        (masked(TEXT, b"x" * (MAX_MESSAGE + 1)), 1009),
        (masked(TEXT, b"x" * 40_000, last=False) + masked(0, b"x" * 40_000), 1009),
        (masked(TEXT, b"x" * (MAX_MESSAGE + 1), size=2**40), 1009),
        (masked(TEXT, b"x", size=2**63), 1002),
    ],
)
def test_malformed_frames_end_the_connection_with_a_reason(raw: Raw, data: bytes, code: int) -> None:
    raw.send(data)
    told = json.loads(raw.wait(TEXT, b"ended"))
    got, reason = raw.closed()
    assert got == told["code"] == code
    assert reason
    assert told["reason"].startswith(reason)


def test_it_closes_as_it_is_told(raw: Raw) -> None:
    raw.send(masked(CLOSE, struct.pack(">H", 1000) + b"bye"))
    assert raw.closed() == (1000, "bye")


def test_random_bytes_end_it_and_nothing_fails(daemon: Daemon) -> None:
    """Seeded: whole frames with one thing wrong, and nonsense."""
    chance = random.Random(6455)
    for _ in range(150):
        good = masked(chance.choice([TEXT, TEXT, 9, 10]), chance.randbytes(chance.randrange(100)))
        bad = bytearray(good + masked(TEXT, PING) + chance.randbytes(chance.randrange(300)))
        for _ in range(chance.randrange(4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        with Raw((HOST, daemon.port)) as raw, contextlib.suppress(ConnectionError):
            raw.open(daemon).send(bytes(bad))
            raw.sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(EOFError):
                code, _ = raw.closed()
                assert code in {1000, 1002, 1003, 1007, 1009}
    assert daemon.get("/api/status").code == 200


def test_empty_fragments_without_end_hold_up_nobody(daemon: Daemon, raw: Raw) -> None:
    """They cost turns of the loop, and are paced."""
    raw.send(masked(TEXT, b"", last=False))
    raw.sock.settimeout(0.05)
    with contextlib.suppress(TimeoutError):
        for _ in range(300):
            raw.send(masked(0, b"", last=False) * 1000)
    raw.sock.settimeout(patience())
    with Raw((HOST, daemon.port)) as other:
        other.open(daemon).send(masked(TEXT, PING))
        other.wait(TEXT, b"pong")


def test_a_flood_waits_and_nothing_is_lost(raw: Raw) -> None:
    count = websocket.BURST * 2
    data = b"".join(masked(TEXT, b'{"type": "ping", "id": %d}' % number) for number in range(count))
    raw.sock.setblocking(True)
    raw.send(data)
    assert [json.loads(raw.wait(TEXT, b"pong"))["id"] for _ in range(count)] == list(range(count))


def test_who_reads_nothing_is_given_up(daemon: Daemon) -> None:
    """Its answers pile up to a bound, and no further."""
    with Raw((HOST, daemon.port)) as raw:
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.open(daemon)
        with pytest.raises(ConnectionError):
            raw.send(masked(9, b"x" * 125) * 500_000)


def test_who_reads_slowly_gets_the_reason(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "GOODBYE", patience())
    monkeypatch.setattr(websocket, "MAX_WAITING", 10_000)
    with Raw((HOST, daemon.port)) as raw:
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.open(daemon)
        ping, sent = masked(9, b"x" * 125), 0
        raw.sock.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < 50_000_000:
                sent += raw.sock.send(ping * 100)
        raw.sock.settimeout(patience())
        assert json.loads(raw.wait(TEXT, b"ended"))["code"] == 4413


def test_who_reads_late_has_missed_pictures_and_no_event(daemon: Daemon) -> None:
    """It reads nothing while the cable of the front panel is pulled and plugged; the kernel keeps little for it."""
    with Raw((HOST, daemon.port)) as raw:
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.open(daemon).wait(TEXT, b"clients")
        raw.send(masked(TEXT, b'{"type": "pictures", "on": true}'))
        for _ in range(10):
            daemon.post("/keyboard", {"keycodes": ["KeyA"]})
            assert daemon.get("/snapshot").code == 200, "a picture that was not there before"
        for plugged in (False, True, False, True):
            daemon.computer.plug_panel(plugged)
            eventually(lambda: daemon.kvm.power.slot.is_online is plugged, "the panel")  # noqa: B023  # called at once
        raw.send(masked(TEXT, PING))
        frames: list[tuple[int, bytes]] = []
        while not frames or b"pong" not in frames[-1][1][:30]:
            frames.append(raw.frame())
    events = [json.loads(payload) for opcode, payload in frames if opcode == TEXT and b'"event"' in payload[:20]]
    states = [event["state"] for event in events if event["role"] == "power" and event["state"] in {"lost", "online"}]
    assert states == ["lost", "online"] * 2
    assert sum(opcode == BINARY for opcode, _ in frames) <= 2


def test_it_pings_and_gives_up_what_is_silent(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers stays, one that does not goes; both say nothing of themselves."""
    monkeypatch.setattr(websocket, "BEAT", 0.1)
    monkeypatch.setattr(websocket, "SILENCE", 3.0)
    with Raw((HOST, daemon.port)) as answering, Raw((HOST, daemon.port)) as silent:
        answering.open(daemon)
        silent.open(daemon)
        for _ in range(60):
            answering.wait(9)
            answering.send(masked(10))
        code, reason = silent.closed()
        assert (code, reason) == (4408, "nothing came for 3 s")
        answering.send(masked(10) + masked(TEXT, PING))
        answering.wait(TEXT, b"pong")


def test_half_a_handshake_and_half_a_frame_hold_nothing_up(daemon: Daemon) -> None:
    with Wire((HOST, daemon.port)) as half, Raw((HOST, daemon.port)) as started, Raw((HOST, daemon.port)) as other:
        half.send(handshake(daemon)[:-10])
        started.open(daemon).send(masked(TEXT, PING)[:9])
        other.open(daemon).send(masked(TEXT, PING))
        other.wait(TEXT, b"pong")
        assert half.answer()[0] == 408


def test_many_come_and_go(daemon: Daemon) -> None:
    for _ in range(60):
        with Raw((HOST, daemon.port)) as raw:
            raw.open(daemon).wait(TEXT, b"clients")
    with Raw((HOST, daemon.port)) as raw:
        raw.open(daemon)
        eventually(lambda: len(json.loads(raw.wait(TEXT, b"clients"))["clients"]) == 1, "the others being gone")


def test_pings_come_sooner_than_proxies_end_what_is_idle() -> None:
    assert websocket.BEAT < 20 < websocket.SILENCE < 60
