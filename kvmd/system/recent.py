"""The newest lines of the log, in memory, for admins who cannot read the machine's journal."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from datetime import UTC, datetime

import msgspec

LINES = 2000
SIZE = 256 * 1024
"""Lines and characters that are kept; with either of them exceeded, the oldest line goes."""
LONGEST = 8 * 1024
"""Characters of one line, be it with a traceback."""


class Line(msgspec.Struct, frozen=True):
    """A line of the log.

    :param number: rises from line to line
    :param at: by the wall clock
    :param level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``
    :param logger: which part of the program it is of
    :param message: with the traceback, where there is one; cut where it is very long
    """

    number: int
    at: datetime
    level: str
    logger: str
    message: str


class RecentLog(logging.Handler):
    """Keeps the newest lines.

    :param lines: that are kept at most
    :param size: characters that they have at most
    """

    def __init__(self, lines: int = LINES, size: int = SIZE) -> None:
        super().__init__()
        self._most = lines
        self._room = size
        self._numbers = itertools.count(1)
        self._lines: deque[Line] = deque()

    @classmethod
    def of(cls, logger: logging.Logger) -> RecentLog:
        """Return the one that keeps a logger's lines; one that stays empty where there is none."""
        return next((handler for handler in logger.handlers if isinstance(handler, cls)), cls())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; called under the handler's lock."""
        try:
            message = self.format(record)
        except Exception:  # as logging's own handlers do, with arguments that do not fit
            self.handleError(record)
            return
        if len(message) > LONGEST:
            message = message[:LONGEST] + "…"
        at = datetime.fromtimestamp(record.created, UTC)
        self._lines.append(Line(next(self._numbers), at, record.levelname.lower(), record.name, message))
        self._room -= len(message)
        while self._room < 0 or len(self._lines) > self._most:
            self._room += len(self._lines.popleft().message)

    def lines(self, since: int = 0, level: str = "debug") -> list[Line]:
        """Return what is kept, the newest last.

        :param since: the number of a line; only later ones
        :param level: only this one, and those that are worse
        """
        lowest = _rank(level)
        self.acquire()
        try:
            kept = list(self._lines)
        finally:
            self.release()
        return [line for line in kept if line.number > since and _rank(line.level) >= lowest]


def _rank(level: str) -> int:
    return logging.getLevelNamesMapping().get(level.upper(), logging.CRITICAL)
