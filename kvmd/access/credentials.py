"""The file with users and API keys.

Passwords are kept as argon2id hashes; API keys are random and long, so that a plain SHA-256 of them is enough. The
file is readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import argon2
import msgspec

from kvmd.access import accounts, console
from kvmd.access.accounts import Accounts, ApiKey, User
from kvmd.access.grant import UserRole
from kvmd.errors import ConfigError, RequestError
from kvmd.system.files import make_private_folder, remove, write_private
from kvmd.system.logs import printable

logger = logging.getLogger(__name__)

USER = "admin"
MIN_PASSWORD = 8
LONGEST_NAME = 64
_NAME = re.compile(rf"[\w.@-][\w.@ -]{{0,{LONGEST_NAME - 1}}}")

_DECOY = "$argon2id$v=19$m=65536,t=3,p=4$wY7uuMJ9MJHRhKYQBSOVAA$+4YvEPvQOyEY2bFRyahl5PoOCon/TLi+vsaHNxSaD0E"
"""The hash of a random password that nobody kept: it is checked where there is no such user, to take the same time.

A constant, since to make one took a quarter of the daemon's start.
"""


class Credentials:
    """The file with users and API keys; a change by another process is seen.

    :param path: the file, made with the first password
    :param changed: told in words what another process has changed
    """

    def __init__(self, path: Path, changed: Callable[[str], None] = logger.info) -> None:
        self.path = path
        self._changed = changed
        self._hasher = argon2.PasswordHasher()
        self._read_at: tuple[int, int] | None = None
        self._contents: Accounts | None = None
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
        """Where there is no file yet, make one with a random password, and put that beside it; tell where it stands.

        :raises ConfigError: the folder cannot be written
        """
        if not self.stamp:
            self._make_first_password()
        if self.first_password_path.exists():
            logger.warning("%s has its first password still: sudo cat %s", USER, self.first_password_path)
            console.show(USER, self.first_password_path.read_text().strip())

    def _make_first_password(self) -> None:
        password = secrets.token_urlsafe(9)
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            if now.users or now.keys:
                return  # another process was quicker
            # In this order: what is lost in between is a file that the next start writes anew.
            _write_secret(self.first_password_path, f"{password}\n".encode())
            self._write(Accounts(users={USER: User(hashed)}, device=now.device))

    def set_password(self, user: str, password: str) -> None:
        """Set a user's password; the first one, which stands in a file, ends with it. There always can be an ``admin``.

        :raises RequestError: there is no such user
        """
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            known = User(hashed) if user == USER and user not in now.users else _known(now, user)
            self._put_user(now, user, msgspec.structs.replace(known, password=hashed))
        self._end_first_password(user)

    def add_user(self, user: str, password: str, role: UserRole) -> None:
        """Make a user.

        :raises RequestError: there is one of this name, or the name or the password is none
        """
        check_name(user)
        check_password(password)
        hashed = self._hasher.hash(password)
        with self._changing() as now:
            if user in now.users:
                raise RequestError(f'there is a user named "{user}"; remove it first, or choose another name')
            self._put_user(now, user, User(hashed, role))

    def remove_user(self, user: str) -> None:
        """End a user, and with it all that it may.

        :raises RequestError: there is none of this name, or nobody would be left who can change users
        """
        with self._changing() as now:
            _known(now, user)
            users = {name: each for name, each in now.users.items() if name != user}
            self._write_checked(msgspec.structs.replace(now, users=users))
        self._end_first_password(user)

    def set_role(self, user: str, role: UserRole) -> None:
        """Change what a user may do, from now on.

        :raises RequestError: there is none of this name, or nobody would be left who can change users
        """
        with self._changing() as now:
            self._put_user(now, user, msgspec.structs.replace(_known(now, user), role=role))

    def check_user(self, user: str) -> None:
        """Refuse a name that is no user's.

        :raises RequestError: it is
        """
        _known(self.read(), user)

    def set_totp(self, user: str, secret: str | None) -> None:
        """Ask a user for one-time codes from now on; None: no more.

        :raises RequestError: there is none of this name
        """
        with self._changing() as now:
            self._put_user(now, user, msgspec.structs.replace(_known(now, user), totp=secret))

    def device(self) -> str:
        """Return a random name of this installation, made where there is none yet.

        :raises ConfigError: the file cannot be read or written
        """
        known = self.read().device
        if known:
            return known
        with self._changing() as now:
            if not now.device:
                self._write(msgspec.structs.replace(now, device=secrets.token_hex(4)))
        return self.read().device

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
        known = self.read().users.get(user)
        return known.password if known else None

    def add_key(self, name: str, role: UserRole = UserRole.ADMIN, until: datetime | None = None) -> str:
        """Make an API key and return it; it cannot be read again.

        :param until: when it ends; None: never
        :raises RequestError: there is one of this name, or the name is none
        """
        check_name(name)
        key = f"kvmd_{secrets.token_hex(20)}"
        made = ApiKey(digest(key), datetime.now(UTC), role, until)
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
        """Return the name of an API key; None if it is none of ours, or over."""
        sought = digest(key)
        for name, known in self.read().keys.items():
            if secrets.compare_digest(known.sha256, sought):
                return None if known.is_over else name
        return None

    def read(self) -> Accounts:
        """Return what the file holds.

        :raises ConfigError: it cannot be read
        """
        stamp = self.stamp
        known = self._contents
        if known is not None and stamp == self._read_at:
            return known
        with self._reading:
            return self._read_anew()

    def _read_anew(self) -> Accounts:
        stamp, before = self.stamp, self._contents
        if before is not None and stamp == self._read_at:
            return before
        try:
            contents = accounts.decode(self._read_bytes()) if stamp else Accounts()
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(error) from error
        if before is not None:
            for change in accounts.changes(before, contents):
                self._changed(change)
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
    def _changing(self) -> Iterator[Accounts]:
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

    def _end_first_password(self, user: str) -> None:
        """Show it no more, once it is not this user's any more."""
        if user == USER and self.first_password_path.exists():
            remove(self.first_password_path)
            console.clear()

    def _put_user(self, now: Accounts, name: str, user: User) -> None:
        self._write_checked(msgspec.structs.replace(now, users={**now.users, name: user}))

    def _write_checked(self, contents: Accounts) -> None:
        """Write, unless nobody would be left who can change users here."""
        if not any(user.role is UserRole.ADMIN for user in contents.users.values()):
            raise RequestError("this user is the last admin; make another one first: kvmd user add NAME --role admin")
        self._write(contents)

    def _write(self, contents: Accounts) -> None:
        _write_secret(self.path, msgspec.json.format(msgspec.json.encode(contents)))
        self._contents, self._read_at = contents, self.stamp


def check_password(password: str) -> None:
    """Refuse a password that is too short.

    :raises RequestError: it is
    """
    if len(password) < MIN_PASSWORD:
        raise RequestError(f"the password has {len(password)} characters; at least {MIN_PASSWORD} are needed")


def digest(text: str) -> str:
    """Return the SHA-256 of a secret, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_name(name: str) -> None:
    """Refuse a name that could not be told apart or typed.

    :raises RequestError: it is
    """
    if not _NAME.fullmatch(name):
        raise RequestError(
            f'"{printable(name)}" cannot be a name; accepted: 1 to {LONGEST_NAME} letters, digits, . _ @ -'
        )


def _known(contents: Accounts, user: str) -> User:
    """Return a user.

    :raises RequestError: there is none of this name
    """
    if user not in contents.users:
        raise RequestError(f'there is no user named "{printable(user)}"; kvmd user list shows them')
    return contents.users[user]


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; it belongs to whom the folder belongs to."""
    try:
        write_private(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written: {error.strerror}; auth.file says where it is")
