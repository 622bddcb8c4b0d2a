"""Users and API keys with roles, and what is open when these change."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kvmd.access.auth import Auth
from kvmd.access.credentials import USER, Credentials
from kvmd.access.grant import Grant, UserRole
from kvmd.contract.settings import AuthSettings
from kvmd.errors import RequestError

PASSWORD = "correct horse battery staple"
HERE = "192.0.2.1"


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    auth = Auth(AuthSettings(file=str(tmp_path / "auth.json")), lambda user, _: True if user == "theirs" else None)
    auth.credentials.set_password(USER, PASSWORD)
    auth.credentials.add_user("ann", PASSWORD, UserRole.OPERATOR)
    return auth


def log_in(auth: Auth, user: str = "ann") -> Grant:
    grant = auth.identify_token(auth.login(user, PASSWORD, HERE).token, HERE)
    assert grant
    return grant


def use_key(auth: Auth, role: UserRole, until: datetime | None = None) -> Grant:
    grant = auth.identify_token(auth.credentials.add_key("script", role, until), HERE)
    assert grant
    return grant


def test_a_role_includes_those_before_it() -> None:
    for number, role in enumerate(UserRole):
        assert [role.includes(needed) for needed in UserRole] == [at <= number for at in range(3)]


def test_files_of_before_there_were_roles_are_read(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text(
        '{"users": {"admin": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlg"}, '
        '"keys": {"old": {"sha256": "00", "created": "2026-01-01T00:00:00Z"}}}'
    )
    accounts = Credentials(path).read()
    assert (accounts.users["admin"].role, accounts.keys["old"].role) == (UserRole.ADMIN, UserRole.ADMIN)
    Credentials(path).add_user("ann", PASSWORD, UserRole.VIEWER)
    assert Credentials(path).read().users["admin"] == accounts.users["admin"]


@pytest.mark.parametrize("role", UserRole)
def test_a_session_a_key_and_basic_have_the_role(auth: Auth, role: UserRole) -> None:
    auth.credentials.set_role("ann", role)
    assert log_in(auth).role is role
    assert auth.identify_password("ann", PASSWORD, HERE).role is role
    assert use_key(auth, role).role is role


def test_another_role_counts_at_once(auth: Auth) -> None:
    grants = [log_in(auth), auth.identify_password("ann", PASSWORD, HERE)]
    auth.credentials.set_role("ann", UserRole.VIEWER)
    for grant in grants:
        assert auth.why_not(grant, UserRole.OPERATOR) == "ann has the role viewer now, and this needs operator"
        assert auth.why_not(grant, UserRole.VIEWER) is None
        assert not auth.alive(grant.client), "nothing is held by who may not type"


def test_a_user_who_is_removed_is_out_at_once(auth: Auth) -> None:
    session, basic = log_in(auth), auth.identify_password("ann", PASSWORD, HERE)
    auth.credentials.remove_user("ann")
    assert auth.why_not(session, UserRole.VIEWER) == "the user was removed"
    assert auth.why_not(basic, UserRole.VIEWER) == "the user was removed"
    assert not any(auth.alive(grant.client) for grant in (session, basic))


def test_a_user_of_the_same_name_is_another(auth: Auth) -> None:
    session = log_in(auth)
    auth.credentials.remove_user("ann")
    auth.credentials.add_user("ann", PASSWORD, UserRole.OPERATOR)
    assert auth.why_not(session, UserRole.VIEWER) == "the password was changed"


def test_a_key_that_is_removed_is_out_at_once(auth: Auth) -> None:
    grant = use_key(auth, UserRole.OPERATOR)
    assert auth.why_not(grant, UserRole.OPERATOR) is None
    auth.credentials.remove_key("script")
    assert auth.why_not(grant, UserRole.VIEWER) == "the API key was removed"
    assert not auth.alive(grant.client)
    auth.credentials.add_key("script")
    assert auth.why_not(grant, UserRole.VIEWER) == "the API key was removed", "another one of this name is another"


def test_a_key_ends(auth: Auth) -> None:
    key = auth.credentials.add_key("old", until=datetime.now(UTC) - timedelta(seconds=1))
    assert auth.identify_token(key) is None
    grant = use_key(auth, UserRole.OPERATOR, datetime.now(UTC) + timedelta(days=1))
    contents = json.loads(auth.credentials.path.read_text())
    contents["keys"]["script"]["until"] = "2026-01-01T00:00:00Z"
    auth.credentials.path.write_text(json.dumps(contents))
    assert auth.why_not(grant, UserRole.VIEWER) == "the API key's end has come"


def test_there_is_always_an_admin(auth: Auth) -> None:
    changes: list[Callable[[], None]] = [
        lambda: auth.credentials.remove_user(USER),
        lambda: auth.credentials.set_role(USER, UserRole.OPERATOR),
    ]
    for change in changes:
        with pytest.raises(RequestError, match="the last admin; make another one first"):
            change()
    auth.credentials.add_user("second", PASSWORD, UserRole.ADMIN)
    auth.credentials.remove_user(USER)
    assert set(auth.credentials.read().users) == {"ann", "second"}


def test_users_of_a_plug_in_have_the_role_that_is_set(auth: Auth) -> None:
    assert log_in(auth, "theirs").role is UserRole.OPERATOR
    auth.credentials.add_user("theirs", PASSWORD, UserRole.VIEWER)
    assert log_in(auth, "theirs").role is UserRole.VIEWER


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 65, "a/b", "a:b", "\u2028"])
def test_names_can_be_told_apart(auth: Auth, name: str) -> None:
    with pytest.raises(RequestError, match="cannot be a name; accepted: 1 to 64 letters"):
        auth.credentials.add_user(name, PASSWORD, UserRole.VIEWER)
    with pytest.raises(RequestError, match="cannot be a name"):
        auth.credentials.add_key(name)


def test_unknown_users_are_told(auth: Auth) -> None:
    changes: list[Callable[[], None]] = [
        lambda: auth.credentials.remove_user("bob"),
        lambda: auth.credentials.set_role("bob", UserRole.ADMIN),
        lambda: auth.credentials.set_totp("bob", None),
        lambda: auth.credentials.set_password("bob", PASSWORD),
    ]
    for change in changes:
        with pytest.raises(RequestError, match='there is no user named "bob"; kvmd user list shows them'):
            change()
    with pytest.raises(RequestError, match='there is a user named "ann"'):
        auth.credentials.add_user("ann", PASSWORD, UserRole.VIEWER)


def test_clients_of_plug_ins_hold_what_they_hold(auth: Auth) -> None:
    assert auth.alive("local")
    assert not auth.alive("session:unknown")
    assert not auth.alive("key:unknown")


def test_an_installation_keeps_its_name(auth: Auth, tmp_path: Path) -> None:
    again = Auth(AuthSettings(file=str(tmp_path / "auth.json")), lambda *_: None)
    assert auth.device == again.device
    other = Auth(AuthSettings(file=str(tmp_path / "other" / "auth.json")), lambda *_: None)
    assert other.device != auth.device
