"""Ports for programs that have to be told theirs before they run."""

import contextlib
import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 20_000
HIGHEST = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
"""Above it are those that the system gives to connections, to any process at any time."""


def free_ports(count: int) -> list[int]:
    """Find ports on which nobody listens, and which the system gives to nobody meanwhile."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = random.randint(LOWEST, HIGHEST)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server((HOST, port)))
                found.append(port)
    return found


def free_port() -> int:
    """Find one."""
    return free_ports(1)[0]
