"""pytest's side of a run: tests of the kernel run in guests, and are reported as if they ran here."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import pytest

from . import tools
from .shares import module_of
from .team import Team
from .workshop import Workshop

# where the guest has its copy
CHECKOUT = "/lab/checkout/"
# how many work at the same time: one more than there are cores, since each waits for a third of its time
GUESTS = (os.cpu_count() or 1) + 1
# in pytest's cache: what modules took the last time
SECONDS = "kvmd-lab/seconds"
# what they once took, for a checkout that has not run them yet: a copy of what was in the cache
ONCE = Path(__file__).with_name("seconds.json")


class Replay:
    """The kernel tests of one pytest session.

    :param items: the selected tests
    """

    def __init__(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        self._config = config
        self._items = items
        self._reason = tools.missing()
        nodeids = [item.nodeid for item in items]
        cache = getattr(config, "cache", None)
        self._seconds: dict[str, float] = json.loads(ONCE.read_text()) | (cache.get(SECONDS, {}) if cache else {})
        arguments = [*_arguments(config), *dict.fromkeys(map(module_of, nodeids))]
        self._news: SimpleQueue[str] = SimpleQueue()
        self._workshop = Workshop(config.rootpath, arguments, self._news.put)
        self._team = Team(self._workshop.boot, nodeids, GUESTS, self._seconds, self._news.put)

    @property
    def order(self) -> Sequence[str]:
        """The tests in about the order in which they will be over."""
        return self._team.order

    def start(self) -> None:
        """Start the guests, which then work by themselves."""
        if not self._reason:
            self._team.start()

    def run(self, item: pytest.Item) -> None:
        """Report one test as it went in its guest; skip it where there can be no guest, or fail it where CI=true."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if self._reason:
            _report(item, "failed" if os.environ.get("CI") == "true" else "skipped", self._reason)
        else:
            self._replay(item)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def finish(self) -> None:
        """End the guests."""
        self._team.finish()
        self._workshop.close()
        cache = getattr(self._config, "cache", None)
        if cache and self._complete():
            cache.set(SECONDS, {**self._seconds, **self._team.seconds})

    def summary(self) -> str:
        """A line for the end of the session; empty if no guest has run tests."""
        return self._team.summary()

    def _replay(self, item: pytest.Item) -> None:
        while (outcome := self._team.outcomes.wait(item.nodeid, seconds=1)) is None:
            self._tell()
        self._tell()
        for data in outcome.reports:
            item.ihook.pytest_runtest_logreport(report=self._deserialised(data))
        if outcome.failure:
            _report(item, "failed", outcome.failure)

    def _complete(self) -> bool:
        """Whether whole modules ran, so that what they took says something about the next time."""
        return self._team.ran == len(self._items) and not self._config.getvalue("keyword")

    def _deserialised(self, data: dict[str, Any]) -> pytest.TestReport:
        """A report as if it were from here: the guest has its own path to the checkout, and JSON has no tuples."""
        here = json.dumps(f"{self._config.rootpath}/")[1:-1]
        data = json.loads(json.dumps(data).replace(CHECKOUT, here))
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
        assert isinstance(report, pytest.TestReport)
        return report

    def _tell(self) -> None:
        """Tell the person who waits what has happened to the guests."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        while not self._news.empty():
            text = self._news.get()
            if reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(f"kernel lab: {text}")


def _report(item: pytest.Item, outcome: Literal["failed", "skipped"], text: str) -> None:
    path, line, _ = item.location
    longrepr = text if outcome == "failed" else (path, (line or 0) + 1, f"Skipped: {text}")
    report = pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1), outcome, longrepr, "call")
    item.ihook.pytest_runtest_logreport(report=report)


def _arguments(config: pytest.Config) -> list[str]:
    """The options of the outer pytest that decide how a failure looks."""
    colour = "yes" if config.get_terminal_writer().hasmarkup else "no"
    arguments = [f"--color={colour}", f"--tb={config.getvalue('tbstyle')}", f"--verbosity={config.getvalue('verbose')}"]
    if config.getvalue("showlocals"):
        arguments.append("--showlocals")
    return arguments
