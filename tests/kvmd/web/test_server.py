"""The web server as the network meets it: failures, limits, headers, and sockets that misbehave."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import flask
import pytest

from kvmd.contract.addresses import parse_address
from kvmd.errors import ConfigError
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.plugins import registry as registry_module
from kvmd.web import MAX_BODY
from tests.conftest import HOST, PASSWORD, USER, Daemon
from tests.waiting import patience
from tests.wire import Read, Wire, inet, request

LOGIN = json.dumps({"username": USER, "password": PASSWORD}).encode()
LARGE = b'{"keycodes": ["KeyA"]}'.ljust(MAX_BODY + 1)


@pytest.fixture
def wire(daemon: Daemon) -> Iterator[Wire]:
    with Wire((HOST, daemon.port)) as wire:
        yield wire


def chunked(body: bytes, size: int = 8192) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def check_failure(answer: Read, code: int) -> str:
    got, headers, body = answer
    assert got == code, body
    assert headers["content-type"] == "application/json"
    envelope = json.loads(body)
    assert envelope.keys() == {"status", "info", "data"}
    assert (envelope["status"], envelope["data"]) == (0, [])
    assert envelope["info"]
    assert "<" not in envelope["info"]
    return str(envelope["info"])


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/../__init__.py", 404),
        ("GET", "/static/%2e%2e/__init__.py", 404),
        ("GET", "/static/", 404),
        ("GET", "//keyboard", 400),
        ("GET", "/api//status", 404),
        ("GET", "/%00", 404),
        ("DELETE", "/", 405),
        ("PUT", "/login_api", 405),
        ("PATCH", "/keyboard", 405),
        ("POST", "/snapshot", 405),
        ("GET", "/api/keyboard", 405),
        ("GET", "/api/logout", 405),
        ("POST", "/api/status", 405),
    ],
)
def test_every_failure_has_the_envelope(wire: Wire, daemon: Daemon, method: str, path: str, code: int) -> None:
    bearer = f"Authorization: Bearer {daemon.token}"
    wire.send(request(method, path, bearer, "Connection: close", "Content-Length: 0"))
    answer = wire.answer()
    check_failure(answer, code)
    if code == 405:
        assert "GET" in answer[1]["allow"] or "POST" in answer[1]["allow"], "RFC 9110, section 15.5.6"


def test_a_body_that_is_encoded_is_refused(wire: Wire) -> None:
    wire.send(request("POST", "/keyboard", "Content-Encoding: gzip", "Content-Length: 2", body=b"{}"))
    assert "Content-Encoding" in check_failure(wire.answer(), 415)


@pytest.mark.parametrize("path", ["/login_api", "/keyboard", "/nothing", "/", "/snapshot"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_is_too_large_is_refused(wire: Wire, path: str, framing: str) -> None:
    header = f"Content-Length: {len(LARGE)}" if framing == "length" else "Transfer-Encoding: chunked"
    wire.send(request("POST", path, header, body=LARGE if framing == "length" else chunked(LARGE)))
    answer = wire.answer()
    assert check_failure(answer, 413) == f"the body is larger than {MAX_BODY} bytes"
    assert answer[1]["connection"] == "close", "what is left of it is no request"


def test_a_client_that_is_refused_can_send_to_the_end_and_read_why(wire: Wire) -> None:
    wire.send(request("POST", "/", f"Content-Length: {3 * MAX_BODY}"))
    for _ in range(3):
        time.sleep(0.2)
        wire.send(bytes(MAX_BODY))
    check_failure(wire.answer(), 413)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_the_largest_body_is_taken(wire: Wire, framing: str) -> None:
    body = LOGIN.ljust(MAX_BODY)
    header = f"Content-Length: {len(body)}" if framing == "length" else "Transfer-Encoding: chunked"
    wire.send(request("POST", "/login_api", header, body=body if framing == "length" else chunked(body)))
    assert wire.answer()[0] == 200


@pytest.mark.parametrize("length", [2 * MAX_BODY, 99999999999])
def test_a_body_that_is_announced_as_too_large_is_not_waited_for(wire: Wire, length: int) -> None:
    wire.send(request("POST", "/", f"Content-Length: {length}"))
    check_failure(wire.answer(), 413)


@pytest.mark.parametrize("body", [b"x\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n"])
def test_chunks_that_are_none_are_refused(wire: Wire, body: bytes) -> None:
    wire.send(request("POST", "/login_api", "Transfer-Encoding: chunked", "Connection: close", body=body))
    check_failure(wire.answer(), 400)


@pytest.mark.parametrize("path", ["/nothing", "/", "/keyboard", "/static/page.js"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_nobody_reads_is_not_taken_for_the_next_request(wire: Wire, path: str, framing: str) -> None:
    smuggled = request("GET", "/nothing/smuggled", "X: ")
    header = f"Content-Length: {len(smuggled)}" if framing == "length" else "Transfer-Encoding: chunked"
    body = smuggled if framing == "length" else chunked(smuggled)
    wire.send(request("PUT", path, header, body=body) + request("GET", "/nothing/next", "Connection: close"))
    first = wire.answer()
    assert first[0] in {404, 405}
    if first[1].get("connection") != "close":
        assert "/nothing/next" in check_failure(wire.answer(), 404)


def test_a_body_in_chunks_is_read(wire: Wire) -> None:
    wire.send(request("POST", "/login_api", "Transfer-Encoding: chunked", "Connection: close", body=chunked(LOGIN, 7)))
    assert wire.answer()[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_old_client_is_served(wire: Wire, method: str, version: str) -> None:
    length = f"Content-Length: {len(LOGIN)}"
    wire.send(request(method, "/login_api", length, "Connection: close", body=LOGIN, version=version))
    code, _, body = wire.answer()
    assert (code, json.loads(body)["status"]) == (200, 1)


def test_a_connection_serves_many_requests(wire: Wire, daemon: Daemon) -> None:
    bearer = f"Authorization: Bearer {daemon.token}"
    for _ in range(3):
        wire.send(request("GET", "/api/status", bearer))
        assert wire.answer()[0] == 200
        wire.send(request("GET", "/nothing"))
        check_failure(wire.answer(), 404)


@pytest.mark.parametrize(
    "nonsense",
    [b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"G" * 100_000],
)
def test_what_is_no_http_is_refused_and_the_server_lives(daemon: Daemon, nonsense: bytes) -> None:
    with Wire((HOST, daemon.port)) as wire:
        wire.send(nonsense)
        wire.sock.shutdown(socket.SHUT_WR)
        try:
            said = wire.file.read()
        except ConnectionResetError:
            said = b""
        if said:
            head, _, body = said.partition(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
            assert b"application/json" in head
            assert json.loads(body)["status"] == 0
    assert daemon.get("/").code == 200


def test_headers_without_end_are_refused(daemon: Daemon) -> None:
    with Wire((HOST, daemon.port)) as wire:
        wire.send(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                wire.send(b"X-Long: " + b"x" * 1000 + b"\r\n")
            pytest.fail("it takes as many headers as one sends")
    assert daemon.get("/").code == 200


def test_a_failure_inside_is_told_without_its_secrets(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(daemon.kvm, "status", fail)
    answer = daemon.get("/api/status")
    assert (answer.code, answer.json["status"], answer.json["data"]) == (500, 0, [])
    assert answer.json["info"] == "the daemon failed at this; its log says why"
    assert b"secret" not in answer.body
    assert "GET /api/status failed" in caplog.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/nothing", "/api/status", "/snapshot"])
@pytest.mark.parametrize("token", [None, ""])
def test_every_answer_has_the_headers_that_keep_browsers_safe(daemon: Daemon, path: str, token: str | None) -> None:
    headers = daemon.get(path, token=token).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer", "a token may stand in an address"
    assert headers["Cache-Control"] in {"no-store", "no-cache"}
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    for directive in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert directive in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == ("cross-origin" if path == "/snapshot" else "same-origin")
    assert "Access-Control-Allow-Origin" not in headers


def test_the_server_does_not_tell_its_version(daemon: Daemon) -> None:
    assert "Python" not in str(daemon.get("/").headers)


def test_idle_connections_hold_up_nobody(daemon: Daemon) -> None:
    """Browsers open some ahead of need, and keep others."""
    with contextlib.ExitStack() as idle:
        for _ in range(40):
            wire = idle.enter_context(Wire((HOST, daemon.port)))
        wire.send(request("GET", "/nothing"))
        check_failure(wire.answer(), 404)
        assert daemon.get("/").code == 200


GONE = """
import gc, logging, socket, struct, sys, threading
import flask
from kvmd.front.server import Server
from kvmd.front.site import Site

logging.getLogger("asyncio").setLevel(logging.ERROR)  # in its development mode Python warns of what is slow
app = flask.Flask(__name__)
asked, gone = threading.Event(), threading.Event()

@app.get("/")
def large():
    asked.set()
    assert gone.wait(600)
    return bytes(1 << 24)

server = Server([Site(app, ["127.0.0.1:0"], "", 0)])
server.start()
with socket.create_connection(("127.0.0.1", server.listeners[0].address[1])) as client:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n")
    assert asked.wait(600)
gone.set()
server.stop()
gc.collect()
"""


def test_a_client_that_is_gone_leaves_nothing_to_complain_about() -> None:
    # in its development mode every Python tells what destructors raise; from 3.13 on it always does
    command = [sys.executable, "-X", "dev", "-W", "ignore", "-c", GONE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_requests_at_once_are_all_answered(daemon: Daemon) -> None:
    codes = []

    def ask() -> None:
        codes.append(daemon.post("/keyboard", {"keycodes": ["ShiftLeft"]}).code)

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 40
    assert daemon.down() == (0, ())


def test_a_plug_in_adds_pages_behind_the_login(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = flask.Blueprint("extra", __name__)
    extra.add_url_rule("/extra", view_func=lambda: "hello")
    monkeypatch.setattr(registry_module.Registry, "blueprints", lambda *_: [("acme", extra)])
    with make_daemon().running() as daemon:
        assert daemon.get("/extra", token="").code == 401
        assert daemon.get("/extra").body == b"hello"


def test_a_plug_ins_pages_whose_name_is_taken_are_left_out(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [("acme", flask.Blueprint(name, __name__)) for name in ("status", "extra")]
    pages[1][1].add_url_rule("/extra", view_func=lambda: "hello")
    monkeypatch.setattr(registry_module.Registry, "blueprints", lambda *_: pages)
    with make_daemon().running() as daemon:
        assert daemon.get("/extra").body == b"hello"
        [broken] = daemon.status()["broken"]
    assert broken["name"] == "acme"
    assert broken["reason"].startswith("the blueprint \"status\": ValueError: The name 'status' is already registered")


def test_an_address_in_use_is_told(daemon: Daemon) -> None:
    server = Server([Site(flask.Flask("test"), [f"{HOST}:{daemon.port}"], "set web.listen", 0)])
    with pytest.raises(ConfigError, match=rf"^cannot listen on {HOST}:{daemon.port}: .*; set web\.listen$"):
        server.start()


def test_several_addresses_are_served_and_ipv6_too(caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("test")
    app.add_url_rule("/", view_func=lambda: "hello")
    with caplog.at_level(logging.INFO):
        server = Server([Site(app, ["127.0.0.1:0", "[::1]:0"], "", 0)])
        server.start()
    try:
        for listener in server.listeners:
            with socket.create_connection(inet(listener.address), timeout=patience()) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert sock.makefile("rb").read().endswith(b"hello")
        assert f"listening on http://127.0.0.1:{server.listeners[0].address[1]}" in caplog.text
        assert f"listening on http://[::1]:{server.listeners[1].address[1]}" in caplog.text
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::]:8008", ("::", 8008)),
        ("[fe80::1]:0", ("fe80::1", 0)),
        ("kvm.local:443", ("kvm.local", 443)),
    ],
)
def test_addresses(address: str, wanted: tuple[str, int]) -> None:
    assert parse_address(address) == wanted


@pytest.mark.parametrize("address", ["", "80", ":80", "127.0.0.1", "127.0.0.1:", "::1:80", "host:x", "h:65536", "h:-1"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address; accepted: ADDRESS:PORT"):
        parse_address(address)
