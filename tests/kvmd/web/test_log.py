"""/api/log: what a real daemon has logged, for admins."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.process import HOST, Served, served
from tests.waiting import eventually, patience


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("kvmd")) as daemon:
        daemon.wait("READY=1")
        yield daemon


def lines(process: Served, query: str = "") -> list[dict[str, Any]]:
    code, body = process.ask("GET", f"/api/log{query}")
    assert code == 200, body
    found: list[dict[str, Any]] = json.loads(body)["data"]
    return found


def test_it_has_what_stderr_has(process: Served) -> None:
    eventually(lambda: "hid: online" in process.log, "the keyboard being ready")
    told = lines(process)
    assert [line["number"] for line in told] == sorted(line["number"] for line in told)
    assert any(line["message"].startswith("listening on") and line["logger"] == "kvmd.front.server" for line in told)
    for line in told:
        assert f"{line['level'].upper()} {line['logger']}: {line['message']}" in process.log
        assert datetime.fromisoformat(line["at"]).tzinfo is not None


def test_later_ones_and_worse_ones(process: Served) -> None:
    last = lines(process)[-1]["number"]
    assert lines(process, f"?since={last}") == []
    with socket.create_connection((HOST, process.ports[0]), timeout=patience()) as wire:
        wire.sendall(b"nonsense\r\n\r\n")
        wire.recv(1000)
    [line] = lines(process, f"?since={last}&level=warning")
    assert line["message"].startswith("malformed requests: 127.0.0.1")
    assert lines(process, f"?since={last}&level=error") == []


def test_it_has_no_secrets(process: Served) -> None:
    """Of all ways to send one: those that are right, those that are wrong, and those that break something."""
    secrets = [process.login(), process.key, "0123456789abcdef"]
    for secret in secrets:
        for method, path, headers in (
            ("GET", f"/api/status?token={secret}", {}),
            ("GET", f"/nothing?token={secret}", {}),
            ("POST", f"/api/status?token={secret}", {}),
            ("GET", "/api/status", {"Authorization": f"Bearer {secret}"}),
            ("GET", "/api/status", {"Authorization": f"Basic {secret}"}),
            ("GET", "/api/status", {"Cookie": f"kvmd_token={secret}"}),
            ("GET", "/api/ws", {"Upgrade": "websocket", "Sec-WebSocket-Key": secret, "X-Token ": secret}),
        ):
            connection = http.client.HTTPConnection(HOST, process.ports[0], timeout=patience())
            connection.request(method, path, headers=headers)
            connection.getresponse().read()
            connection.close()
    said = json.dumps(lines(process))
    assert [secret for secret in secrets if secret in said] == []


def test_admins_alone_read_it(process: Served) -> None:
    code, body = process.ask("POST", "/api/apikeys", {"name": "operator", "role": "operator"})
    assert code == 200
    key = json.loads(body)["data"]["key"]
    assert process.ask("GET", "/api/log", Authorization=f"Bearer {key}")[0] == 403
