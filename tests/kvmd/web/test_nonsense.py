"""Nonsense from strangers, and from those who are known: never a 500, never HTML, never a traceback."""

import json
import logging
import random
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Answer, Daemon

SEED = 8
REQUESTS = 1500

DEEP = 6_000
BODIES = [
    b"",
    b"\xff",
    b'"\xff"',
    b'{"token": "\xff"}',
    b'{"computer": "\xff"}',
    b'{"token": "\\ud800"}',
    b'{"username": "\\ud800", "password": "\\u0000"}',
    b'{"username": "\xc3\x28", "password": ""}',
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b'{"token":' * DEEP,
    b'{"keycodes":' + b"[" * DEEP,
    b'{"edit":' * DEEP + b"1" + b"}" * DEEP,
    b'{"username": "a\\nb", "password": "\\u2028"}',
    b'{"x": 1e999, "y": -1e999}',
    b'{"wheel": 99999999999999999999999999}',
    b'{"dx": 1.5}',
    b'{"keycodes": null}',
    b'{"action": "press", "seconds": NaN}',
    b'{"hex": "zz"}',
    b"null",
    b"[]",
    b"0" * 1000,
    b"\x00\x01\x02",
    "\ufeff{}".encode(),
    "{}".encode("utf-16"),
]
HEADERS = [
    ("Origin", "http://["),
    ("Origin", "http://]"),
    ("Origin", "http://[::1"),
    ("Origin", "http://a:b:c"),
    ("Origin", "http://127.0.0.1:99999999"),
    ("Origin", "\u00ff"),
    ("Origin", "http://\u00e9"),
    ("Origin", "//"),
    ("Host", "["),
    ("Host", "[::"),
    ("Host", "127.0.0.1:x"),
    ("Host", "127.0.0.1:99999999999"),
    ("Host", "\u00ff"),
    ("Host", "a" * 5000),
    ("Host", "xn--\u00fc"),
    ("Host", ".."),
    ("Host", "%00"),
    ("Authorization", "Basic"),
    ("Authorization", "Basic ////"),
    ("Authorization", "Basic " + "A" * 5000),
    ("Authorization", "Bearer \u00ff"),
    ("Authorization", "Digest a=\u00ff, ="),
    ("Authorization", " "),
    ("Cookie", "kvmd_token=\u00ff\u00fe"),
    ("Cookie", 'kvmd_token="\\777"; ='),
    ("Cookie", ";" * 3000),
    ("Content-Type", "application/json; charset=\u00ff"),
    ("Content-Type", "multipart/form-data; boundary="),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Accept", "\u00ff;q=x"),
    ("Range", "bytes=9-1,x"),
    ("If-Range", "\u00ff"),
    ("If-Modified-Since", "Thu, 99 Foo 99999 99:99:99"),
    ("If-None-Match", '"\u00ff'),
    ("Content-Encoding", "\u00ff"),
    ("Sec-Fetch-Site", "\u00ff"),
    ("X-Forwarded-For", "\u00ff"),
]
QUERIES = [
    "",
    "?token=%ff",
    "?token=%00",
    "?token=%ed%a0%80",
    "?timeout=nan",
    "?timeout=1e999",
    "?fps=%ff",
    "?computer=%ff%0a",
    "?=&&=%",
]
PATHS = ["/%ff", "/%00", "/static/%ff", "/static/%00", "/static/" + "%2e%2e/" * 9, "/static/" + "a" * 300, "/%0a", "/;"]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    yield caplog
    wrong = [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not wrong
    assert all(record.getMessage().isprintable() for record in caplog.records)


def check(answer: Answer, what: object) -> None:
    assert answer.code < 500 or (answer.code == 503 and answer.headers["Content-Type"] == "image/jpeg"), what
    if answer.headers["Content-Type"] == "application/json":
        if not answer.body:
            return  # to HEAD
        envelope = json.loads(answer.body)
        assert envelope.keys() == {"status", "info", "data"} or "openapi" in envelope, what
        assert b"Traceback" not in answer.body, what
    else:
        assert answer.code < 400, what


@pytest.mark.parametrize(
    "path", ["/login_api", "/api/virtual", "/api/keyboard", "/api/edid", "/api/power", "/api/text", "/nothing"]
)
@pytest.mark.usefixtures("log")
def test_bodies(daemon: Daemon, path: str) -> None:
    method = "PUT" if path == "/api/edid" else "POST"
    for body in BODIES:
        for token in ("", daemon.token):
            answer = daemon.request(method, path, body, token=token, source="127.0.0.3")
            check(answer, (path, body[:40]))
            assert answer.code in {400, 401, 404, 409, 429}, (path, body[:40])


@pytest.mark.usefixtures("log")
def test_headers(daemon: Daemon) -> None:
    for name, value in HEADERS:
        for path in ("/", "/login_api", "/api/status", "/static/page.js", "/snapshot"):
            for token in ("", daemon.token):
                headers = {name: value.replace("kvmd_token", daemon.cookie)}
                answer = daemon.request("GET", path, token="" if name == "Authorization" else token, headers=headers)
                check(answer, (path, name, value))


def test_anything(make_daemon: Callable[..., Daemon], log: pytest.LogCaptureFixture) -> None:
    """All of it together, as chance has it; the seed says which."""
    chance = random.Random(SEED)
    with make_daemon(open_endpoints=["keyboard", "snapshot"]).running() as daemon:
        rules = [rule.rule for rule in daemon.app.url_map.iter_rules()]
        paths = PATHS + [rule.replace("<path:name>", "page.js") for rule in rules if rule != "/stream"]
        for _ in range(REQUESTS):
            sample = chance.sample(HEADERS, chance.randrange(4))
            headers = {name: value.replace("kvmd_token", daemon.cookie) for name, value in sample}
            token = chance.choice(["", daemon.token]) if "Authorization" not in headers else ""
            method, path = chance.choice(METHODS), chance.choice(paths) + chance.choice(QUERIES)
            body = chance.choice(BODIES) if chance.random() < 0.7 else None
            if (method, path) == ("POST", "/api/logout"):
                continue
            answer = daemon.request(method, path, body, token=token, headers=headers, source="127.0.0.4")
            check(answer, (method, path, headers, (body or b"")[:40]))
        assert daemon.get("/api/status", token=daemon.login()).code == 200
    assert len(log.records) < 200
