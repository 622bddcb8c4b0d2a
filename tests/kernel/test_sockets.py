"""kvmd.socket: systemd listens, and has kvmd started by who connects, as a user without a single capability."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import API_PORT, CONFIG, STREAM_PORT, UNIT, Daemon
from .waiting import run

SOCKET = "kvmd.socket"
WITHOUT = Path("/run/systemd/system/kvmd.service.d/no-capability.conf")
ELSEWHERE = 8009


@pytest.fixture
def listening(daemon: Daemon) -> Iterator[None]:
    """The socket, without the daemon, which may bind no port below 1024."""
    daemon.stop()
    CONFIG.write_text(f'[web]\nvideo_listen = ["[::]:{ELSEWHERE}"]\n')
    WITHOUT.write_text("[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", SOCKET)
    yield
    run("systemctl", "stop", SOCKET, UNIT)
    WITHOUT.unlink()
    run("systemctl", "daemon-reload")


@pytest.mark.usefixtures("listening")
def test_who_connects_is_answered_by_a_daemon_that_needs_no_capability(daemon: Daemon) -> None:
    assert not daemon.active()
    assert daemon.request("GET", "/api/status").code == 200
    status = Path(f"/proc/{daemon.pid()}/status").read_text()
    sets = dict(re.findall(r"^Cap(\w+):\s*(\w+)$", status, re.MULTILINE))
    assert {int(each, 16) for each in sets.values()} == {0}, sets
    assert daemon.request("GET", "/snapshot", port=ELSEWHERE).code == 503, "there is no camera"
    said = daemon.journal()
    for place in (f"http://[::]:{API_PORT}", "https://[::]:443", "https://[::]:8443", f"http://[::]:{ELSEWHERE}"):
        assert f"listening on {place}\n" in said
    assert f"systemd listens on [::]:{STREAM_PORT}, where nobody answers: no setting in [web] has that address" in said
