"""The pytest plugin of the guest: runs the tests that the host asks for and sends each report over a virtio port.

One JSON object a line. To here: ``run`` with node ids. From here ``kind`` says which; a thread of its own sends
``alive`` each second, whatever the tests do, and reports a test that hangs. The other side is tests/lab/machine.py.
"""

import faulthandler
import json
import os
import platform
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import LIMIT, Deadline

PORT = Path("/dev/virtio-ports/kvmd.lab")
PULSE = 1.0
"""Seconds between two signs of life."""
TEST_LIMIT = 5 * LIMIT
"""Seconds after which a test hangs, on an idle machine of the usual speed; several of its waits may fail before."""


class Line:
    """The connection with the host."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._input = open(port, "rb", closefd=False)  # noqa: SIM115  # a descriptor, open until the guest ends
        self._lock = threading.Lock()

    def send(self, kind: str, **rest: Any) -> None:
        """Write one message, from any thread; blocks until the host has room for it."""
        line = json.dumps({"kind": kind, **rest}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._port, line) :]

    def receive(self) -> list[str]:
        """Wait for the tests to run next."""
        nodeids: list[str] = json.loads(self._input.readline())["run"]
        return nodeids


class Pulse:
    """The thread that says that this guest is alive, and whether a test hangs."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._deadline: Deadline | None = None

    def start(self) -> None:
        """Say so from now on."""
        threading.Thread(target=self._beat, name="kvmd-lab-pulse", daemon=True).start()

    def watch(self) -> None:
        """A test begins: from now on it may hang."""
        self._deadline = Deadline(TEST_LIMIT)

    def relax(self) -> None:
        """A test is over."""
        self._deadline = None

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(PULSE):
            self._line.send("alive")
            deadline = self._deadline
            if deadline is not None and deadline.passed():
                self._line.send("stuck", after=str(deadline), stacks=stacks())
                return


class Agent:
    """Turns the hooks of a pytest session into messages."""

    def __init__(self, config: pytest.Config, line: Line) -> None:
        self._config = config
        self._line = line
        self._pulse = Pulse(line)
        self._uncollected = ["it is not among the tests there"]
        self._pulse.start()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected, and why."""
        if report.failed:
            self._uncollected.append(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Run what the host asks for, until it ends this guest."""
        here = {item.nodeid: item for item in session.items}
        self._line.send("hello", release=platform.release())
        while True:
            nodeids = self._line.receive()
            for nodeid in nodeids:
                if nodeid not in here:
                    reasons = "\n\n".join(self._uncollected)
                    self._line.send("missing", nodeid=nodeid, text=f"the guest did not collect {nodeid}:\n{reasons}")
            self._run([here[nodeid] for nodeid in nodeids if nodeid in here])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self._pulse.watch()
        self._line.send("start", nodeid=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._line.send("report", report=data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        self._pulse.relax()
        self._line.send("end", nodeid=nodeid)

    def _run(self, items: Sequence[pytest.Item]) -> None:
        """Run tests; after the last one no fixture is left."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            self._config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def stacks() -> str:
    """Where all threads are."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file=file, all_threads=True)
        file.seek(0)
        return file.read().decode(errors="replace")


def pytest_configure(config: pytest.Config) -> None:
    """Open the port and listen to the session."""
    config.pluginmanager.register(Agent(config, Line(os.open(PORT, os.O_RDWR))), "kvmd-lab-agent")
