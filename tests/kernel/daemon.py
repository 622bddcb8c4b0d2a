"""kvmd as a vendor ships it: started by systemd, asked over HTTP, read in the journal."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .waiting import eventually, patience, run

CONFIG = Path("/etc/kvmd/kvmd.toml")
UNIT = "kvmd.service"
HOST = "127.0.0.1"
API_PORT = 80
STREAM_PORT = 8008
USER = "admin"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Answer:
    """An answer of the HTTP API."""

    code: int
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class Daemon:
    """The installed kvmd.

    :param key: an API key, which requests carry and which outlives a restart
    """

    def __init__(self, key: str) -> None:
        self.token = key
        self._begin = time.time()

    def start(self, config: str | None = None) -> None:
        """Restart the service and wait until it answers.

        :param config: the new content of kvmd.toml; without it the file stays as it is
        """
        if config is not None:
            CONFIG.write_text(config)
        # a test that kills kvmd often must not run into systemd's limit on restarts
        run("systemctl", "reset-failed", f"{UNIT}*")
        run("systemctl", "restart", UNIT)
        self.wait()

    def run_with(self, config: str) -> None:
        """Have it run with this kvmd.toml; it goes on if it does, from one test to the next, as in the field."""
        if not self.active() or CONFIG.read_text() != config:
            self.start(config)

    def wait(self) -> None:
        """Wait until the API answers."""
        try:
            eventually(self._answers, f"kvmd on port {API_PORT}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.journal()}") from error

    def stop(self) -> None:
        """Stop the service in an orderly way."""
        run("systemctl", "stop", UNIT)

    def kill(self) -> None:
        """kill -9; systemd may start it again, if the unit says so."""
        run("systemctl", "kill", "--signal=KILL", UNIT)

    def active(self) -> bool:
        """Whether systemd has it running."""
        return run("systemctl", "show", "--property=ActiveState", "--value", UNIT).strip() == "active"

    def pid(self) -> int:
        """The number of its process."""
        return int(run("systemctl", "show", "--property=MainPID", "--value", UNIT))

    def journal(self) -> str:
        """What kvmd has logged since the test began."""
        return run("journalctl", f"--unit={UNIT}", f"--since=@{self._begin:.0f}", "--no-pager", "--output=cat")

    def login(self) -> None:
        """Get a token, which later requests carry instead of the key."""
        answer = self.request("POST", "/login_api", {"username": USER, "password": PASSWORD})
        assert answer.code == 200, answer
        self.token = answer.json["data"]["token"]

    def request(self, method: str, path: str, body: Any = None, port: int = API_PORT) -> Answer:
        """Send one request, its body as JSON, with the token if there is one."""
        connection = http.client.HTTPConnection(HOST, port, timeout=patience())
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.request("GET", "/")
        except OSError:
            return False
        return True


@cache
def _key() -> str:
    """Set the password and add an API key, once in the guest's life: that starts Python twice."""
    run("kvmd", "passwd", "--stdin", USER, stdin=f"{PASSWORD}\n")
    key: str = json.loads(run("kvmd", "apikey", "add", "tests", "--role", "admin", "--json"))["key"]
    return key


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Kvmd with a known password and an API key, not yet started; stopped in the end, its configuration as it was."""
    before = CONFIG.read_text() if CONFIG.exists() else None
    kvmd = Daemon(_key())
    yield kvmd
    kvmd.stop()
    if before is None:
        CONFIG.unlink(missing_ok=True)
    else:
        CONFIG.write_text(before)
