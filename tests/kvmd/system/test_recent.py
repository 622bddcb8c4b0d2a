"""The newest lines of the log, in memory."""

import logging
from collections.abc import Iterator

import pytest

from kvmd.system import recent
from kvmd.system.recent import LONGEST, RecentLog


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own, which takes everything."""
    logger = logging.getLogger("kvmd.test_recent")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


@pytest.fixture
def log(logger: logging.Logger) -> RecentLog:
    return kept(logger, RecentLog(lines=3))


def kept(logger: logging.Logger, log: RecentLog) -> RecentLog:
    logger.addHandler(log)
    return log


def test_the_newest_lines_are_kept_in_order(logger: logging.Logger, log: RecentLog) -> None:
    for number in range(5):
        logger.info("line %d", number)
    lines = log.lines()
    assert [(line.number, line.message) for line in lines] == [(3, "line 2"), (4, "line 3"), (5, "line 4")]
    assert {(line.level, line.logger) for line in lines} == {("info", "kvmd.test_recent")}


def test_only_later_ones_and_only_worse_ones(logger: logging.Logger, log: RecentLog) -> None:
    logger.debug("one")
    logger.warning("two")
    logger.error("three")
    assert [line.message for line in log.lines(since=1)] == ["two", "three"]
    assert [line.message for line in log.lines(level="error")] == ["three"]
    assert [line.message for line in log.lines(since=3)] == []


def test_a_traceback_is_part_of_its_line(logger: logging.Logger, log: RecentLog) -> None:
    try:
        int("a reason")
    except ValueError:
        logger.exception("it failed")
    [line] = log.lines()
    assert line.message.startswith("it failed\nTraceback")
    assert line.message.endswith("'a reason'")


def test_they_have_a_size(logger: logging.Logger) -> None:
    log = kept(logger, RecentLog(size=3 * LONGEST + 9))
    for _ in range(20):
        logger.info("%s", "x" * 10 * LONGEST)
    lines = log.lines()
    assert [len(line.message) for line in lines] == [LONGEST + 1] * 3
    assert lines[-1].number == 20
    for _ in range(recent.LINES + 5):
        logger.info("")
    assert len(log.lines()) == recent.LINES


def test_what_cannot_be_formatted_ends_nothing(
    logger: logging.Logger, log: RecentLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.info("%d", "no number")
    logger.info("after")
    assert [line.message for line in log.lines()] == ["after"]
