"""Ports for programs that have to be told theirs before they run."""

import contextlib
import errno
import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The first and the last of those that the system gives to connections, to any process at any time (ip(7))."""
ALL = range(10_000, 65_536)


def free_ports(count: int) -> list[int]:
    """Find ports on which nobody listens, and which the system gives to nobody meanwhile."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in _mixed():
            try:
                stack.enter_context(socket.create_server((HOST, port)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"no {count} ports are free")


def free_port() -> int:
    """Find one."""
    return free_ports(1)[0]


def _mixed() -> list[int]:
    """List the ports below or above those that are given to connections, or all where there are none, in any order."""
    first, last = map(int, GIVEN.read_text().split())
    kept = max(range(ALL.start, first), range(last + 1, ALL.stop), key=len) or ALL
    return random.sample(kept, len(kept))
