"""Log lines about what strangers do: one line each, short, and not without end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from kvmd.system.rate import Rate

MOST = 30
WINDOW = 60.0


class SparingLog:
    """A logger that takes at most so many lines of a kind in a window; how many were left out it says with the next.

    :param logger: where they go
    :param most: lines of one kind within the window
    :param window: its length, in seconds
    """

    def __init__(self, logger: logging.Logger, most: int = MOST, window: float = WINDOW) -> None:
        self._logger = logger
        self._rate = Rate(most, window, kinds=64)
        self._left_out: Counter[str] = Counter()

    def log(
        self,
        level: int,
        kind: str,
        message: str,
        *arguments: object,
        exc_info: BaseException | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Log a line, or leave it out.

        :param kind: what is counted together; the program's own word, of which there are few
        :param exc_info: what it is about, for a traceback
        :param fields: of systemd's journal, see ``JournalHandler``
        """
        if self._rate.take(kind):
            self._left_out[kind] += 1
            return
        left_out = self._left_out.pop(kind, 0)
        more = f" ({left_out} more lines like this were left out)" if left_out else ""
        self._logger.log(level, f"{message}%s", *arguments, more, exc_info=exc_info, extra={"journal": fields})


def printable(text: str, most: int = 64) -> str:
    """Return the beginning of what a stranger sent, for a log line: control characters and line ends escaped."""
    return repr(text[:most])[1:-1] + ("…" if len(text) > most else "")
