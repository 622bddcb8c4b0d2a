"""Two streamers on the same virtual capture card, one after the other; what they need goes into the test's report."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.kernel.daemon import STREAM_PORT, UNIT, Daemon
from tests.kernel.vivid import Vivid
from tests.kernel.waiting import run

FPS = 2
"""So few that an emulated CPU keeps up."""

ROUNDS = 3
SECONDS = 6.0
SETTLE = 2.0
VIEWERS = 4
USTREAMER_PORT = 8888

WEBCAM = {"num_inputs": 1, "input_types": 0x0}
"""An input whose size and frame rate can be chosen."""

TEXT, NO_TEXT = 0, 2
"""vivid draws the time over its picture, so that every frame differs; or nothing, so that all are alike."""

SCENARIOS = {"moving": (VIEWERS, TEXT), "still": (VIEWERS, NO_TEXT), "nobody": (0, TEXT)}
"""How many watch, and whether the picture moves."""


@dataclass(frozen=True)
class Streamer:
    """A running server."""

    pid: int
    port: int


@contextmanager
def kvmd(node: str, daemon: Daemon) -> Iterator[Streamer]:
    """Run the installed daemon, under systemd."""
    options = f'device = "{node}", width = 1280, height = 720, format = "YUYV", frame_rate = {FPS}'
    daemon.start(f'[capture]\ndriver = "v4l2"\noptions = {{ {options} }}\n[auth]\nopen = ["stream"]\n')
    pid = int(run("systemctl", "show", "--property=MainPID", "--value", UNIT))
    yield Streamer(pid, STREAM_PORT)
    daemon.stop()


@contextmanager
def ustreamer(node: str, _: Daemon) -> Iterator[Streamer]:
    """Run µStreamer, with its options for saving work."""
    command = f"ustreamer --device={node} --format=YUYV --resolution=1280x720 --desired-fps={FPS} --quality=80"
    command += f" --port={USTREAMER_PORT} --tcp-nodelay --drop-same-frames=30 --slowdown --log-level=0"
    with subprocess.Popen(command.split()) as process:
        try:
            yield Streamer(process.pid, USTREAMER_PORT)
        finally:
            process.terminate()


STREAMERS = {"kvmd": kvmd, "ustreamer": ustreamer}


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("name", STREAMERS)
def test_streamer(vivid: Vivid, daemon: Daemon, request: pytest.FixtureRequest, name: str, number: int) -> None:
    daemon.stop()
    node = vivid.load(**WEBCAM)
    told = request.node.user_properties
    told.append(("round", number))
    with STREAMERS[name](str(node), daemon) as streamer:
        for scenario, (viewers, text) in SCENARIOS.items():
            vivid.control("osd_text_mode", text)
            told.append((scenario, watch(streamer, viewers)))


def watch(streamer: Streamer, viewers: int) -> dict[str, float]:
    """Let viewers look for a while; see bench/viewers.py for what it gives."""
    command = [sys.executable, "-m", "bench.viewers", f"--port={streamer.port}", f"--pid={streamer.pid}"]
    command += [f"--viewers={viewers}", f"--seconds={SECONDS}", f"--settle={SETTLE}"]
    seen: dict[str, float] = json.loads(run(*command))
    return seen
