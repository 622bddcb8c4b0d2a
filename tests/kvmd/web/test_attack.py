"""Everything at once that strangers can do, against a daemon of its own: who is logged in works on."""

from __future__ import annotations

import contextlib
import http.client
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kvmd.front.test_connection import many
from tests.process import Served, served
from tests.waiting import Deadline, eventually, patience
from tests.wire import Wire, request

HALF = request("POST", "/login_api", "Content-Length: 99") + b"{"
LOGIN = b'{"username": "admin", "password": "%s"}'
VIEWERS = 48
ROLES = ("capture", "hid", "power")


@contextlib.contextmanager
def attacked(folder: Path, files: int) -> Iterator[Served]:
    """Run a daemon.

    :param files: how many files it may have open
    """
    with served(folder, before=["prlimit", f"--nofile={files}:{files}"]) as daemon:
        daemon.wait("READY=1")
        eventually(lambda: all(f"{role}: online" in daemon.log for role in ROLES), "the daemon")
        yield daemon


def ask(daemon: Served, method: str, path: str, body: object = None, token: str = "") -> int:
    """Ask as somebody who is known, and again where there was no room."""
    deadline = Deadline()
    while not deadline.passed():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return daemon.ask(method, path, body, Authorization=f"Bearer {token or daemon.key}")[0]
    raise TimeoutError(f"{method} {path} is not answered")


def type_once(daemon: Served) -> int:
    return ask(daemon, "POST", "/keyboard", {"keycodes": ["KeyA"]})


def files(daemon: Served) -> int:
    """Return how many files it has open."""
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def memory(daemon: Served) -> int:
    """Return the bytes that it has for itself."""
    found = re.search(r"^RssAnon:\s*(\d+) kB", Path(f"/proc/{daemon.process.pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


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
    sock = socket.create_connection(daemon.places[1], timeout=patience())
    sock.sendall(request("GET", "/stream", f"Authorization: Bearer {daemon.key}"))
    assert sock.recv(15) == b"HTTP/1.1 200 OK"
    return sock


def dribble(daemon: Served, ended: threading.Event) -> None:
    """Send requests byte by byte, and begin anew where one is ended."""
    while not ended.is_set():
        with contextlib.suppress(OSError), many(20, daemon.places[0], b"GET / HTTP/1.1\r\nX: ", "127.0.0.5") as wires:
            while not ended.wait(0.1):
                for wire in wires:
                    wire.sock.send(b"x")


def guess(daemon: Served, ended: threading.Event, counts: dict[int, int]) -> None:
    """Try one password after the other."""
    for number in range(500):
        if ended.is_set():
            return
        with contextlib.suppress(OSError), Wire(daemon.places[0], "127.0.0.6") as wire:
            body = LOGIN % b"wrong %d" % number
            wire.send(request("POST", "/login_api", f"Content-Length: {len(body)}", body=body))
            code = wire.answer()[0]
            counts[code] = counts.get(code, 0) + 1


def test_whoever_is_logged_in_works_on(tmp_path: Path) -> None:
    """All of it from this machine, the logged-in one's own address too."""
    with attacked(tmp_path, 1024) as daemon, contextlib.ExitStack() as stack:
        watching = Watching(daemon, VIEWERS)
        watching.start()
        stack.callback(watching.end)
        slow, none = stack.enter_context(watch(daemon)), stack.enter_context(watch(daemon))
        eventually(lambda: all(len(seen) >= 2 for seen in watching.seen), "pictures for all")
        before = memory(daemon)

        ended, counts = threading.Event(), dict[int, int]()
        session = daemon.login()
        ask(daemon, "POST", "/api/virtual", {"video": False})
        waiting = []
        snapshot = request("GET", "/snapshot?timeout=60", f"Authorization: Bearer {session}")
        for _ in range(4):
            waiting += stack.enter_context(many(16, daemon.places[1], snapshot))
            assert type_once(daemon) == 200
        attackers = [threading.Thread(target=dribble, args=(daemon, ended))]
        attackers += [threading.Thread(target=guess, args=(daemon, ended, counts)) for _ in range(4)]
        for attacker in attackers:
            attacker.start()
            stack.callback(attacker.join)
        stack.callback(ended.set)
        for place in daemon.places:
            stack.enter_context(many(100, place, HALF))
            stack.enter_context(many(100, place, b""))

        for _ in range(10):
            assert type_once(daemon) == 200
            slow.recv(40_000)
        assert ask(daemon, "GET", "/api/status", token=session) == 200
        for attacker in attackers[1:]:
            attacker.join()
        assert sum(counts.values()) > 0
        assert set(counts) <= {401, 429, 503}
        assert type_once(daemon) == 200
        ask(daemon, "POST", "/api/virtual", {"video": True})
        assert {wire.answer()[0] for wire in waiting} == {200}

        last = max(seen[-1] for seen in watching.seen)
        eventually(lambda: all(seen[-1] > last for seen in watching.seen), "pictures for all still")
        shown = [[number for number in seen if number <= last] for seen in watching.seen]
        begin = max(seen[0] for seen in shown)
        assert len({tuple(number for number in seen if number >= begin) for seen in shown}) == 1, "all see the same"
        assert memory(daemon) - before < 100 << 20
        assert len(daemon.log.splitlines()) < 100
        assert "Traceback" not in daemon.log
        none.close()
        assert daemon.end() == 0


def test_with_64_files(tmp_path: Path) -> None:
    with attacked(tmp_path, 64) as daemon, contextlib.ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            stack.enter_context(many(50, daemon.places[0], b"", source))
            stack.enter_context(many(50, daemon.places[1], HALF, source))
        for _ in range(3):
            assert type_once(daemon) == 200
        assert files(daemon) < 64
        assert len(daemon.log.splitlines()) < 50
        assert "Traceback" not in daemon.log
        assert daemon.end() == 0


def test_files_that_are_all_taken_are_waited_for(tmp_path: Path) -> None:
    """Others in the process take files too: where none is left, the server waits, and says so once."""
    most = 64
    with attacked(tmp_path, most) as daemon:
        taken = files(daemon)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (taken, most))
        with many(20, daemon.places[0], b""):
            eventually(lambda: "no connection can be accepted for 1 s" in daemon.log, "the complaint")
            time.sleep(2.5)
            assert daemon.log.count("no connection can be accepted") == 1
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, most))
            assert type_once(daemon) == 200
        assert daemon.end() == 0
