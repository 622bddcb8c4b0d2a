"""The pytest plugin of the guest: runs just the tests that the host selected and sends each report over a virtio port.

One JSON object a line; ``kind`` says which. The host's side is tests/lab/replay.py.
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

PORT = Path("/dev/virtio-ports/kvmd.lab")
SELECTED = Path("/lab/selected.json")


class Agent:
    """Turns the hooks of a pytest session into messages."""

    def __init__(self, config: pytest.Config, port: int) -> None:
        self.config = config
        self.port = port

    def send(self, kind: str, **rest: Any) -> None:
        """Write one message; blocks until the host has room for it."""
        line = json.dumps({"kind": kind, **rest}).encode() + b"\n"
        while line:
            line = line[os.write(self.port, line) :]

    def pytest_sessionstart(self) -> None:
        """Say that pytest runs, and on which kernel."""
        self.send("hello", release=platform.release())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Send what could not be collected, and why."""
        if report.failed:
            self.send("uncollected", text=report.longreprtext)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the selected tests, in the host's order, and say which of them are here."""
        here = {item.nodeid: item for item in items}
        items[:] = [here[nodeid] for nodeid in json.loads(SELECTED.read_text()) if nodeid in here]
        self.send("collected", nodeids=[item.nodeid for item in items])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.send("start", nodeid=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over."""
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.send("report", nodeid=report.nodeid, report=data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        self.send("end", nodeid=nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """No more messages will come."""
        self.send("bye")


def pytest_configure(config: pytest.Config) -> None:
    """Open the port and listen to the session."""
    config.pluginmanager.register(Agent(config, os.open(PORT, os.O_WRONLY)), "kvmd-lab-agent")
