"""What a driver remembers beyond the daemon's end: small files in the daemon's own folder.

The folder is ``$STATE_DIRECTORY``, which systemd sets for the daemon (systemd.exec(5)), or /var/lib/kvmd.
"""

from __future__ import annotations

import os
from pathlib import Path

from kvmd.errors import DriverError
from kvmd.system.files import remove, write_private

DEFAULT_FOLDER = "/var/lib/kvmd"


def recall(name: str) -> bytes | None:
    """Return what was remembered under a name; None if nothing was.

    :raises DriverError: it cannot be read
    """
    try:
        return _path(name).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DriverError(f"{_path(name)} cannot be read: {error.strerror}") from error


def remember(name: str, content: bytes) -> None:
    """Keep something under a name, in place of what was there; all of it or nothing.

    :raises DriverError: it cannot be written
    """
    path = _path(name)
    try:
        write_private(path, content)
    except OSError as error:
        raise DriverError(f"{path} cannot be written: {error.strerror}") from error


def forget(name: str) -> None:
    """Remember nothing under a name.

    :raises DriverError: it cannot be removed
    """
    try:
        remove(_path(name))
    except OSError as error:
        raise DriverError(f"{_path(name)} cannot be removed: {error.strerror}") from error


def _path(name: str) -> Path:
    return Path(os.environ.get("STATE_DIRECTORY", DEFAULT_FOLDER)) / name
