"""The daemon's clock, for those who have to agree with it about moments: it begins with the daemon, and never jumps."""

from __future__ import annotations

import time

_ORIGIN = time.monotonic()


def milliseconds(moment: float) -> float:
    """Return a moment by the daemon's clock.

    :param moment: in seconds of ``time.monotonic()``
    """
    return round((moment - _ORIGIN) * 1000, 1)


def now() -> float:
    """Return the present moment, in milliseconds."""
    return milliseconds(time.monotonic())
