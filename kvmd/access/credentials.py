"""The file with users and API keys.

Passwords are kept as argon2id hashes; API keys are random and long, so that a plain SHA-256 of them is enough. The
file is readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import argon2
import msgspec

from kvmd.errors import ConfigError, RequestError
from kvmd.system.decoding import decode_json
from kvmd.system.files import make_private_folder, remove, write_private
from kvmd.system.logs import printable

logger = logging.getLogger(__name__)

USER = "admin"
MIN_PASSWORD = 8

_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$wY7uuMJ9MJHRhKYQBSOVAA$+4YvEPvQOyEY2bFRyahl5PoOCon/TLi+vsaHNxSaD0E"
"""The hash of a random password that nobody kept: it is checked where there is no such user, to take the same time.

A constant, since to make one took a quarter of the daemon's start.
"""


class ApiKey(msgspec.Struct, frozen=True):
    """An API key as it is kept: the SHA-256 of the key, and when it was made."""

    sha256: str
    created: datetime


class _Contents(msgspec.Struct, frozen=True):
    users: dict[str, str] = msgspec.field(default_factory=dict)
    keys: dict[str, ApiKey] = msgspec.field(default_factory=dict)


class Credentials:
    """The file with users and API keys; a change by another process is seen.

    :param path: the file, made with the first password
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hasher = argon2.PasswordHasher()
        self._read_at: tuple[int, int] | None = None
        self._contents: _Contents | None = None
        self._reading = threading.Lock()

    @property
    def first_password_path(self) -> Path:
        """Where the password stands that the first start made up."""
        return self.path.with_name("first-password")

    @property
    def stamp(self) -> tuple[int, int] | None:
        """Something that changes whenever the file does; None while there is none.

        :raises ConfigError: its folder cannot be looked into
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from error
        return status.st_mtime_ns, status.st_ino

    def make_first_password(self) -> None:
        """Where there is no file yet, make one with a random password, and put that beside it.

        :raises ConfigError: the folder cannot be written
        """
        if self.stamp:
            return
        password = secrets.token_urlsafe(9)
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            if now != _Contents():
                return  # another process was quicker
            # In this order: what is lost in between is a file that the next start writes anew.
            _write_secret(self.first_password_path, f"{password}\n".encode())
            self._write(_Contents(users={USER: hashed}))
        logger.warning("made a password for %s; it stands in %s", USER, self.first_password_path)

    def set_password(self, user: str, password: str) -> None:
        """Set a user's password; the first one, which stands in a file, ends with it."""
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            self._write(msgspec.structs.replace(now, users={**now.users, user: hashed}))
        remove(self.first_password_path)

    def verify(self, user: str, password: str) -> bool:
        """Tell whether the password is the user's; takes the same time for a user who is not there."""
        stored = self.hash_of(user)
        try:
            self._hasher.verify(stored or _DECOY, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return stored is not None

    def hash_of(self, user: str) -> str | None:
        """Return the hash of a user's password, which changes with it; None if the user is not in the file."""
        return self.read().users.get(user)

    def add_key(self, name: str) -> str:
        """Make an API key and return it; it cannot be read again.

        :raises RequestError: there is one of this name
        """
        key = f"kvmd_{secrets.token_hex(20)}"
        made = ApiKey(digest(key), datetime.now(UTC))
        with self._changing() as now:
            if name in now.keys:
                raise RequestError(f'there is an API key named "{name}"; remove it first, or choose another name')
            self._write(msgspec.structs.replace(now, keys={**now.keys, name: made}))
        return key

    def remove_key(self, name: str) -> None:
        """End an API key.

        :raises RequestError: there is none of this name
        """
        with self._changing() as now:
            if name not in now.keys:
                raise RequestError(f'there is no API key named "{name}"')
            self._write(msgspec.structs.replace(now, keys={k: v for k, v in now.keys.items() if k != name}))

    def key_name(self, key: str) -> str | None:
        """Return the name of an API key; None if it is none of ours."""
        sought = digest(key)
        for name, known in self.read().keys.items():
            if secrets.compare_digest(known.sha256, sought):
                return name
        return None

    def read(self) -> _Contents:
        """Return what the file holds.

        :raises ConfigError: it cannot be read
        """
        stamp = self.stamp
        known = self._contents
        if known is not None and stamp == self._read_at:
            return known
        with self._reading:
            return self._read_anew()

    def _read_anew(self) -> _Contents:
        stamp, before = self.stamp, self._contents
        if before is not None and stamp == self._read_at:
            return before
        try:
            contents = decode_json(self._read_bytes(), _Contents) if stamp else _Contents()
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(error) from error
        if before is not None:
            _log_changes("password", before.users, contents.users)
            _log_changes("API key", before.keys, contents.keys)
        self._contents, self._read_at = contents, stamp
        return contents

    def _read_bytes(self) -> bytes:
        """Read the file; warn where others than its owner may read or change it."""
        with self.path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                logger.warning("%s: others may use it (mode %03o): chmod 600 %s", self.path, mode, self.path)
            return file.read()

    @contextmanager
    def _changing(self) -> Iterator[_Contents]:
        """Return what the file holds, and let no other process change it meanwhile."""
        folder = self.path.parent
        try:
            make_private_folder(folder)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()
        finally:
            os.close(lock)

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(f"{self.path}: cannot be read: {error}; auth.file says where it is")

    def _write(self, contents: _Contents) -> None:
        _write_secret(self.path, msgspec.json.format(msgspec.json.encode(contents)))


def check_password(password: str) -> None:
    """Refuse a password that is too short.

    :raises RequestError: it is
    """
    if len(password) < MIN_PASSWORD:
        raise RequestError(f"the password has {len(password)} characters; at least {MIN_PASSWORD} are needed")


def digest(text: str) -> str:
    """Return the SHA-256 of a secret, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _log_changes(what: str, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Log what was made, changed and removed, by whichever process: names alone."""
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            done = "made" if name not in before else "changed" if name in now else "removed"
            logger.info("%s '%s' was %s", what, printable(name), done)


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; it belongs to whom the folder belongs to."""
    try:
        write_private(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written: {error.strerror}; auth.file says where it is")
