"""What tests share: a whole daemon with a virtual computer on free ports of loopback, and a client for it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from kvmd import testing as conformance
from kvmd.contract.settings import (
    AuthSettings,
    CaptureSettings,
    Endpoint,
    HidSettings,
    PowerSettings,
    Settings,
    WebSettings,
)
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd.web import create_app, make_server
from kvmd_drivers.virtual.computer import Computer, shared
from tests import wheels
from tests.loop import Loop
from tests.waiting import patience
from tests.wire import inet

pytest.register_assert_rewrite("tests.abi")

HOST = "127.0.0.1"
USER = "admin"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Answer:
    """An answer of the HTTP API."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """What was asked for, once the answer says that it is there."""
        assert (self.code, self.json["status"]) == (200, 1), self.json
        return self.json["data"]


class Daemon:
    """kvmd as `kvmd demo` runs it, in this process.

    :param folder: its own, after which its virtual computer is named
    :param capture: the capture driver, the virtual one or one that builds on it
    """

    def __init__(
        self,
        folder: Path,
        *,
        open_endpoints: list[Endpoint],
        hold_timeout: float,
        capture: str,
        registry: Registry,
        web: WebSettings | None,
    ) -> None:
        name = folder.name
        options = {"computer": name}
        settings = Settings(
            capture=CaptureSettings(driver=capture, options=options, quality=90),
            hid=HidSettings(driver="virtual", options=options, hold_timeout=hold_timeout),
            power=PowerSettings(driver="virtual", options=options),
            web=web
            or WebSettings(listen=[f"{HOST}:0"], video_listen=[f"{HOST}:0"], tls_listen=[], video_tls_listen=[]),
            auth=AuthSettings(file=str(folder / "auth.json"), open=open_endpoints),
        )
        self.name = name
        self.kvm = Kvm(settings, registry)
        self.kvm.auth.credentials.set_password(USER, PASSWORD)
        self.server = make_server(self.kvm, lambda name: f"set web.{name}")
        self.token = ""

    @property
    def app(self) -> Flask:
        """The app of the API and the page."""
        return create_app(self.kvm)

    @property
    def computer(self) -> Computer:
        """The computer at the other end of both cables."""
        return shared(self.name)

    @property
    def cookie(self) -> str:
        """The name of the cookie with the token."""
        return f"kvmd_token_{self.kvm.auth.device}"

    @property
    def port(self) -> int:
        return inet(self.server.listeners[0].address)[1]

    @property
    def video_port(self) -> int:
        return inet(self.server.listeners[1].address)[1]

    @contextmanager
    def running(self) -> Iterator[Daemon]:
        self.kvm.start()
        self.server.start()
        try:
            self.token = self.login()
            yield self
        finally:
            self.kvm.stop()
            self.server.stop()

    def login(self) -> str:
        return str(self.post("/login_api", {"username": USER, "password": PASSWORD}, token="").data["token"])

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any, **kwargs: Any) -> Answer:
        """Send a body as JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, content, **kwargs)

    def put(self, path: str, body: Any, **kwargs: Any) -> Answer:
        """Send a body as JSON."""
        return self.request("PUT", path, json.dumps(body).encode(), **kwargs)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
        source: str = HOST,
    ) -> Answer:
        """Send a request on a connection of its own.

        :param token: sent as Bearer; the daemon's own login by default, "" for none
        :param source: the address it comes from
        """
        token = self.token if token is None else token
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPConnection(HOST, port or self.port, timeout=patience(), source_address=(source, 0))
        try:
            connection.request(method, path, body, bearer | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def status(self) -> Any:
        return self.get("/api/status").data

    def down(self) -> tuple[int, tuple[int, ...]]:
        """What the computer feels being held: modifiers, and ordinary keys in order."""
        report = self.computer.down
        return report.modifiers, tuple(sorted(report.keys))


@pytest.fixture(scope="session")
def make_daemon(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Daemon]:
    """How a module or a test gets a daemon of its own: ``with make_daemon().running() as daemon``."""

    def make(
        *,
        open_endpoints: list[Endpoint] | None = None,
        hold_timeout: float = 600.0,
        capture: str = "virtual",
        registry: Registry | None = None,
        web: WebSettings | None = None,
    ) -> Daemon:
        return Daemon(
            tmp_path_factory.mktemp("kvmd"),
            open_endpoints=open_endpoints or [],
            hold_timeout=hold_timeout,
            capture=capture,
            registry=registry or Registry(),
            web=web,
        )

    return make


@pytest.fixture(scope="session", autouse=True)
def patient_conformance() -> Iterator[None]:
    """Let the conformance suite wait as long for a driver as this machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (conformance.driver, conformance.capture, conformance.hid, conformance.power):
            patch.setattr(module, "PATIENCE", patience())
        yield


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kvmd's wheel, of the sources as they are."""
    return wheels.build_ours(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon that the tests of a module share."""
    with make_daemon().running() as running:
        yield running


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()
