"""Files that are there whole or not at all, also after a power cut: those of the daemon alone, and the system's."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Write a file, in place of what was there; its folder is made where it is missing.

    Where root does so for the daemon, as on the command line, the file belongs to whoever owns the folder.

    :raises OSError: it cannot be written; what was there stays, and nothing else is left behind
    """
    make_private_folder(path.parent)
    folder = path.parent.stat()
    _replace(path, data, 0o600, (folder.st_uid, folder.st_gid) if os.geteuid() == 0 else None)


def write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read, such as rules for udev, in place of what was there.

    :raises OSError: it cannot be written, or its folder is not there; what was there stays, and nothing else is left
    """
    _replace(path, data, 0o644)


def remove(path: Path) -> None:
    """Remove a file, where it is there, for good.

    :raises OSError: it cannot be removed
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and what is missing above it.

    :raises OSError: it cannot be made
    """
    if folder.is_dir():
        return
    made = [folder, *(above for above in folder.parents if not above.exists())]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in made:
        _sync(each.parent)


def _replace(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            if owner:
                os.fchown(file.fileno(), *owner)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Bring to the disk what a folder says is in it; until then a power cut may undo a rename (fsync(2))."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # a folder that others own, which may be passed through but not be read
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system has nothing to sync there
            raise
    finally:
        os.close(handle)
