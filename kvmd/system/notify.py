"""What systemd is told: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds for systemd to take a message."""


class Systemd:
    """The one who started us, where it was systemd.

    The socket is made once: later there may be no descriptor left. It is not connected, since whoever listens may have
    been started anew meanwhile.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A name that begins with "@" is in the abstract namespace (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = self._make_socket() if address else None

    def tell(self, message: str) -> None:
        """Send a message such as ``READY=1``; nothing happens where systemd did not start us, or does not listen."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(errors="replace"), self._address)
        except OSError as error:
            logger.debug("systemd was not told %s: %s", message, error)

    def show(self, status: str) -> None:
        """Show a line in ``systemctl status``."""
        self.tell(f"STATUS={' '.join(status.split())}")

    def _make_socket(self) -> socket.socket | None:
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            logger.warning("systemd cannot be told anything: %s", error)
            return None
        sock.settimeout(PATIENCE)
        return sock


def watchdog_interval() -> float | None:
    """Return the seconds after which to send ``WATCHDOG=1``, half of what systemd allows; None if it does not ask."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    meant_for = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(allowed) / 2_000_000 if allowed.isdecimal() and meant_for == str(os.getpid()) else None
