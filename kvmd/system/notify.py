"""What systemd is told: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send a message such as ``READY=1``; nothing happens where systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        # A name that begins with "@" is in the abstract namespace (unix(7)).
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())


def watchdog_interval() -> float | None:
    """Return the seconds after which to send ``WATCHDOG=1``, half of what systemd allows; None if it does not ask."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(allowed) / 2_000_000 if allowed.isdecimal() and meant_for == str(os.getpid()) else None
