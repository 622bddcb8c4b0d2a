"""Who may: users, sessions and API keys, and the audit; for admins."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from flask import Blueprint, g
from msgspec import Meta

from kvmd.access import totp
from kvmd.access.audit import Entry
from kvmd.access.credentials import check_password
from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, Nothing, endpoint
from kvmd.errors import NotFound, RequestError
from kvmd.kvm import Kvm


class UserReport(msgspec.Struct, frozen=True):
    """A user, without secrets.

    :param totp: whether one-time codes are asked for
    """

    name: str
    role: UserRole
    totp: bool


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT /api/users/NAME; who is not there yet is made, and needs both."""

    password: str | None = None
    role: UserRole | None = None


class Secret(msgspec.Struct, frozen=True):
    """A new secret for one-time codes, and what its QR code holds; in force once it is put back with a code."""

    secret: str
    uri: str


class NewTotp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT /api/users/NAME/totp.

    :param secret: as it was given
    :param code: what the app shows for it now
    """

    secret: str
    code: str


class SessionReport(msgspec.Struct, frozen=True):
    """A session.

    :param id: by which it can be ended
    :param idle: seconds since it was used last
    :param own: whether it is that of the request
    """

    id: str
    user: str
    address: str
    began: datetime
    idle: float
    own: bool


class KeyReport(msgspec.Struct, frozen=True):
    """An API key, without the key."""

    name: str
    role: UserRole
    created: datetime
    until: datetime | None
    is_over: bool


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/apikeys.

    :param days: after which it ends; None: never
    """

    name: str
    role: UserRole = UserRole.OPERATOR
    days: Annotated[float, Meta(gt=0, le=36500)] | None = None


class MadeKey(msgspec.Struct, frozen=True):
    """A new API key, and the key itself."""

    name: str
    key: str


class Me(msgspec.Struct, frozen=True):
    """Who asks, and what they may."""

    who: str
    role: UserRole


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("accounts", __name__)
    _add_users(blueprint, kvm)
    _add_totp(blueprint, kvm)
    _add_sessions(blueprint, kvm)
    _add_keys(blueprint, kvm)

    @blueprint.get("/api/me")
    @endpoint()
    def me() -> Done[Me]:
        """Tell who asks, and what they may."""
        return Done("me success", Me(g.grant.who, g.grant.role))

    @blueprint.get("/api/audit")
    @needs(UserRole.ADMIN)
    @endpoint()
    def audit() -> Done[list[Entry]]:
        """Show who did what, and who was refused."""
        return Done("audit success", kvm.audit.entries())

    return blueprint


def _add_users(blueprint: Blueprint, kvm: Kvm) -> None:
    credentials = kvm.auth.credentials

    @blueprint.get("/api/users")
    @needs(UserRole.ADMIN)
    @endpoint()
    def users() -> Done[list[UserReport]]:
        """List the users."""
        known = credentials.read().users
        reports = [UserReport(name, user.role, user.totp is not None) for name, user in sorted(known.items())]
        return Done("users success", reports)

    @blueprint.put("/api/users/<name>")
    @needs(UserRole.ADMIN)
    @endpoint()
    def put_user(name: str, body: UserChange) -> Done[Nothing]:
        """Make a user, or change one."""
        _put_user(kvm, name, body)
        return Done("user success", ())

    @blueprint.delete("/api/users/<name>")
    @needs(UserRole.ADMIN)
    @endpoint()
    def delete_user(name: str) -> Done[Nothing]:
        """Remove a user."""
        _require_user(kvm, name)
        credentials.remove_user(name)
        _note(kvm, f"removed the user '{name}'")
        return Done("user success", ())


def _put_user(kvm: Kvm, name: str, change: UserChange) -> None:
    credentials = kvm.auth.credentials
    if name not in credentials.read().users:
        if change.password is None or change.role is None:
            raise RequestError(f'there is no user named "{name}"; a new one needs both: password, role')
        credentials.add_user(name, change.password, change.role)
        _note(kvm, f"made the user '{name}', with the role {change.role.value}")
        return
    if change == UserChange():
        raise RequestError("one or both are needed of: password, role")
    if change.password is not None:
        check_password(change.password)
    if change.role is not None:
        credentials.set_role(name, change.role)
        _note(kvm, f"gave '{name}' the role {change.role.value}")
    if change.password is not None:
        credentials.set_password(name, change.password)
        _note(kvm, f"gave '{name}' another password")


def _add_totp(blueprint: Blueprint, kvm: Kvm) -> None:
    credentials = kvm.auth.credentials

    @blueprint.post("/api/users/<name>/totp")
    @needs(UserRole.ADMIN)
    @endpoint()
    def new_secret(name: str) -> Done[Secret]:
        """Make a secret for a user's one-time codes, to be put back with a code."""
        _require_user(kvm, name)
        secret = totp.new_secret()
        return Done("totp success", Secret(secret, totp.uri(secret, name, socket.gethostname())))

    @blueprint.put("/api/users/<name>/totp")
    @needs(UserRole.ADMIN)
    @endpoint()
    def put_totp(name: str, body: NewTotp) -> Done[Nothing]:
        """Ask a user for one-time codes from now on."""
        _require_user(kvm, name)
        totp.check_new(body.secret, body.code)
        credentials.set_totp(name, body.secret)
        _note(kvm, f"gave '{name}' one-time codes")
        return Done("totp success", ())

    @blueprint.delete("/api/users/<name>/totp")
    @needs(UserRole.ADMIN)
    @endpoint()
    def delete_totp(name: str) -> Done[Nothing]:
        """Ask a user for no one-time codes any more."""
        _require_user(kvm, name)
        credentials.set_totp(name, None)
        _note(kvm, f"relieved '{name}' of one-time codes")
        return Done("totp success", ())


def _add_sessions(blueprint: Blueprint, kvm: Kvm) -> None:
    sessions = kvm.auth.sessions

    @blueprint.get("/api/sessions")
    @needs(UserRole.ADMIN)
    @endpoint()
    def show_sessions() -> Done[list[SessionReport]]:
        """List the sessions."""
        reports = [
            SessionReport(_id_of(client), each.user, each.address, each.began, each.idle, client == g.grant.client)
            for client, each in sessions.all().items()
        ]
        return Done("sessions success", reports)

    @blueprint.delete("/api/sessions/<identifier>")
    @needs(UserRole.ADMIN)
    @endpoint()
    def end_session(identifier: str) -> Done[Nothing]:
        """End a session."""
        ended = sessions.end(f"session:{identifier}", f"{g.grant.who} ended it")
        if ended is None:
            raise NotFound(f'there is no session "{identifier[:64]}"; GET /api/sessions lists them')
        kvm.audit.note("logout", g.grant.who, g.grant.address, f"ended a session of '{ended.user}'")
        return Done("session success", ())


def _add_keys(blueprint: Blueprint, kvm: Kvm) -> None:
    credentials = kvm.auth.credentials

    @blueprint.get("/api/apikeys")
    @needs(UserRole.ADMIN)
    @endpoint()
    def keys() -> Done[list[KeyReport]]:
        """List the API keys."""
        known = credentials.read().keys
        reports = [
            KeyReport(name, key.role, key.created, key.until, key.is_over) for name, key in sorted(known.items())
        ]
        return Done("apikeys success", reports)

    @blueprint.post("/api/apikeys")
    @needs(UserRole.ADMIN)
    @endpoint()
    def add_key(body: NewKey) -> Done[MadeKey]:
        """Make an API key, which is shown this once."""
        until = None if body.days is None else datetime.now(UTC) + timedelta(days=body.days)
        key = credentials.add_key(body.name, body.role, until)
        _note(kvm, f"made the API key '{body.name}', with the role {body.role.value}")
        return Done("apikey success", MadeKey(body.name, key))

    @blueprint.delete("/api/apikeys/<name>")
    @needs(UserRole.ADMIN)
    @endpoint()
    def delete_key(name: str) -> Done[Nothing]:
        """Remove an API key."""
        if name not in credentials.read().keys:
            raise NotFound(f'there is no API key named "{name[:64]}"; GET /api/apikeys lists them')
        credentials.remove_key(name)
        _note(kvm, f"removed the API key '{name}'")
        return Done("apikey success", ())


def _require_user(kvm: Kvm, name: str) -> None:
    if name not in kvm.auth.credentials.read().users:
        raise NotFound(f'there is no user named "{name[:64]}"; GET /api/users lists them')


def _note(kvm: Kvm, done: str) -> None:
    kvm.audit.note("users", g.grant.who, g.grant.address, done)


def _id_of(client: str) -> str:
    return client.removeprefix("session:")
