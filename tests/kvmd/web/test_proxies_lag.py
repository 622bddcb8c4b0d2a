"""A viewer that stops reading behind a real proxy: how many pictures lie before it that it sees too late."""

from __future__ import annotations

import http.client
import io
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest
from PIL import Image

from kvmd import Frame, PixelFormat, hookimpl
from kvmd.plugins.hookspecs import PROJECT
from kvmd.plugins.registry import Registry
from kvmd_drivers.virtual import VirtualCapture
from tests.conftest import HOST, Daemon
from tests.kvmd.web.test_proxies import NAMES, as_documented
from tests.proxies import BARE, PAGE, documented, proxy
from tests.waiting import eventually, patience

STALL = 600
"""Pictures that are taken while nobody reads: 40 MB, many times what sockets hold."""
STEP = 0.005


def noise(seed: int) -> bytes:
    """Make a JPEG of about 70 KB."""
    pixels = np.random.default_rng(seed).integers(0, 255, (240, 320, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


PICTURES = [noise(1), noise(2)]
SIZE = len(PICTURES[0])


class Motion(VirtualCapture):
    """A source that never stands still."""

    name = "motion"
    taken = 0

    def frames(self) -> Iterator[Frame]:
        while True:
            Motion.taken += 1
            data = PICTURES[Motion.taken % 2]
            yield Frame(data, PixelFormat.MJPEG, 320, 240, 0, time.monotonic(), Motion.taken)
            time.sleep(STEP)


class Viewer:
    """A client of /stream behind a proxy."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=patience())
        self._connection.request("GET", "/stream", headers={"Authorization": f"Bearer {token}"})
        self._file = self._connection.getresponse()
        assert self._file.status == 200

    def next(self) -> int:
        """Return the number of the next picture."""
        while not (line := self._file.readline()).lower().startswith(b"x-sequence:"):
            assert line, "the stream goes on"
        return int(line.split()[1])

    def close(self) -> None:
        self._connection.close()


def behind(port: int, token: str) -> int:
    """Stop reading while pictures are taken; return how many of these are read before the first one of afterwards."""
    viewer = Viewer(port, token)
    try:
        first = viewer.next()
        begun = Motion.taken
        eventually(lambda: Motion.taken > begun + STALL, "the pictures being taken")
        late = 0
        while viewer.next() < first + STALL:
            late += 1
        return late
    finally:
        viewer.close()


@pytest.fixture(scope="module")
def moving(make_daemon: Callable[..., Daemon], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    module = ModuleType("plugin_motion")
    vars(module)["kvmd_drivers"] = hookimpl(lambda: [Motion])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        registry = Registry([*entry_points(group=PROJECT), EntryPoint("motion", module.__name__, PROJECT)])
    socket = tmp_path_factory.mktemp("socket") / "web.sock"
    web = msgspec.structs.replace(as_documented([f"{HOST}:0", f"unix:{socket}"]), trusted_proxies=["127.0.0.1", "unix"])
    with make_daemon(capture="motion", registry=registry, web=web).running() as daemon:
        yield daemon


def unix(daemon: Daemon, name: str) -> str:
    path = str(daemon.server.listeners[1].address)
    return {"nginx": f"http://unix:{path}", "caddy": f"unix/{path}", "haproxy": f"unix@{path}"}[name]


def test_without_a_proxy_nothing_lags(moving: Daemon) -> None:
    assert behind(moving.port, moving.token) * SIZE < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_what_lags_does_not_grow_with_time(moving: Daemon, name: str, tmp_path: Path) -> None:
    """Not even with nothing but the forwarding line: nginx would keep all of it, were it not for X-Accel-Buffering."""
    with proxy(name, BARE[name], f"{HOST}:{moving.port}", tmp_path) as before:
        assert behind(before.port, moving.token) < STALL / 2


@pytest.mark.parametrize(("name", "bound"), [("nginx", "sndbuf=256k"), ("haproxy", "tune.sndbuf.client 262144")])
def test_what_the_proxy_holds_can_be_bounded(moving: Daemon, name: str, bound: str, tmp_path: Path) -> None:
    assert bound in PAGE.read_text()
    with proxy(name, documented(name), unix(moving, name), tmp_path, bound) as before:
        assert behind(before.port, moving.token) * SIZE < 2_000_000
