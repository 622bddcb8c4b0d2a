"""The host's side of a run: boots the guest once and hands its reports to the outer pytest, as if tests ran here."""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from . import image, tools
from .errors import LabError
from .locking import locked
from .machine import Limits, Machine

# how long a guest that has run its tests may take to power off, in seconds
GRACE = 30.0
# how many lines of the console a failure shows: the first one, and those that follow from it
TAIL = 60
BRIEF_TAIL = 5
# where the guest has its copy
CHECKOUT = "/lab/checkout/"


class Replay:
    """All kernel tests of one pytest session.

    :param nodeids: the selected tests, in order
    """

    def __init__(self, config: pytest.Config, nodeids: Sequence[str]) -> None:
        self.config = config
        self.nodeids = nodeids
        self.machine: Machine | None = None
        self.lock = ExitStack()
        self.release = "(unknown)"
        self.boot = 0.0
        self.total = 0.0
        self.ran = 0
        self.collected: frozenset[str] | None = None
        self.uncollected: list[str] = []
        self.said_bye = False
        # why no more reports can come, and how many tests that has failed
        self.broken = ""
        self.lost = 0

    def run(self, item: pytest.Item) -> None:
        """Report one test: as it went in the guest, or as failed if the guest cannot tell."""
        if self.machine is None and not self.broken:
            self._guarded(self._start)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if not self.broken:
            self._guarded(lambda: self._follow(item))
        if self.broken:
            _report(item, "failed", self._verdict())
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def finish(self, interrupted: bool) -> None:
        """End the guest.

        :param interrupted: do not wait for it
        """
        with self.lock:
            if self.machine is None:
                return
            if not interrupted and not self.broken:
                self._guarded(self._wait_for_bye)
            self.machine.stop(GRACE if self.said_bye else 0)

    def summary(self) -> str:
        """One line for the end of the session; empty if no guest was booted."""
        if not self.ran:
            return ""
        tests = f"{self.ran} test{'s' * (self.ran != 1)}"
        return f"kernel: {tests} in a guest with Linux {self.release} in {self.total:.0f} s (boot {self.boot:.0f} s)"

    def _start(self) -> None:
        logs = self.config.rootpath / "build" / "kernel"
        self.lock.enter_context(locked(logs.with_suffix(".lock"), self._say, "another run of the kernel tests"))
        built = image.cached(self.config.rootpath, self._say)
        limits = Limits(_seconds("KVMD_LAB_TOTAL", Limits.total), _seconds("KVMD_LAB_SILENCE", Limits.silence))
        try:
            self._boot(Machine(built, logs, limits))
        except LabError as error:
            # QEMU's emulation races with the kernel's patching of itself: now and then a boot ends in a panic.
            self._say(f"the guest did not come up, so once more: {error}")
            assert self.machine is not None
            self.machine.stop(0)
            self._boot(Machine(built, logs, limits))
        while self.collected is None:
            self._receive()

    def _boot(self, machine: Machine) -> None:
        """Start a guest, up to its first message."""
        self.machine = machine
        self._say("booting")
        machine.start(self.config.rootpath, self.nodeids, _arguments(self.config))
        self._receive()

    def _follow(self, item: pytest.Item) -> None:
        """Hand on the reports of one test."""
        assert self.collected is not None
        if item.nodeid not in self.collected:
            reasons = "\n\n".join(self.uncollected) or "it is not among the tests there"
            _report(item, "failed", f"the guest did not collect {item.nodeid}:\n{reasons}")
            return
        while True:
            message = self._receive()
            if message["kind"] == "report":
                item.ihook.pytest_runtest_logreport(report=self._deserialised(message["report"]))
            elif message["kind"] == "end":
                return
            elif message["kind"] == "bye":
                raise LabError("the guest's pytest stopped early")

    def _deserialised(self, data: dict[str, Any]) -> pytest.TestReport:
        """A report as if it were from here: the guest has its own path to the checkout, and JSON has no tuples."""
        here = json.dumps(f"{self.config.rootpath}/")[1:-1]
        data = json.loads(json.dumps(data).replace(CHECKOUT, here))
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=data)
        assert isinstance(report, pytest.TestReport)
        return report

    def _receive(self) -> dict[str, Any]:
        """The next message, with what it says about the guest noted."""
        assert self.machine is not None
        message = self.machine.receive()
        if message["kind"] == "hello":
            self.release = message["release"]
        elif message["kind"] == "uncollected":
            self.uncollected.append(message["text"])
        elif message["kind"] == "collected":
            self.collected = frozenset(message["nodeids"])
        elif message["kind"] == "start":
            self.ran += 1
            self.boot = self.boot or time.monotonic() - self.machine.started
        elif message["kind"] == "end":
            self.total = time.monotonic() - self.machine.started
        elif message["kind"] == "bye":
            self.said_bye = True
        return message

    def _wait_for_bye(self) -> None:
        """Wait for the end of a guest that has run everything, or that stops by itself because of --maxfail."""
        if self.collected is None or (self.ran < len(self.collected) and not self.config.getvalue("maxfail")):
            return
        while not self.said_bye:
            self._receive()

    def _guarded(self, step: Callable[[], object]) -> None:
        """Take a step; after a failure of the lab, remember why."""
        try:
            step()
        except LabError as error:
            self.broken = f"kernel lab: {error}"

    def _verdict(self) -> str:
        """What a test says that the guest did not finish; the first such test says more."""
        tail = self.machine.tail(BRIEF_TAIL if self.lost else TAIL) if self.machine else ""
        self.lost += 1
        if self.machine is None or not tail:
            return self.broken
        return f"{self.broken}\n\n---- end of {self.machine.console} ----\n{tail}"

    def _say(self, text: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(f"kernel lab: {text}")


def unavailable() -> str:
    """Why there can be no guest on this machine; an empty string if there can."""
    return tools.missing()


def report_unavailable(item: pytest.Item, reason: str) -> None:
    """Skip a test, or fail it where CI=true promises that the tools are there."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    _report(item, "failed" if os.environ.get("CI") == "true" else "skipped", reason)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _report(item: pytest.Item, outcome: Any, text: str) -> None:
    path, line, _ = item.location
    longrepr: Any = text if outcome == "failed" else (path, (line or 0) + 1, f"Skipped: {text}")
    report = pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), outcome, longrepr, "call")
    item.ihook.pytest_runtest_logreport(report=report)


def _arguments(config: pytest.Config) -> list[str]:
    """The options of the outer pytest that decide how a failure looks, and when to stop."""
    colour = "yes" if config.get_terminal_writer().hasmarkup else "no"
    arguments = [f"--color={colour}", f"--tb={config.getvalue('tbstyle')}", f"--verbosity={config.getvalue('verbose')}"]
    if config.getvalue("showlocals"):
        arguments.append("--showlocals")
    if config.getvalue("maxfail"):
        arguments.append(f"--maxfail={config.getvalue('maxfail')}")
    return arguments


def _seconds(variable: str, default: float) -> float:
    return float(os.environ.get(variable) or default)
