"""The host's side of a run: boots the guest once and hands its reports to the outer pytest, as if tests ran here."""

import json
import os
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
# how many work at the same time
GUESTS = os.cpu_count() or 1


class Team:
    """All kernel tests of one pytest session, shared out over guests that work at the same time, one for each core.

    :param nodeids: the selected tests, in order
    """

    def __init__(self, config: pytest.Config, nodeids: Sequence[str]) -> None:
        self.config = config
        self.lock = ExitStack()
        self.replays = [
            Replay(config, f"kernel-{number}", share) for number, share in enumerate(share_out(nodeids, GUESTS), 1)
        ]
        self.started = False

    def run(self, item: pytest.Item) -> None:
        """Report one test."""
        if not self.started:
            self._start()
        next(replay for replay in self.replays if item.nodeid in replay.nodeids).run(item)

    def finish(self, interrupted: bool) -> None:
        """End the guests.

        :param interrupted: do not wait for them
        """
        with self.lock:
            for replay in self.replays:
                replay.finish(interrupted)

    def summary(self) -> str:
        """A line for each guest that has run tests."""
        return "\n".join(filter(None, (replay.summary() for replay in self.replays)))

    def _start(self) -> None:
        self.started = True
        path = self.config.rootpath / "build" / "kernel.lock"
        self.lock.enter_context(locked(path, self.replays[0].say, "another run of the kernel tests"))
        for replay in self.replays:
            replay.start()


def share_out(nodeids: Sequence[str], count: int) -> list[list[str]]:
    """Give each guest whole modules, about the same number of tests; fewer guests where there are fewer modules."""
    modules: dict[str, list[str]] = {}
    for nodeid in nodeids:
        modules.setdefault(nodeid.partition("::")[0], []).append(nodeid)
    shares: list[list[str]] = [[] for _ in range(min(count, len(modules)))]
    for tests in sorted(modules.values(), key=len, reverse=True):
        min(shares, key=len).extend(tests)
    order = {nodeid: place for place, nodeid in enumerate(nodeids)}
    return [sorted(share, key=order.__getitem__) for share in shares]


class Replay:
    """The tests of one guest.

    :param name: of the folder for its logs, below build/
    :param nodeids: its tests, in order
    """

    def __init__(self, config: pytest.Config, name: str, nodeids: Sequence[str]) -> None:
        self.config = config
        self.logs = config.rootpath / "build" / name
        self.nodeids = nodeids
        self.machine: Machine | None = None
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

    def start(self) -> None:
        """Start the guest, which then works by itself."""
        self._guarded(self._boot)

    def run(self, item: pytest.Item) -> None:
        """Report one test: as it went in the guest, or as failed if the guest cannot tell."""
        if self.collected is None and not self.broken:
            self._guarded(self._wait_for_tests)
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

    def _boot(self) -> None:
        built = image.cached(self.config.rootpath, self.say)
        limits = Limits(_seconds("KVMD_LAB_TOTAL", Limits.total), _seconds("KVMD_LAB_SILENCE", Limits.silence))
        self.machine = Machine(built, self.logs, limits)
        self.say(f"booting {self.logs.name}")
        self.machine.start(self.config.rootpath, self.nodeids, _arguments(self.config))

    def _wait_for_tests(self) -> None:
        """Follow the guest until it knows its tests."""
        try:
            self._receive()
        except LabError as error:
            # QEMU's emulation races with the kernel's patching of itself: now and then a boot ends in a panic.
            self.say(f"the guest did not come up, so once more: {error}")
            assert self.machine is not None
            self.machine.stop(0)
            self._boot()
        while self.collected is None:
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
        came, message = self.machine.receive()
        if message["kind"] == "hello":
            self.release = message["release"]
        elif message["kind"] == "uncollected":
            self.uncollected.append(message["text"])
        elif message["kind"] == "collected":
            self.collected = frozenset(message["nodeids"])
        elif message["kind"] == "start":
            self.ran += 1
            self.boot = self.boot or came
        elif message["kind"] == "end":
            self.total = came
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

    def say(self, text: str) -> None:
        """Tell the person who waits."""
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
