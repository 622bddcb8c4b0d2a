"""The start's deadline, which the kernel keeps: it needs neither a thread nor memory."""

from __future__ import annotations

import signal

SECONDS = 240
"""For the start; systemd ends one after 90 (``DefaultTimeoutStartSec=``)."""


def begin() -> None:
    """Have this process ended by SIGALRM where the start does not come to its end.

    ``threading.Thread.start()`` waits for ever for a thread that lacks the memory for its first steps (CPython 3.11).
    """
    signal.alarm(SECONDS)


def end() -> None:
    """Note that the daemon serves: from here on its own watch sees what hangs."""
    signal.alarm(0)
