"""Everything at once that strangers can do, against a daemon of its own: who is logged in works on."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kvmd.front.test_connection import many
from tests.waiting import Deadline, eventually, patience
from tests.wire import Wire, request

HOST = "127.0.0.1"
HALF = request("POST", "/login_api", "Content-Length: 99") + b"{"
LOGIN = b'{"username": "admin", "password": "%s"}'
VIEWERS = 48


class Served:
    """A daemon in a process of its own.

    :param files: how many files it may have open
    """

    def __init__(self, folder: Path, files: int) -> None:
        with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
            self.place, self.video = one.getsockname(), other.getsockname()
        (folder / "kvmd.toml").write_text(
            "".join(f'[{role}]\ndriver = "virtual"\n' for role in ("capture", "hid", "power"))
            + f'[web]\nlisten = ["{HOST}:{self.place[1]}"]\nvideo_listen = ["{HOST}:{self.video[1]}"]\n'
            + "tls_listen = []\nvideo_tls_listen = []\n"
            + f'[auth]\nfile = "{folder}/auth.json"\n'
        )
        self.log = folder / "log"
        command = [sys.executable, "-m", "kvmd", "serve", "--config", str(folder / "kvmd.toml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),  # noqa: PLW1509  # no locks
            )
        eventually(lambda: "capture: online" in self.log.read_text(), "the daemon")
        self.password = (folder / "first-password").read_bytes().strip()
        self.token = json.loads(self.ask("POST", "/login_api", body=LOGIN % self.password)[1])["data"]["token"]

    def ask(self, method: str, path: str, *headers: str, body: bytes = b"", token: str = "") -> tuple[int, bytes]:
        """Ask on a connection of its own, and again where there was no room."""
        deadline = Deadline()
        while not deadline.passed():
            with contextlib.suppress(OSError), Wire(self.place) as wire:
                bearer = (f"Authorization: Bearer {token}",) if token else ()
                wire.send(request(method, path, *headers, *bearer, f"Content-Length: {len(body)}", body=body))
                code, _, answer = wire.answer()
                return code, answer
        raise TimeoutError(f"{method} {path} is not answered")

    def type(self) -> int:
        return self.ask("POST", "/keyboard", body=b'{"keycodes": ["KeyA"]}', token=self.token)[0]

    def files(self) -> int:
        """Return how many files it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Return the bytes that it has for itself."""
        found = re.search(r"^RssAnon:\s*(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience())


@contextlib.contextmanager
def served(folder: Path, files: int) -> Iterator[Served]:
    daemon = Served(folder, files)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


class Watching(threading.Thread):
    """Viewers who take what comes; each notes which pictures it saw."""

    def __init__(self, daemon: Served, count: int) -> None:
        super().__init__()
        self.seen: list[list[int]] = [[] for _ in range(count)]
        self._ended = threading.Event()
        self._rest = [b"" for _ in range(count)]
        self._socks = []
        for _ in range(count):
            self._socks.append(watch(daemon))
            self._socks[-1].setblocking(False)

    def run(self) -> None:
        while not self._ended.is_set():
            for number, sock in enumerate(self._socks):
                with contextlib.suppress(BlockingIOError):
                    data = self._rest[number] + sock.recv(1 << 18)
                    found = re.findall(rb"X-Sequence: (\d+)\r", data)
                    self.seen[number] += map(int, found)
                    self._rest[number] = data[-20:] if not data.endswith(b"\r\n") else b""
            time.sleep(0.01)

    def end(self) -> None:
        self._ended.set()
        self.join()
        for sock in self._socks:
            sock.close()


def watch(daemon: Served) -> socket.socket:
    sock = socket.create_connection(daemon.video, timeout=patience())
    sock.sendall(request("GET", "/stream", f"Authorization: Bearer {daemon.token}"))
    assert sock.recv(15) == b"HTTP/1.1 200 OK"
    return sock


def dribble(daemon: Served, ended: threading.Event) -> None:
    """Send requests byte by byte, and begin anew where one is ended."""
    while not ended.is_set():
        with contextlib.suppress(OSError), many(20, daemon.place, b"GET / HTTP/1.1\r\nX: ", "127.0.0.5") as wires:
            while not ended.wait(0.1):
                for wire in wires:
                    wire.sock.send(b"x")


def guess(daemon: Served, ended: threading.Event, counts: dict[int, int]) -> None:
    """Try one password after the other."""
    for number in range(500):
        if ended.is_set():
            return
        with contextlib.suppress(OSError), Wire(daemon.place, "127.0.0.6") as wire:
            body = LOGIN % b"wrong %d" % number
            wire.send(request("POST", "/login_api", f"Content-Length: {len(body)}", body=body))
            code = wire.answer()[0]
            counts[code] = counts.get(code, 0) + 1


def test_whoever_is_logged_in_works_on(tmp_path: Path) -> None:
    """All of it from this machine, the logged-in one's own address too."""
    with served(tmp_path, 1024) as daemon, contextlib.ExitStack() as stack:
        watching = Watching(daemon, VIEWERS)
        watching.start()
        stack.callback(watching.end)
        slow, none = stack.enter_context(watch(daemon)), stack.enter_context(watch(daemon))
        eventually(lambda: all(len(seen) >= 2 for seen in watching.seen), "pictures for all")
        before = daemon.memory()

        ended, counts = threading.Event(), dict[int, int]()
        bearer = f"Authorization: Bearer {daemon.token}"
        daemon.ask("POST", "/api/virtual", body=b'{"video": false}', token=daemon.token)
        waiting = []
        for _ in range(4):
            waiting += stack.enter_context(many(16, daemon.video, request("GET", "/snapshot?timeout=60", bearer)))
            assert daemon.type() == 200
        attackers = [threading.Thread(target=dribble, args=(daemon, ended))]
        attackers += [threading.Thread(target=guess, args=(daemon, ended, counts)) for _ in range(4)]
        for attacker in attackers:
            attacker.start()
            stack.callback(attacker.join)
        stack.callback(ended.set)
        for place in (daemon.place, daemon.video):
            stack.enter_context(many(100, place, HALF))
            stack.enter_context(many(100, place, b""))

        for _ in range(10):
            assert daemon.type() == 200
            slow.recv(40_000)
        assert daemon.ask("GET", "/api/status", token=daemon.token)[0] == 200
        for attacker in attackers[1:]:
            attacker.join()
        assert sum(counts.values()) > 0
        assert set(counts) <= {401, 429, 503}
        assert daemon.type() == 200
        daemon.ask("POST", "/api/virtual", body=b'{"video": true}', token=daemon.token)
        assert {wire.answer()[0] for wire in waiting} == {200}

        last = max(seen[-1] for seen in watching.seen)
        eventually(lambda: all(seen[-1] > last for seen in watching.seen), "pictures for all still")
        shown = [[number for number in seen if number <= last] for seen in watching.seen]
        begin = max(seen[0] for seen in shown)
        assert len({tuple(number for number in seen if number >= begin) for seen in shown}) == 1, "all see the same"
        assert daemon.memory() - before < 100 << 20
        assert len(daemon.log.read_bytes().splitlines()) < 100
        assert "Traceback" not in daemon.log.read_text()
        none.close()
        assert daemon.end() == 0


def test_with_64_files(tmp_path: Path) -> None:
    with served(tmp_path, 64) as daemon, contextlib.ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            stack.enter_context(many(50, daemon.place, b"", source))
            stack.enter_context(many(50, daemon.video, HALF, source))
        for _ in range(3):
            assert daemon.type() == 200
        assert daemon.files() < 64
        assert len(daemon.log.read_bytes().splitlines()) < 50
        assert "Traceback" not in daemon.log.read_text()
        assert daemon.end() == 0


def test_files_that_are_all_taken_are_waited_for(tmp_path: Path) -> None:
    """Others in the process take files too: where none is left, the server waits, and says so once."""
    files = 64
    with served(tmp_path, files) as daemon:
        taken = daemon.files()
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (taken, files))
        with many(20, daemon.place, b""):
            eventually(lambda: "no connection can be accepted for 1 s" in daemon.log.read_text(), "the complaint")
            time.sleep(2.5)
            assert daemon.log.read_text().count("no connection can be accepted") == 1
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (files, files))
            assert daemon.type() == 200
        assert daemon.end() == 0
