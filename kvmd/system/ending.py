"""How the process ends: every step of the stop is taken whatever the others do, and all of it has one deadline."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, NoReturn

from kvmd.system.pulse import Pulse, stack_of

logger = logging.getLogger(__name__)

SECONDS = 8.0
"""For the whole end; systemd kills after 10 (``TimeoutStopSec=``)."""

EXIT_HUNG = 6
"""The exit code of a process that did not end by itself."""


class Step(NamedTuple):
    """A part of the end.

    :param name: what ends, for people
    :param take: returns once it has ended
    """

    name: str
    take: Callable[[], object]


def take(steps: Sequence[Step], seconds: float = SECONDS) -> dict[str, int]:
    """Take all steps in their order, and return the threads of those that have not come back, by their names.

    One that hangs holds up the next for its share of the time that is left, and one that raises not at all.
    """
    deadline = time.monotonic() + seconds
    threads = []
    for number, step in enumerate(steps):
        thread = _begin(step)
        if thread:
            threads.append((step.name, thread))
            thread.join((deadline - time.monotonic()) / (len(steps) - number))
    for _, thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: thread.ident or 0 for name, thread in threads if thread.is_alive()}


def _begin(step: Step) -> threading.Thread | None:
    """Take a step in a thread of its own; where the system has none left, here."""
    thread = threading.Thread(target=_take, args=(step,), name=f"kvmd-stop {step.name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        _take(step)
        return None
    return thread


def _take(step: Step) -> None:
    try:
        step.take()
    except BaseException:  # SystemExit of a plug-in, too: it ends already
        logger.exception("%s failed while it was stopped", step.name)


def leave() -> NoReturn:
    """End the process, which has nothing left to do, with code 0.

    Threads are waited for as Python would, but nothing is taken apart: that costs ten times as much CPU as the stop
    itself, seconds on a slow board. What was registered with ``atexit`` is not called.
    """
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    os._exit(0)


class Ending:
    """Sees to it that the process ends, by itself or with ``EXIT_HUNG``.

    To be made before anything is started: it has a thread of its own, and in the end there may be none left to start.

    :param tell: given the reason in one line, where the process does not end by itself
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._begun = threading.Event()
        threading.Thread(target=self._end_leftovers, name="kvmd-end", daemon=True).start()

    def end(self, steps: Sequence[Step], pulses: Collection[Pulse]) -> None:
        """Take all steps; where the process cannot end by itself in time, say why and end it.

        It cannot while a step has not come back, nor when a thread is left that Python waits for. Should even Python's
        own lock be held for ever, the C library's timer ends it.

        :param pulses: what else may hang
        """
        deadline = time.monotonic() + SECONDS
        with contextlib.suppress(RuntimeError, OSError, ValueError):  # no thread is left for it, or stderr is closed
            faulthandler.dump_traceback_later(SECONDS + 1.5, exit=True)
        self._begun.set()
        hung = take(steps)
        while (busy := _busy(pulses)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if hung or busy:
            self._exit(hung | busy)

    def _end_leftovers(self) -> None:
        """Wait until nothing but a thread that Python waits for, or a step in the main thread, can be left."""
        self._begun.wait()
        time.sleep(SECONDS + 0.5)
        main = threading.main_thread()
        self._exit({t.name: t.ident or 0 for t in threading.enumerate() if not (t is main or t.daemon)})

    def _exit(self, hung: dict[str, int]) -> None:
        names = ", ".join(hung) or "the main thread"
        logger.critical("ended with code %d, as these hang: %s", EXIT_HUNG, names)
        for name, thread in (hung or {"the main thread": threading.main_thread().ident or 0}).items():
            logger.critical("%s:\n%s", name, stack_of(thread))
        self._tell(f"ended with code {EXIT_HUNG}, as these hang: {names}")
        os._exit(EXIT_HUNG)


def _busy(pulses: Collection[Pulse]) -> dict[str, int]:
    beats = [(pulse.name, pulse.last) for pulse in pulses]
    return {f"{name}: {beat.doing}": beat.thread for name, beat in beats if beat}
