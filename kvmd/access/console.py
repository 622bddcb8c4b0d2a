"""What this machine's consoles show above their login: the first password, until it is changed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

ISSUE = Path("/run/kvmd-console/issue")
"""The file that etc/tmpfiles.d/kvmd.conf makes; agetty(8) finds it by a link in /etc/issue.d."""

_WORDS = """\
kvmd: https://\\4, user {user}, first password {password}; change it with: sudo kvmd passwd

"""
"""``\\4`` is the machine's address (agetty(8))."""


def show(user: str, password: str) -> None:
    """Show the first password."""
    _write(_WORDS.format(user=user, password=password))


def clear() -> None:
    """Show nothing any more."""
    _write("")


def _write(words: str) -> None:
    """Write into the file where it is there: it is made for the daemon of an installed package alone."""
    try:
        file = os.open(ISSUE, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s, which the consoles show, cannot be written: %s", ISSUE, error.strerror)
        return
    with os.fdopen(file, "w") as issue:
        issue.write(words)
