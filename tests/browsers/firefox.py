"""Debian's Firefox ESR, driven by WebDriver BiDi, which it speaks by itself: https://w3c.github.io/webdriver-bidi/."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.browsers.tab import COLLECT, SIZE, Browser, Tab
from tests.waiting import eventually, patience

PROGRAM = "/usr/bin/firefox-esr"
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
PREFERENCES = """
user_pref("network.dns.disabled", true);
user_pref("browser.download.folderList", 2);
user_pref("browser.download.dir", "{folder}");
user_pref("browser.download.always_ask_before_handling_new_types", false);
"""
"""It finds no other host than this one, and asks nothing."""


class Firefox(Browser):
    """Firefox without a window, by the connection to it."""

    def __init__(self, folder: Path, connection: ClientConnection) -> None:
        super().__init__(folder)
        self._connection = connection
        self._numbers = itertools.count(1)
        self.call("session.new", capabilities={})
        self.call("script.addPreloadScript", functionDeclaration=f"() => {{ {COLLECT} }}")

    def call(self, method: str, **parameters: Any) -> Any:
        """Have a command carried out, and give its result."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(patience()))
            if answer.get("id") == number:
                assert answer["type"] == "success", f"{method}: {answer['error']}: {answer['message']}"
                return answer["result"]

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        person = self.call("browser.createUserContext")["userContext"]
        tab = FirefoxTab(self, person)
        tab.resize(*SIZE)
        yield tab
        self.call("browser.removeUserContext", userContext=person)


class FirefoxTab(Tab):
    """A tab with cookies and a store of its own.

    :param person: the user context
    """

    def __init__(self, browser: Firefox, person: str) -> None:
        super().__init__()
        self._browser = browser
        self._person = person
        self._context = self._create()
        self._cover = ""

    def _create(self) -> str:
        return str(self._browser.call("browsingContext.create", type="tab", userContext=self._person)["context"])

    def open(self, address: str) -> None:
        self._call("browsingContext.navigate", url=address, wait="complete")

    def run(self, body: str) -> Any:
        answer = self._browser.call(
            "script.evaluate",
            expression=f"(async () => {{ {body} }})().then((value) => JSON.stringify(value ?? null))",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def act(self, kind: str, *actions: dict[str, Any]) -> None:
        self._call("input.performActions", actions=[{"type": kind, "id": kind, "actions": actions}])

    def shot(self) -> bytes:
        return base64.b64decode(self._call("browsingContext.captureScreenshot")["data"])

    def resize(self, width: int, height: int) -> None:
        self._call("browsingContext.setViewport", viewport={"width": width, "height": height})

    def hide(self) -> None:
        self._cover = self._create()

    def show(self) -> None:
        self._browser.call("browsingContext.close", context=self._cover)
        self._call("browsingContext.activate")

    def _call(self, method: str, **parameters: Any) -> Any:
        return self._browser.call(method, context=self._context, **parameters)


@contextmanager
def firefox(folder: Path) -> Iterator[Browser]:
    """Run it, with a new profile in the folder."""
    profile = folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text(PREFERENCES.format(folder=folder))
    command = [PROGRAM, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    log = folder / "log"
    with (
        log.open("w") as sink,
        subprocess.Popen(command, env=os.environ | {"HOME": str(folder)}, stderr=sink, stdout=sink) as process,
    ):
        try:
            with connect(f"{address(log, process)}/session", max_size=None) as connection:
                browser = Firefox(folder, connection)
                yield browser
                browser.call("browser.close")
                process.wait(patience())
        finally:
            process.kill()


def address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until it listens."""
    found = eventually(lambda: LISTENING.search(log.read_text()) or process.poll() is not None, "Firefox")
    assert isinstance(found, re.Match), log.read_text()
    return str(found[1])
