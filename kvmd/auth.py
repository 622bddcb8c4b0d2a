"""Users, tokens, API keys, and slowing down those who guess.

Passwords are kept as argon2id hashes; API keys and tokens are random and long, so that a plain SHA-256 of them is
enough. The file is readable by its owner alone. Tokens live in memory: a restart ends every session.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import argon2
import limits
import msgspec

from kvmd.config import AuthSettings
from kvmd.errors import AuthError, ConfigError, RequestError, TooManyAttempts

logger = logging.getLogger(__name__)

USER = "admin"
MIN_PASSWORD = 8
WRONG_LOGINS = limits.RateLimitItemPerMinute(5)


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
        now = self.read()
        self._write(msgspec.structs.replace(now, users={**now.users, user: self._hasher.hash(password)}))
        self.first_password_path.unlink(missing_ok=True)

    def verify(self, user: str, password: str) -> bool:
        """Tell whether the password is the user's; takes the same time for a user who is not there."""
        stored = self.read().users.get(user)
        try:
            self._hasher.verify(stored or self._decoy, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return stored is not None

    def add_key(self, name: str) -> str:
        """Make an API key and return it; it cannot be read again.

        :raises RequestError: there is one of this name
        """
        now = self.read()
        if name in now.keys:
            raise RequestError(f'there is an API key named "{name}"; remove it first, or choose another name')
        key = f"kvmd_{secrets.token_hex(20)}"
        made = ApiKey(_digest(key), datetime.now(UTC))
        self._write(msgspec.structs.replace(now, keys={**now.keys, name: made}))
        return key

    def remove_key(self, name: str) -> None:
        """End an API key.

        :raises RequestError: there is none of this name
        """
        now = self.read()
        if name not in now.keys:
            raise RequestError(f'there is no API key named "{name}"')
        self._write(msgspec.structs.replace(now, keys={k: v for k, v in now.keys.items() if k != name}))

    def key_name(self, key: str) -> str | None:
        """Return the name of an API key; None if it is none of ours."""
        digest = _digest(key)
        for name, known in self.read().keys.items():
            if secrets.compare_digest(known.sha256, digest):
                return name
        return None

    def read(self) -> _Contents:
        """Return what the file holds.

        :raises ConfigError: it cannot be read
        """
        stamp = self.stamp
        if stamp != self._read_at:
            try:
                contents = msgspec.json.decode(self.path.read_bytes(), type=_Contents) if stamp else _Contents()
            except (OSError, msgspec.MsgspecError) as error:
                raise self._unreadable(error) from error
            self._contents, self._read_at = contents, stamp
        return self._contents

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(f"{self.path}: cannot be read: {error}; auth.file says where it is")

    def _write(self, contents: _Contents) -> None:
        _write_secret(self.path, msgspec.json.format(msgspec.json.encode(contents)))


class Auth:
    """Decides who is asking.

    :param settings: the section ``auth``
    :param verify_password: asks the plug-ins, which come before the file; None means that they do not know
    """

    def __init__(self, settings: AuthSettings, verify_password: Callable[[str, str], bool | None]) -> None:
        self.credentials = Credentials(Path(settings.file))
        self._lifetime = settings.token_lifetime
        self._verify_password = verify_password
        self._sessions: dict[str, float] = {}
        self._proven: dict[str, tuple[int, int] | None] = {}
        self._pepper = secrets.token_hex()
        self._limiter = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
        self._lock = threading.Lock()

    def login(self, user: str, password: str, address: str) -> str:
        """Check a password and return a token.

        :param address: where the request comes from
        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from this address
        """
        self._check(user, password, address)
        token = secrets.token_hex(16)
        now = time.monotonic()
        with self._lock:
            self._sessions = {client: end for client, end in self._sessions.items() if end > now}
            self._sessions[_client(token)] = now + self._lifetime
        return token

    def logout(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_client(token), None)

    def identify_token(self, token: str) -> str | None:
        """Return who has this token or API key, as a name for the client; None if nobody has."""
        if self.alive(_client(token)):
            return _client(token)
        name = self.credentials.key_name(token)
        return f"key:{name}" if name else None

    def identify_password(self, user: str, password: str, address: str) -> str:
        """Return who sends this with HTTP Basic, which comes with every request and is hashed only once.

        :raises AuthError: wrong
        """
        proof = _digest(f"{self._pepper}\0{user}\0{password}")
        stamp = self.credentials.stamp
        if self._proven.get(proof, ()) != stamp:
            self._check(user, password, address)
            self._proven[proof] = stamp
        return f"basic:{user}@{address}"

    def alive(self, client: str) -> bool:
        """Tell whether a client may still be there: only sessions end by themselves."""
        if not client.startswith("session:"):
            return True
        return self._sessions.get(client, 0) > time.monotonic()

    def _check(self, user: str, password: str, address: str) -> None:
        # One at a time: a hash takes 64 MiB, and guesses in parallel must be counted like others.
        with self._lock:
            if not self._limiter.test(WRONG_LOGINS, address):
                wait = max(1.0, self._limiter.get_window_stats(WRONG_LOGINS, address).reset_time - time.time())
                raise TooManyAttempts(f"too many wrong logins; try again in {wait:.0f} s", wait)
            verdict = self._verify_password(user, password)
            if not (self.credentials.verify(user, password) if verdict is None else verdict):
                self._limiter.hit(WRONG_LOGINS, address)
                logger.warning("wrong login for %r from %s", user, address)
                raise AuthError("wrong user name or password")


def check_password(password: str) -> None:
    """Refuse a password that is too short.

    :raises RequestError: it is
    """
    if len(password) < MIN_PASSWORD:
        raise RequestError(f"the password has {len(password)} characters; at least {MIN_PASSWORD} are needed")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _client(token: str) -> str:
    """Name a session in logs and tables without giving its token away."""
    return f"session:{_digest(token)[:32]}"


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; it belongs to whom the folder belongs to."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = path.parent.stat()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; auth.file says where it is") from error
