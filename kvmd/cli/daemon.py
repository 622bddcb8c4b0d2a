"""Asking the daemon that runs on this machine, by its private socket: whoever may use that needs no login."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from kvmd.contract.settings import Settings
from kvmd.errors import DriverError, KvmdError

PATIENCE = 30.0
"""Seconds for the daemon to answer, which presses a button for 20 s at most."""


def ask(
    settings: Settings, method: str, path: str, body: object = None, *, patience: float | None = PATIENCE
) -> dict[str, Any]:
    """Send a request of the API as an admin; return the whole answer.

    :param patience: seconds for the daemon to answer; None for what takes as long as it takes, which somebody watches
    :raises KvmdError: the daemon does not answer, or refuses
    """
    import http.client  # noqa: PLC0415  # it is slow to import, and `kvmd --help` needs none

    place = settings.control

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(place))

    connection = Connection("localhost", timeout=patience)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return _read(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise DriverError(_why(place, error)) from error
    finally:
        connection.close()


def process(settings: Settings) -> int | None:
    """Return the number of the daemon's process; None where nobody listens, or who asks may not know."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.connect(str(settings.control))
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return int(pid)


def _read(code: int, content: bytes) -> dict[str, Any]:
    """Read the daemon's answer.

    :raises KvmdError: it refused
    """
    try:
        answer: dict[str, Any] = json.loads(content)
        words = str(answer["info"])
    except (ValueError, KeyError, TypeError):
        raise KvmdError(f"HTTP {code}, and not as kvmd answers") from None
    if code != 200:
        raise DriverError(words) if code == 503 else KvmdError(words)
    return answer


def _why(place: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{place}: kvmd's own socket is for root and the user kvmd alone: use sudo"
    if isinstance(error, TimeoutError):
        return f"the daemon does not answer within {PATIENCE:.0f} s: systemctl status kvmd"
    return f"the daemon does not run, or has other settings ({place}): systemctl start kvmd"
