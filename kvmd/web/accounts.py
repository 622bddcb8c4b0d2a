"""Who may: users, sessions and API keys, and the audit; for admins."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from flask import Blueprint, Response, g
from msgspec import Meta

from kvmd.access import totp
from kvmd.access.credentials import check_password
from kvmd.access.grant import UserRole
from kvmd.errors import NotFound, RequestError
from kvmd.kvm import Kvm
from kvmd.web.envelope import body, success
from kvmd.web.needs import needs


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
    def me() -> Response:
        return success("me success", Me(g.grant.who, g.grant.role))

    @blueprint.get("/api/audit")
    @needs(UserRole.ADMIN)
    def audit() -> Response:
        return success("audit success", kvm.audit.entries())

    return blueprint


def _add_users(blueprint: Blueprint, kvm: Kvm) -> None:
    credentials = kvm.auth.credentials

    @blueprint.get("/api/users")
    @needs(UserRole.ADMIN)
    def users() -> Response:
        known = credentials.read().users
        reports = [UserReport(name, user.role, user.totp is not None) for name, user in sorted(known.items())]
        return success("users success", reports)

    @blueprint.put("/api/users/<name>")
    @needs(UserRole.ADMIN)
    def put_user(name: str) -> Response:
        _put_user(kvm, name, body(UserChange))
        return success("user success")

    @blueprint.delete("/api/users/<name>")
    @needs(UserRole.ADMIN)
    def delete_user(name: str) -> Response:
        _require_user(kvm, name)
        credentials.remove_user(name)
        _note(kvm, f"removed the user '{name}'")
        return success("user success")


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
    def new_secret(name: str) -> Response:
        _require_user(kvm, name)
        secret = totp.new_secret()
        return success("totp success", Secret(secret, totp.uri(secret, name, socket.gethostname())))

    @blueprint.put("/api/users/<name>/totp")
    @needs(UserRole.ADMIN)
    def put_totp(name: str) -> Response:
        _require_user(kvm, name)
        given = body(NewTotp)
        totp.check_new(given.secret, given.code)
        credentials.set_totp(name, given.secret)
        _note(kvm, f"gave '{name}' one-time codes")
        return success("totp success")

    @blueprint.delete("/api/users/<name>/totp")
    @needs(UserRole.ADMIN)
    def delete_totp(name: str) -> Response:
        _require_user(kvm, name)
        credentials.set_totp(name, None)
        _note(kvm, f"relieved '{name}' of one-time codes")
        return success("totp success")


def _add_sessions(blueprint: Blueprint, kvm: Kvm) -> None:
    sessions = kvm.auth.sessions

    @blueprint.get("/api/sessions")
    @needs(UserRole.ADMIN)
    def show_sessions() -> Response:
        reports = [
            SessionReport(_id_of(client), each.user, each.address, each.began, each.idle, client == g.grant.client)
            for client, each in sessions.all().items()
        ]
        return success("sessions success", reports)

    @blueprint.delete("/api/sessions/<identifier>")
    @needs(UserRole.ADMIN)
    def end_session(identifier: str) -> Response:
        ended = sessions.end(f"session:{identifier}", f"{g.grant.who} ended it")
        if ended is None:
            raise NotFound(f'there is no session "{identifier[:64]}"; GET /api/sessions lists them')
        kvm.audit.note("logout", g.grant.who, g.grant.address, f"ended a session of '{ended.user}'")
        return success("session success")


def _add_keys(blueprint: Blueprint, kvm: Kvm) -> None:
    credentials = kvm.auth.credentials

    @blueprint.get("/api/apikeys")
    @needs(UserRole.ADMIN)
    def keys() -> Response:
        known = credentials.read().keys
        reports = [
            KeyReport(name, key.role, key.created, key.until, key.is_over) for name, key in sorted(known.items())
        ]
        return success("apikeys success", reports)

    @blueprint.post("/api/apikeys")
    @needs(UserRole.ADMIN)
    def add_key() -> Response:
        given = body(NewKey)
        until = None if given.days is None else datetime.now(UTC) + timedelta(days=given.days)
        key = credentials.add_key(given.name, given.role, until)
        _note(kvm, f"made the API key '{given.name}', with the role {given.role.value}")
        return success("apikey success", {"name": given.name, "key": key})

    @blueprint.delete("/api/apikeys/<name>")
    @needs(UserRole.ADMIN)
    def delete_key(name: str) -> Response:
        if name not in credentials.read().keys:
            raise NotFound(f'there is no API key named "{name[:64]}"; GET /api/apikeys lists them')
        credentials.remove_key(name)
        _note(kvm, f"removed the API key '{name}'")
        return success("apikey success")


def _require_user(kvm: Kvm, name: str) -> None:
    if name not in kvm.auth.credentials.read().users:
        raise NotFound(f'there is no user named "{name[:64]}"; GET /api/users lists them')


def _note(kvm: Kvm, done: str) -> None:
    kvm.audit.note("users", g.grant.who, g.grant.address, done)


def _id_of(client: str) -> str:
    return client.removeprefix("session:")
