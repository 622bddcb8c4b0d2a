"""Ten thousand malformed requests, by a generator with a seed, over all endpoints and framings."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from kvmd.front import connection
from tests.conftest import HOST, Daemon
from tests.waiting import patience
from tests.wire import Wire

PATHS = [
    "/",
    "/login_api",
    "/api/logout",
    "/keyboard",
    "/api/keyboard",
    "/mouse",
    "/api/mouse",
    "/stream?fps=0",
    "/snapshot?timeout=x",
    "/api/status",
    "/api/devices",
    "/api/edid",
    "/api/power",
    "/api/text",
    "/api/virtual",
    "/static/page.js",
    "/static/%00",
    "/nothing",
    "/%ff%fe",
    "/static/../../kvmd.toml",
    "//api/status",
    "/api/status?token=%00%ff",
    "*",
    "http://h/",
    "/api/%0astatus",
    "",
]
METHODS = [
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "get",
    "G ET",
    "\x01",
    "M" * 300,
]
VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", "HTTP/1.", ""]
HEADERS = [
    "Host: 127.0.0.1",
    "Host: 127.0.0.1",
    "Host: ",
    "Host: [",
    "Host: a b",
    "Origin: http://[",
    "Origin: null",
    "Origin: http://evil",
    "Cookie: kvmd_token_=\xff",
    "Cookie: ;=;",
    "Authorization: Basic !",
    "Authorization: Basic /////w==",
    "Authorization: Bearer \xe9",
    'Authorization: Digest x="',
    "Authorization:",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Encoding: gzip",
    "Expect: 100-continue",
    "Expect: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Range: bytes=9-1",
    "If-Modified-Since: x",
    'If-None-Match: "',
    "Accept: text/html;q=x",
    "X-Forwarded-For: \xff",
    "X: " + "y" * 9000,
    "X : y",
    " X: y",
    "X\0: y",
    "X: a\rb",
    "X: a\nb",
    ": y",
    "nonsense",
    "X_Y: z",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
]
LENGTHS = ["+2", "-5", "1_0", "0x2", "", "2, 2", "2\r\nContent-Length: 3", "99999999999", "9" * 40, "\xb2"]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"1e999",
    b"{" * 5000,
    b"[" * 60000,
    b"\xff\xfe",
    b"\0" * 20,
    b'{"username": "\\ud800", "password": "x"}',
    b'{"username": 1}',
    b'{"keycodes": "KeyA"}',
    b'{"keycodes": ["' + b"K" * 5000 + b'"]}',
    b'{"x": NaN}',
    b'{"x": 1e400, "y": -0}',
    b'{"hex": "zz"}',
    b'{"edit": {"name": "\\u0000"}}',
    b'{"action": []}',
    b'{"video": "\xff"}',
    b'{"token": "\xff"}',
    b"x" * 70000,
]
CHUNKS = ["-1", "0x2", "+2", "1_0", "", " 2", "2 ", "FFFFFFFFFFFFFFFFFFFFFFFF", "2\n", "2;\r"]


def build(chance: random.Random, token: str) -> bytes:
    """Make one request, with something wrong in it more often than not."""
    line = f"{chance.choice(METHODS[: chance.choice((3, 8, 99))])} {chance.choice(PATHS)} {chance.choice(VERSIONS)}"
    lines = [line, *(["Host: 127.0.0.1"] * chance.choice((0, 1, 1, 1, 1, 1, 1, 2)))]
    lines += chance.sample(HEADERS, chance.choice((0, 0, 1, 1, 2)))
    if chance.random() < 0.5:
        lines.append(f"Authorization: Bearer {token}")
    body = chance.choice(BODIES)
    framing = chance.random()
    if framing < 0.6:
        lines.append(f"Content-Length: {len(body)}")
    elif framing < 0.7:
        lines.append(f"Content-Length: {chance.choice(LENGTHS)}")
    else:
        lines.append("Transfer-Encoding: chunked")
        size = chance.choice(CHUNKS) if chance.random() < 0.5 else f"{len(body):x}"
        body = f"{size}\r\n".encode("latin-1") + body + b"\r\n0\r\n\r\n"
    chance.shuffle(lines[1:])
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def split(said: bytes) -> list[tuple[int, bytes, bytes]]:
    """Take apart what came on a connection until its end: code, head and body of each answer."""
    answers = []
    while said:
        head, found, said = said.partition(b"\r\n\r\n")
        assert found, head
        code = int(head.split(b" ", 2)[1])
        if code == 100:
            continue
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        size = int(lengths[0].split(b":")[1]) if lengths and code not in {204, 304} else 0
        if said.startswith(b"HTTP/1.1 ") or not said:
            size = 0  # HEAD was asked
        answers.append((code, head, said[:size]))
        said = said[size:]
    return answers


@pytest.mark.parametrize("seed", range(10))
def test_nothing_that_is_sent_makes_it_fail(
    daemon: Daemon, seed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for wait in ("WHOLE", "LEAVING"):  # what would let off who gets no answer
        monkeypatch.setattr(connection, wait, 2 * patience())
    chance = random.Random(seed)
    codes: Counter[int] = Counter()
    key = daemon.kvm.auth.credentials.add_key(f"fuzz {seed}")
    for number in range(1000):
        sent = build(chance, key if chance.random() < 0.9 else "x")
        with Wire((HOST, daemon.port if number % 3 else daemon.video_port)) as wire:
            try:
                wire.send(sent)
                wire.sock.shutdown(1)
                said = wire.file.read()
            except ConnectionError:
                codes[0] += 1
                continue
        for code, head, body in split(said):
            codes[code] += 1
            check(sent, code, head, body)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
    assert sum(codes.values()) >= 900, codes
    assert daemon.get("/api/status").code == 200


def check(sent: bytes, code: int, head: bytes, body: bytes) -> None:
    told = (sent[:300], code, head, body[:300])
    assert 200 <= code < 500 or code in {501, 503, 505}, told
    assert b"x-content-type-options: nosniff" in head.lower(), told
    if b"text/html" in head.lower():
        assert code in {200, 304}, told
        assert body.startswith(b"<!doctype html>") or not body, told
    if code >= 400 and body and b"image/jpeg" not in head:
        assert json.loads(body)["status"] == 0, told
