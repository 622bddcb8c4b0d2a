"""WebKitGTK's own small browser on a display that nobody sees, driven by WebDriver: https://www.w3.org/TR/webdriver/."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browsers.tab import COLLECT, SIZE, Browser, Tab
from tests.conftest import HOST
from tests.ports import free_port
from tests.waiting import eventually, patience

PROGRAM = "/usr/bin/WebKitWebDriver"
DISPLAY = ["/usr/bin/Xvfb", "-screen", "0", "1600x1200x24", "-nolisten", "tcp", "-displayfd", "1"]


class WebKitGtk(Browser):
    """MiniBrowser, by the program that drives it.

    :param port: the program's
    """

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self._port = port
        self._session = ""
        self._session = f"/session/{self.call('POST', '/session', capabilities={})['sessionId']}"

    def call(self, method: str, path: str, **parameters: Any) -> Any:
        """Have a command carried out, and give its result."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=patience())
        body = json.dumps(parameters) if method == "POST" else None
        connection.request(method, self._session + path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        value = json.loads(response.read())["value"]
        connection.close()
        assert response.status == 200, f"{method} {path}: {value}"
        return value

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        tab = WebKitTab(self)
        tab.resize(*SIZE)
        yield tab
        tab.let_go_of_all()
        tab.run("localStorage.clear()")
        self.call("DELETE", "/cookie")
        self.call("POST", "/url", url="about:blank")


class WebKitTab(Tab):
    """Its one page."""

    buttons = (0,)  # WebKitWebDriver 2.50 takes the left one to go up, whichever went down

    def __init__(self, browser: WebKitGtk) -> None:
        super().__init__()
        self._call = browser.call

    def open(self, address: str) -> None:
        self._call("POST", "/url", url=address)
        self.run(COLLECT)

    def run(self, body: str) -> Any:
        return self._call("POST", "/execute/sync", script=body, args=[])

    def act(self, kind: str, *actions: dict[str, Any]) -> None:
        self._call("POST", "/actions", actions=[{"type": kind, "id": kind, "actions": actions}])
        if kind == "wheel":  # it turns by how far one turn differs from the one before, unless that is forgotten
            self._call("DELETE", "/actions")

    def shot(self) -> bytes:
        return base64.b64decode(self._call("GET", "/screenshot"))

    def resize(self, width: int, height: int) -> None:
        bar = 0
        while self.run("return innerHeight") != height:
            self._call("POST", "/window/rect", width=width, height=height + bar)
            bar = height - int(self.run("return innerHeight"))

    def hide(self) -> None:
        self._call("POST", "/window/minimize")

    def show(self) -> None:
        self._call("POST", "/window/rect")


@contextmanager
def webkitgtk(folder: Path) -> Iterator[Browser]:
    """Run it, with the folder for its home."""
    port = free_port()
    with running(DISPLAY) as display:
        assert display.stdout
        number = display.stdout.readline().decode().strip()
        home = {"HOME": str(folder), "DISPLAY": f":{number}"}
        with running([PROGRAM, f"--port={port}"], home) as driver:
            eventually(lambda: driver.poll() is not None or answers(port), "WebKitWebDriver")
            browser = WebKitGtk(folder, port)
            yield browser
            browser.call("DELETE", "")


@contextmanager
def running(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def answers(port: int) -> bool:
    """Tell whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
