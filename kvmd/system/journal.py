"""Lines with fields in systemd's journal (systemd.io, "Native Journal Protocol")."""

from __future__ import annotations

import logging
import os
import socket
import sys

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
"""Of syslog(3), by the lowest level that has it."""


class JournalHandler(logging.Handler):
    """Sends each line with the fields in the record's ``journal``; to stderr as all others where that fails."""

    def __init__(self) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._other = logging.lastResort

    def emit(self, record: logging.LogRecord) -> None:
        """Send it."""
        priority = next(number for level, number in PRIORITIES if record.levelno >= level)
        fields = {"MESSAGE": record.getMessage(), "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "kvmd"}
        fields |= getattr(record, "journal", None) or {}
        try:
            self._socket.sendto(b"".join(_field(name, value) for name, value in fields.items()), SOCKET)
        except OSError:
            if self._other:
                self._other.handle(record)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        super().close()


def is_stderr() -> bool:
    """Tell whether the journal reads stderr (systemd.exec(5), ``JOURNAL_STREAM``)."""
    status = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
