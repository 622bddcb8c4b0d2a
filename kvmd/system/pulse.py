"""Signs of life: whatever must not hang beats while it works, and what is silent for too long is named."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

logger = logging.getLogger(__name__)

LIMIT = 15.0
"""Seconds without a sign of life after which something hangs, where systemd does not say (``WatchdogSec=``)."""

PACE = 1.0
"""Seconds between two looks at everything."""


class Hang(msgspec.Struct, frozen=True):
    """Something that hangs.

    :param name: what, such as a role or a plug-in
    :param doing: the call that does not come back
    :param seconds: for how long, when it was last looked at
    """

    name: str
    doing: str
    seconds: int

    def __str__(self) -> str:
        return f"{self.name} hangs: {self.doing} for {self.seconds} s"


class Beat(NamedTuple):
    """A sign of life.

    :param doing: what begins now, for people
    :param moment: when, by ``time.monotonic()``
    :param thread: the ``ident`` of the thread that does it
    :param seconds: how long it may take, where that is more than what all may
    """

    doing: str
    moment: float
    thread: int
    seconds: float

    @classmethod
    def now(cls, doing: str, seconds: float = 0.0) -> Beat:
        """Make that of the thread that calls."""
        return cls(doing, time.monotonic(), threading.get_ident(), seconds)


class Pulse:
    """The signs of life of one thread, or of one thing that threads do in turns.

    :param name: what it belongs to, for people
    :param vital: whether the daemon is of no use while this hangs, so that systemd should start it anew
    """

    def __init__(self, name: str, vital: bool = True) -> None:
        self.name = name
        self.vital = vital
        self.last: Beat | None = None
        """The latest sign; None while there is nothing to do."""

    def beat(self, doing: str) -> None:
        """Give a sign of life.

        :param doing: what begins now, for people; it must end, or the next sign come, before the limit
        """
        self.last = Beat.now(doing)

    def rest(self) -> None:
        """Say that nothing is to be done until the next beat."""
        self.last = None

    @contextmanager
    def busy(self, doing: str) -> Iterator[None]:
        """Do one thing, and rest."""
        self.beat(doing)
        try:
            yield
        finally:
            self.rest()


class _Silence:
    """How long a pulse has been silent, in the eyes of the one who looks."""

    def __init__(self) -> None:
        self.last: Beat | None = None
        self.seconds = 0.0
        self.told = False


class Watch:
    """Looks at all pulses, and names what hangs: each once in the log, with the stack of its thread.

    Silence counts from one look to the next and not by the clock: nothing hangs because the whole machine stood still.

    :param limit: seconds of silence after which something hangs
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit = limit
        self.hung: tuple[Hang, ...] = ()
        """What hung at the last look."""
        self._silences: dict[Pulse, _Silence] = {}

    @property
    def pulses(self) -> list[Pulse]:
        """Everything that is looked at."""
        return list(self._silences)

    @property
    def is_well(self) -> bool:
        """Whether nothing vital hung at the last look."""
        vital = {pulse.name for pulse in self._silences if pulse.vital}
        return not any(hang.name in vital for hang in self.hung)

    def add(self, *pulses: Pulse) -> None:
        """Look at these, too."""
        for pulse in pulses:
            self._silences[pulse] = _Silence()

    def look(self, passed: float) -> None:
        """Look at every pulse.

        :param passed: seconds since the last look; of a longer while than two usual ones nobody knows anything
        """
        passed = min(passed, 2 * PACE)
        self.hung = tuple(filter(None, [self._look_at(pulse, passed) for pulse in self._silences]))

    def _look_at(self, pulse: Pulse, passed: float) -> Hang | None:
        silence, last = self._silences[pulse], pulse.last
        if last is None or last is not silence.last:
            if silence.told:
                logger.warning("%s is back after %d s", pulse.name, silence.seconds)
            silence.last, silence.seconds, silence.told = last, 0.0, False
            return None
        silence.seconds += passed
        if silence.seconds < max(self.limit, last.seconds):
            return None
        hang = Hang(pulse.name, last.doing, round(silence.seconds))
        if not silence.told:
            silence.told = True
            logger.error("%s\n%s", hang, stack_of(last.thread))
        return hang


def stack_of(thread: int | None) -> str:
    """Return where a thread is now, as a traceback; empty if it has ended.

    :param thread: its ``ident``
    """
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001  # documented, in spite of its name
    return "".join(traceback.format_stack(frame)).rstrip() if frame else "(the thread has ended)"
