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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import argon2
import msgspec

from kvmd.errors import ConfigError, RequestError
from kvmd.system.decoding import decode_json
from kvmd.system.files import write_private

logger = logging.getLogger(__name__)

USER = "admin"
MIN_PASSWORD = 8


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
        self._decoy = self._hasher.hash(secrets.token_hex())
        self._read_at: tuple[int, int] | None = None
        self._contents = _Contents()

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
        self._write(_Contents(users={USER: self._hasher.hash(password)}))
        _write_secret(self.first_password_path, f"{password}\n".encode())
        logger.warning("made a password for %s; it stands in %s", USER, self.first_password_path)

    def set_password(self, user: str, password: str) -> None:
        """Set a user's password; the first one, which stands in a file, ends with it."""
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            self._write(msgspec.structs.replace(now, users={**now.users, user: hashed}))
        self.first_password_path.unlink(missing_ok=True)

    def verify(self, user: str, password: str) -> bool:
        """Tell whether the password is the user's; takes the same time for a user who is not there."""
        stored = self.hash_of(user)
        try:
            self._hasher.verify(stored or self._decoy, password)
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
        if stamp != self._read_at:
            try:
                contents = decode_json(self.path.read_bytes(), _Contents) if stamp else _Contents()
            except (OSError, msgspec.MsgspecError) as error:
                raise self._unreadable(error) from error
            self._contents, self._read_at = contents, stamp
        return self._contents

    @contextmanager
    def _changing(self) -> Iterator[_Contents]:
        """Return what the file holds, and let no other process change it meanwhile."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot be written: {error.strerror}; auth.file says where it is"
            ) from error
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


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; it belongs to whom the folder belongs to."""
    try:
        write_private(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written: {error.strerror}; auth.file says where it is")
