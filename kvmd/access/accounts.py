"""What the file with users and API keys holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from kvmd.access.grant import UserRole
from kvmd.system.decoding import decode_json
from kvmd.system.logs import printable


class User(msgspec.Struct, frozen=True):
    """A user.

    :param password: the argon2id hash
    :param totp: the secret of the one-time codes, in Base32; without one, none is asked for
    """

    password: str
    role: UserRole = UserRole.ADMIN
    totp: str | None = None


class ApiKey(msgspec.Struct, frozen=True):
    """An API key: the SHA-256 of the key, and when it was made.

    :param until: when it ends; None: never
    """

    sha256: str
    created: datetime
    role: UserRole = UserRole.ADMIN
    until: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether its end has come."""
        return self.until is not None and datetime.now(UTC) >= self.until


class Accounts(msgspec.Struct, frozen=True):
    """All of them.

    :param device: a random name of this installation
    """

    users: Mapping[str, User] = msgspec.field(default_factory=dict)
    keys: Mapping[str, ApiKey] = msgspec.field(default_factory=dict)
    device: str = ""


class _Stored(msgspec.Struct, frozen=True):
    """The file; before there were roles, a user was a hash alone."""

    users: dict[str, User | str] = msgspec.field(default_factory=dict)
    keys: dict[str, ApiKey] = msgspec.field(default_factory=dict)
    device: str = ""


def decode(data: bytes) -> Accounts:
    """Read the file's content.

    :raises ValueError: it is damaged
    """
    stored = decode_json(data, _Stored)
    users = {name: User(each) if isinstance(each, str) else each for name, each in stored.users.items()}
    return Accounts(users, stored.keys, stored.device)


def changes(before: Accounts, now: Accounts) -> list[str]:
    """Tell in words what was made, changed and removed: names alone."""
    return [*_changes("user", before.users, now.users), *_changes("API key", before.keys, now.keys)]


def _changes(what: str, before: Mapping[str, User | ApiKey], now: Mapping[str, User | ApiKey]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old != new:
            yield f"{what} '{printable(name)}' was {_change(old, new)}"


def _change(old: User | ApiKey | None, new: User | ApiKey | None) -> str:
    if new is None:
        return "removed"
    if old is None:
        return f"made, with the role {new.role.value}"
    if old.role is not new.role:
        return f"given the role {new.role.value}"
    if isinstance(new, User) and isinstance(old, User) and old.password == new.password:
        return "given one-time codes" if new.totp else "relieved of one-time codes"
    return "given another password" if isinstance(new, User) else "made anew"
