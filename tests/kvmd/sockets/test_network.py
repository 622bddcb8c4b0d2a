"""The socket on bad networks, over TLS, behind real proxies, and with another client."""

from __future__ import annotations

import contextlib
import json
import socket as sockets
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket

from kvmd.contract.settings import WebSettings
from tests.conftest import HOST, Daemon
from tests.ports import free_port
from tests.relay import Relay
from tests.sockets import Picture, Socket
from tests.waiting import eventually, patience
from tests.wire import inet

KEY_A, KEY_B = 4, 5

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            {lines}
        }}
    }}
}}
"""
UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'


@pytest.fixture
def relay(daemon: Daemon) -> Iterator[Relay]:
    with Relay(daemon.port) as relay:
        yield relay
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def text(daemon: Daemon) -> str:
    return "".join(line.text for line in daemon.computer.state().lines)


def any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_what_was_typed_into_a_stall_is_refused_and_told(daemon: Daemon, relay: Relay) -> None:
    with Socket(daemon, port=relay.port) as socket:
        socket.wait("hello")
        socket.do("press", keys=["KeyB"], at=socket.now)
        before = text(daemon)
        relay.stall()
        typed = socket.now
        for number in range(20):
            socket.send("tap", keys=["KeyZ"], at=socket.now, id=100 + number)
            socket.send("mouse", x=0.1, y=0.1, buttons=["left"], at=socket.now)
        eventually(lambda: daemon.down() == (0, ()), "the key being let go in the middle of the stall")
        while socket.now < typed + 14_000:
            time.sleep(0.1)
        relay.flow()
        refused = [socket.wait("refused", wanted=lambda news: news["what"] == "tap") for _ in range(20)]
        assert {news["reason"] for news in refused} == {"late"}
        assert [news["id"] for news in refused] == list(range(100, 120))
        fresh = socket.ask("tap", keys=["KeyY"], at=socket.now)
        assert fresh["type"] == "done", fresh
    assert "z" not in text(daemon).removeprefix(before)
    assert not daemon.computer.state().pointer.buttons


def test_a_burst_without_at_is_typed_in_order(daemon: Daemon, relay: Relay) -> None:
    """Who does not say when it was meant is taken at its word."""
    with Socket(daemon, port=relay.port) as socket:
        socket.wait("clients")
        relay.stall()
        for letter in "WORDS":
            socket.send("tap", keys=[f"Key{letter}"])
        relay.flow()
        socket.do("tap", keys=["Enter"])
    assert "words" in text(daemon)


def test_a_line_that_trickles(daemon: Daemon, relay: Relay) -> None:
    with Socket(daemon, port=relay.port) as socket:
        socket.wait("clients")
        relay.trickle()
        socket.do("press", keys=["KeyA"], at=socket.now)
        assert daemon.down() == (0, (KEY_A,))
        socket.do("release", keys=["KeyA"])


def test_a_line_that_is_cut_lets_go(daemon: Daemon, relay: Relay) -> None:
    with Socket(daemon, port=relay.port) as socket:
        socket.do("press", keys=["KeyA"])
        socket.do("pictures", on=True)
        relay.cut()
        with pytest.raises(ConnectionAbortedError):
            socket.end()
    eventually(lambda: daemon.down() == (0, ()), "the key being let go")
    eventually(lambda: not daemon.kvm.video.broadcaster.watched, "nobody watching")


def test_a_stall_holds_no_pictures_back_for_later(daemon: Daemon, relay: Relay) -> None:
    """However much a network keeps: what comes after a stall is what was on its way, and then the newest."""
    with Socket(daemon, port=relay.port) as socket:
        socket.do("pictures", on=True)
        for _ in range(5):
            socket.picture()
        relay.stall()
        begun = socket.now
        while socket.now < begun + 3000:
            time.sleep(0.1)
        relay.flow()
        flowed = socket.now
        stale = 0
        while (picture := socket.picture()).time < flowed:
            stale += picture.time < flowed - 1000
        assert stale <= 16


def serve(arguments: list[str], port: int) -> subprocess.Popen[bytes]:
    """Run a proxy until it answers."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, f"{arguments[0]} has ended"
        with contextlib.suppress(ConnectionError), sockets.create_connection((HOST, port), patience()):
            return True
        return False

    eventually(answers, f"{arguments[0]} listening")
    return process


@contextmanager
def nginx(folder: Path, target: int, lines: str) -> Iterator[int]:
    port = free_port()
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port, target=target, lines=lines))
    process = serve(["/usr/sbin/nginx", "-c", str(settings), "-p", str(folder), "-e", "stderr"], port)
    yield port
    process.terminate()
    process.wait(patience())


@contextmanager
def caddy(folder: Path, target: int) -> Iterator[int]:
    port = free_port()
    settings = folder / "Caddyfile"
    settings.write_text(
        f"{{\n admin off\n auto_https off\n storage file_system {folder}\n}}\n"
        f"http://:{port} {{\n bind {HOST}\n reverse_proxy {HOST}:{target}\n}}\n"
    )
    process = serve(["/usr/bin/caddy", "run", "--config", str(settings), "--adapter", "caddyfile"], port)
    yield port
    process.terminate()
    process.wait(patience())


def use(daemon: Daemon, port: int) -> None:
    """Type, see it, and end; the lag is known although a proxy would keep megabytes."""
    with Socket(daemon, port=port) as socket:
        socket.wait("clients")
        socket.do("press", keys=["KeyA"], at=socket.now)
        assert daemon.down() == (0, (KEY_A,))
        socket.do("release", keys=["KeyA"], at=socket.now)
        socket.do("pictures", on=True)
        last = [socket.picture() for _ in range(10)][-1]
        begun = socket.now
        while socket.now < begun + 2000:  # who sees nothing for a while, and confirms nothing
            time.sleep(0.1)
        socket.send("seen", number=last.number)
        kept = 0
        while not isinstance(news := socket.receive(), Picture) or news.time < begun + 1000:
            kept += isinstance(news, Picture)
            if isinstance(news, Picture):
                socket.send("seen", number=news.number)
        assert kept <= 16
        socket.send("press", keys=["KeyB"])
        eventually(lambda: daemon.down() == (0, (KEY_B,)), "the key")
    eventually(lambda: daemon.down() == (0, ()), "the key being let go with the socket")


def test_behind_nginx(daemon: Daemon, tmp_path: Path) -> None:
    with nginx(tmp_path, daemon.port, UPGRADE) as port:
        use(daemon, port)


def test_behind_caddy(daemon: Daemon, tmp_path: Path) -> None:
    with caddy(tmp_path, daemon.port) as port:
        use(daemon, port)


def test_nginx_without_the_three_lines_is_told_what_it_lacks(daemon: Daemon, tmp_path: Path) -> None:
    with nginx(tmp_path, daemon.port, "") as port:
        answer = daemon.get("/api/ws", port=port, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert answer.code == 426
    assert "a proxy before it has to pass Upgrade and Connection on" in answer.json["info"]


@pytest.fixture(scope="module")
def tls(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    web = WebSettings(listen=[f"{HOST}:0"], video_listen=[], tls_listen=[f"{HOST}:0"], video_tls_listen=[])
    with make_daemon(web=web).running() as daemon:
        yield daemon


def test_over_tls(tls: Daemon) -> None:
    port = inet(tls.server.listeners[1].address)[1]
    with Socket(tls, port=port, context=any_certificate()) as socket:
        socket.do("tap", keys=["KeyA"])
        socket.do("pictures", on=True)
        for _ in range(5):
            assert socket.picture().is_live
        socket.connection.send("x" * 70_000)
        code, reason, ended = socket.end()
    assert (code, bool(ended)) == (1009, True)
    assert reason == "the message is larger than 65536 bytes"


@pytest.mark.parametrize("encrypted", [False, True])
def test_with_another_client(daemon: Daemon, tls: Daemon, encrypted: bool) -> None:
    """The package websocket-client, which has a parser of its own."""
    asked = tls if encrypted else daemon
    port = inet(tls.server.listeners[1].address)[1] if encrypted else daemon.port
    client = websocket.create_connection(
        f"{'wss' if encrypted else 'ws'}://{HOST}:{port}/api/ws",
        header=[f"Authorization: Bearer {asked.token}"],
        sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False},
        timeout=patience(),
    )
    kinds = [json.loads(client.recv())["type"] for _ in range(3)]
    assert kinds == ["hello", "status", "clients"]
    client.send(json.dumps({"type": "tap", "keys": ["KeyA"], "id": 1}))
    while (news := json.loads(client.recv()))["type"] != "done":
        pass
    assert news["id"] == 1
    client.send(json.dumps({"type": "pictures", "on": True}))
    while isinstance(data := client.recv(), str):
        pass
    assert Picture.read(data).is_live
    client.send_binary(b"no")
    opcode = websocket.ABNF.OPCODE_TEXT
    while opcode != websocket.ABNF.OPCODE_CLOSE:
        opcode, payload = client.recv_data()
    assert payload[:2] == (1003).to_bytes(2, "big")
    client.shutdown()  # type: ignore[no-untyped-call]
