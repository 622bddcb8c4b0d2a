"""Sockets on which systemd listens, and which it hands to whom it starts (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket

from kvmd.errors import ConfigError

FIRST = 3
"""SD_LISTEN_FDS_START."""


def inherited_sockets() -> list[socket.socket]:
    """Take them over, so that no program that we start has them; there are none where systemd has none for us.

    :raises ConfigError: it has handed over what is no socket
    """
    count, meant_for, _ = (os.environ.pop(name, "") for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"))
    if not count.isdecimal() or meant_for != str(os.getpid()):
        return []
    return [_take(number) for number in range(FIRST, FIRST + int(count))]


def _take(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        return socket.socket(fileno=number)
    except OSError as error:
        problem = f"systemd has handed over descriptor {number}, which is no socket ({error.strerror})"
        raise ConfigError(f"{problem}; kvmd.socket may have ListenStream= alone") from error
