"""A daemon as systemd runs it: ``kvmd serve`` in a process of its own, and the socket that it notifies."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kvmd.access.credentials import Credentials
from tests.waiting import eventually, patience

NAME = "acme"
"""The plug-in's, and that of the drivers that it brings."""

HOST = "127.0.0.1"
LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


class Served:
    """A daemon.

    :param folder: its own, which may be that of one before it
    :param key: the API key, where the one before had it made
    :param plugin: the source of a plug-in, installed as pip leaves it
    :param roles: the drivers, by their roles; by default the virtual ones
    :param more: lines for the tables of the settings, by the tables' names
    :param watchdog: seconds of systemd's watchdog
    :param before: what the program is called with, such as faketime
    :param python: the interpreter of the environment that has kvmd
    :param listen: where the API is served; by default any free port
    """

    def __init__(
        self,
        folder: Path,
        *,
        key: str = "",
        plugin: str = "",
        roles: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
        watchdog: float | None = None,
        before: list[str] | None = None,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        listen: str = f"{HOST}:0",
    ) -> None:
        self.folder = folder
        self._write_settings(roles or {}, more or {}, listen)
        self.key = key or Credentials(folder / "auth.json").add_key("test")
        self._log = folder / "log"
        self._heard: list[str] = []
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # In the abstract namespace, as the path of a folder may be too long (unix(7), sun_path).
        name = f"kvmd-test-{os.getpid()}-{id(self)}"
        self._systemd.bind(f"\0{name}")
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        given = {"NOTIFY_SOCKET": f"@{name}", **(environment or {})}
        if plugin:
            given["PYTHONPATH"] = str(install(folder, plugin))
        if watchdog:
            given["WATCHDOG_USEC"] = str(round(watchdog * 1_000_000))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*(before or []), python, "-m", "kvmd", "serve", "--config", str(folder / "kvmd.toml")],
                stderr=log,
                env={**os.environ, **given},
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def heard(self) -> list[str]:
        """What systemd was told, in order."""
        return list(self._heard)

    @property
    def ports(self) -> list[int]:
        """Of the API and of the video, once they listen."""
        return [int(port) for port in LISTENING.findall(self.log)]

    @property
    def places(self) -> list[tuple[str, int]]:
        """The addresses of both."""
        return [(HOST, port) for port in self.ports]

    @property
    def stays(self) -> bool:
        return self.process.poll() is None

    def wait(self, message: str) -> int:
        """Wait until systemd is told a message that begins so; return how many it was told till then."""

        def found() -> int | None:
            for number, heard in enumerate(self.heard, 1):
                if heard.startswith(message):
                    return number
            assert self.stays, f"it ended with {self.process.returncode}: {self.log}"
            return None

        return eventually(found, f"{message} from {self.folder.name}")

    def fed_after(self, count: int) -> bool:
        """Tell whether the watchdog was fed after so many messages."""
        return "WATCHDOG=1" in self.heard[count:]

    def ask(self, method: str, path: str, body: Any = None, port: int = 0, **headers: str) -> tuple[int, bytes]:
        """Send a request with the API key."""
        connection = http.client.HTTPConnection(HOST, self.ports[port], timeout=patience())
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Authorization": f"Bearer {self.key}", **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def login(self) -> str:
        """Log in as a person does; return the session's token."""
        Credentials(self.folder / "auth.json").set_password("admin", "correct horse")
        code, body = self.ask("POST", "/login_api", {"username": "admin", "password": "correct horse"})
        assert code == 200, body
        return str(json.loads(body)["data"]["token"])

    def status(self) -> Any:
        code, body = self.ask("GET", "/api/status")
        assert code == 200, body
        return json.loads(body)["data"]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code; a signal that ended it is negative."""
        self.process.send_signal(number)
        return self.process.wait(patience())

    def close(self) -> None:
        """Leave nothing behind."""
        if self.stays:
            self.process.kill()
            self.process.wait()
        self._systemd.shutdown(socket.SHUT_RDWR)
        self._hearing.join()
        self._systemd.close()

    def _hear(self) -> None:
        while message := self._systemd.recv(4096):
            self._heard.append(message.decode())

    def _write_settings(self, roles: Mapping[str, str], more: Mapping[str, str], listen: str) -> None:
        tables = "".join(
            f'[{role}]\ndriver = "{roles.get(role, "virtual")}"\n{more.get(role, "")}'
            for role in ("capture", "hid", "power")
        )
        (self.folder / "kvmd.toml").write_text(
            f'{tables}[web]\nlisten = ["{listen}"]\nvideo_listen = ["{HOST}:0"]\n'
            "tls_listen = []\nvideo_tls_listen = []\n"
            f'[auth]\nfile = "{self.folder}/auth.json"\n'
        )


@contextmanager
def served(folder: Path, **given: Any) -> Iterator[Served]:
    """Run a daemon; whatever becomes of it, it is gone in the end."""
    daemon = Served(folder, **given)
    try:
        yield daemon
    finally:
        daemon.close()


def install(folder: Path, plugin: str) -> Path:
    """Install a plug-in where nobody else sees it; return the folder for Python's path."""
    site = folder / "site"
    info = site / f"{NAME}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{NAME}.py").write_text(plugin)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[kvmd]\n{NAME} = {NAME}\n")
    return site
