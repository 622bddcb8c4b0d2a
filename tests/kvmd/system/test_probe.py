"""Whether a listener answers: over real sockets, plain and with TLS."""

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kvmd.system.probe import Listener, Probe, answers
from tests.waiting import eventually, patience

Answer = Callable[[socket.socket], object]


def say(text: bytes) -> Answer:
    return lambda sock: sock.sendall(text)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Web:
    """Takes connections and answers each as it is told."""

    def __init__(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sock = socket.create_server((host, 0), family=family)
        self._context = context
        self.answer: Answer = say(b"HTTP/1.1 401 UNAUTHORIZED\r\n\r\n")
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def listener(self) -> Listener:
        return Listener(self._sock.getsockname()[:2], is_tls=self._context is not None)

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._sock.accept()
                with suppress(OSError), sock:
                    self._talk(self._context.wrap_socket(sock, server_side=True) if self._context else sock)

    def _talk(self, sock: socket.socket) -> None:
        with sock:
            self.requests.append(sock.recv(1024))
            self.answer(sock)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 Service Unavailable\r\n\r\n"])
def test_an_answer_is_an_answer_whatever_it_says(web: Web, text: bytes) -> None:
    web.answer = say(text)
    assert answers(web.listener, patience())
    assert web.requests[0].startswith(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n")


def test_one_that_comes_in_pieces(web: Web) -> None:
    def trickle(sock: socket.socket) -> None:
        for byte in b"HTTP/":
            sock.sendall(bytes([byte]))

    web.answer = trickle
    assert answers(web.listener, patience())


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_who_refuses_a_connection_lives(web: Web, end: Answer) -> None:
    web.answer = end
    assert answers(web.listener, patience())


def test_silence_is_none(web: Web) -> None:
    gate = threading.Event()
    web.answer = lambda _: gate.wait()
    assert not answers(web.listener, 0.05)
    gate.set()


def test_a_handshake_that_does_not_come_is_none(web: Web) -> None:
    gate = threading.Event()
    web.answer = lambda _: gate.wait()
    assert not answers(web.listener._replace(is_tls=True), 0.05)
    gate.set()


def test_nobody_listens(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
    assert not answers(Listener(address), patience())
    assert answers(web.listener, patience())


def test_an_address_that_stands_for_all() -> None:
    web = Web("0.0.0.0")
    try:
        assert answers(web.listener, patience())
    finally:
        web.close()


def test_tls(tmp_path: Path) -> None:
    assert shutil.which("openssl")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate"), "-subj", "/CN=kvm"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    web = Web(context=context)
    try:
        assert answers(web.listener, patience())
        assert web.requests[0].startswith(b"GET /api/status")
        web.answer = reset
        assert answers(web.listener, patience())
    finally:
        web.close()


def test_a_probe_beats_with_each_answer_and_falls_silent_without(web: Web) -> None:
    probe = Probe(web.listener, 0.3)
    assert str(web.listener) == f"127.0.0.1:{web.listener.address[1]}"
    probe.start()
    first = probe.pulse.last
    assert first is not None
    eventually(lambda: probe.pulse.last is not first, "a beat")
    web.answer = lambda _: time.sleep(0.4)
    asked = len(web.requests)
    eventually(lambda: len(web.requests) >= asked + 2, "two requests without an answer")
    last = probe.pulse.last
    asked = len(web.requests)
    eventually(lambda: len(web.requests) >= asked + 2, "two more")
    assert probe.pulse.last is last
    probe.stop()
    assert probe.pulse.last is None
