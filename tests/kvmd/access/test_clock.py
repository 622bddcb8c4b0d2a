"""The daemon under a wall clock that jumps, as on boards without a battery for it: logins, limits and sessions.

libfaketime turns the clock of the real program; the monotonic one it leaves alone.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from kvmd.access.limiter import FOR_ONE_USER, LONGEST
from tests.ports import free_ports
from tests.waiting import eventually, patience

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""What shows a program another time; of Debian's package faketime."""


class Turned:
    """`kvmd demo` in a process of its own, whose wall clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.set_clock("+0d")
        self.port, tls_port, video_port = free_ports(3)
        ports = ["--port", str(self.port), "--tls-port", str(tls_port), "--video-port", str(video_port)]
        environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kvmd", "demo", *ports],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def set_clock(self, offset: str) -> None:
        """Turn the wall clock, to an offset from the right time as faketime(1) takes it."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._offset)

    def is_up(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(
        self, path: str, body: object = None, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Send a request, with a body or without one, from an address."""
        address = (source, 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience(), source_address=address)
        try:
            connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def login(self, password: str, source: str = "127.0.0.1") -> tuple[int, http.client.HTTPMessage, str]:
        return self.ask("/login_api", {"username": "admin", "password": password}, source)

    def token(self) -> str:
        """Log in from an address from which nobody guesses."""
        code, _, body = self.login("admin", "127.0.0.2")
        assert code == 200, body
        return str(json.loads(body)["data"]["token"])

    def is_known(self, token: str) -> bool:
        return self.ask("/api/status", Authorization=f"Bearer {token}")[0] == 200

    def skew(self) -> timedelta:
        """How far the daemon's wall clock is from ours."""
        return parsedate_to_datetime(self.ask("/")[1]["Date"]) - datetime.now(UTC)

    def guess_until_refused(self) -> int:
        """Guess until that is too much; tell how many guesses were taken, which may be some where a machine is slow."""
        for taken in range(50):
            code, headers, _ = self.login("wrong")
            if code == 429:
                assert int(headers["Retry-After"]) <= LONGEST
                return taken
            assert code == 401
        pytest.fail("one may guess as much as one likes")


@pytest.fixture
def turned(tmp_path: Path) -> Iterator[Turned]:
    assert LIBRARY, "apt-get install faketime"
    turned = Turned(tmp_path)
    try:
        eventually(turned.is_up, "the daemon")
        yield turned
    finally:
        turned.process.kill()
        turned.process.wait()


def test_a_clock_that_jumps_locks_nobody_out_and_lets_nobody_in(turned: Turned) -> None:
    tokens = [turned.token()]
    assert turned.guess_until_refused() >= FOR_ONE_USER
    for days in (-1, 365):
        turned.set_clock(f"{days:+}d")
        eventually(lambda: abs(turned.skew() - timedelta(days=days)) < timedelta(hours=12), "the jump")  # noqa: B023
        assert turned.guess_until_refused() < FOR_ONE_USER, "the guesses before are not forgotten"
        tokens.append(turned.token())
        assert all(turned.is_known(token) for token in tokens), "sessions go on"
