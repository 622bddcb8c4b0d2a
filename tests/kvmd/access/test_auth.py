"""Users, tokens, API keys, and those who guess."""

import json
import logging
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import argon2
import pytest
from argon2 import PasswordHasher

from kvmd.access.auth import Auth
from kvmd.access.credentials import USER, Credentials, check_password
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, ConfigError, RequestError, TooManyAttempts
from kvmd.system import files
from tests.shadow import shadow
from tests.waiting import patience

PASSWORD = "correct horse battery staple"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hash with little work, or these tests would take a minute; one test looks at the real cost."""
    monkeypatch.setattr(argon2, "PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "auth.json")


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    return new_auth(tmp_path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr("kvmd.access.auth.time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    return clock


@pytest.fixture
def hashed(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The passwords that were hashed."""
    passwords = []
    verify = auth.credentials.verify

    def note(user: str, password: str) -> bool:
        passwords.append((user, password))
        return verify(user, password)

    monkeypatch.setattr(auth.credentials, "verify", note)
    return passwords


def new_auth(
    folder: Path, verify_password: Callable[[str, str], bool | None] = lambda *_: None, lifetime: float = 60.0
) -> Auth:
    auth = Auth(AuthSettings(file=str(folder / "auth.json"), token_lifetime=lifetime), verify_password)
    auth.credentials.set_password(USER, PASSWORD)
    return auth


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_password_is_made_and_announced(credentials: Credentials, caplog: pytest.LogCaptureFixture) -> None:
    credentials.path = credentials.path.parent / "new" / "auth.json"
    with caplog.at_level(logging.WARNING):
        credentials.make_first_password()
    password = credentials.first_password_path.read_text().removesuffix("\n")
    assert len(password) >= 12
    assert credentials.verify(USER, password)
    assert str(credentials.first_password_path) in caplog.text
    assert password not in caplog.text
    assert (mode(credentials.path), mode(credentials.first_password_path)) == (0o600, 0o600)
    assert mode(credentials.path.parent) == 0o700


def test_the_first_password_is_another_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        credentials = Credentials(tmp_path / name / "auth.json")
        credentials.make_first_password()
        made.append(credentials.first_password_path.read_text())
    assert made[0] != made[1]


def test_the_first_password_is_not_made_again(credentials: Credentials) -> None:
    credentials.make_first_password()
    before = credentials.path.read_bytes()
    credentials.make_first_password()
    assert credentials.path.read_bytes() == before


def test_the_first_password_ends_with_the_next(credentials: Credentials) -> None:
    credentials.make_first_password()
    first = credentials.first_password_path.read_text().strip()
    credentials.set_password(USER, PASSWORD)
    assert not credentials.first_password_path.exists()
    assert not credentials.verify(USER, first)
    assert credentials.verify(USER, PASSWORD)


def test_passwords_are_kept_as_argon2_in_a_file_for_its_owner_alone(credentials: Credentials) -> None:
    credentials.set_password(USER, PASSWORD)
    credentials.set_password("second", PASSWORD)
    kept = json.loads(credentials.path.read_text())["users"]
    assert kept[USER].startswith("$argon2id$")
    assert kept[USER] != kept["second"], "each has its own salt"
    assert PASSWORD not in credentials.path.read_text()
    assert mode(credentials.path) == 0o600
    assert [path.name for path in credentials.path.parent.iterdir()] == ["auth.json"], "nothing is left beside it"


def test_the_real_hash_is_as_costly_as_it_should_be(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    real = Credentials(credentials.path)
    real.set_password(USER, PASSWORD)
    found = argon2.extract_parameters(real.read().users[USER])
    assert (found.type, found.memory_cost >= 19 * 1024) == (argon2.Type.ID, True), "OWASP: at least 19 MiB"
    assert real.verify(USER, PASSWORD)


@pytest.mark.parametrize(
    ("user", "password"),
    [(USER, "wrong"), (USER, ""), (USER, PASSWORD + " "), ("nobody", PASSWORD), ("", ""), ("Admin", PASSWORD)],
)
def test_what_is_wrong_is_refused(credentials: Credentials, user: str, password: str) -> None:
    credentials.set_password(USER, PASSWORD)
    assert not credentials.verify(user, password)


def test_an_unknown_user_takes_as_much_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2, "PasswordHasher", PasswordHasher)
    credentials = Credentials(tmp_path / "auth.json")
    credentials.set_password(USER, PASSWORD)
    verified = []
    verify = PasswordHasher.verify

    def note(self: PasswordHasher, used: str, password: str) -> bool:
        verified.append(used)
        return verify(self, used, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    credentials.verify("nobody", PASSWORD)
    credentials.verify(USER, "wrong")
    assert len(set(verified)) == 2
    known, unknown = (argon2.extract_parameters(used) for used in verified)
    assert known == unknown


def test_a_damaged_hash_lets_nobody_in(credentials: Credentials) -> None:
    credentials.path.write_text('{"users": {"admin": ""}}')
    assert not credentials.verify(USER, "")
    credentials.path.write_text('{"users": {"admin": "$argon2id$nonsense"}}')
    assert not credentials.verify(USER, PASSWORD)


def test_a_change_by_another_process_is_seen(credentials: Credentials) -> None:
    credentials.set_password(USER, PASSWORD)
    assert credentials.verify(USER, PASSWORD)
    code = (
        "import sys; from pathlib import Path; from kvmd.access.credentials import Credentials;"
        "Credentials(Path(sys.argv[1])).set_password('admin', 'another password')"
    )
    subprocess.run([sys.executable, "-c", code, credentials.path], check=True, timeout=patience())
    assert not credentials.verify(USER, PASSWORD)
    assert credentials.verify(USER, "another password")


def test_a_file_that_cannot_be_read_is_told(credentials: Credentials) -> None:
    credentials.path.write_text("{")
    with pytest.raises(ConfigError, match=r"auth\.json: cannot be read: .*auth\.file says where it is"):
        credentials.verify(USER, PASSWORD)


@pytest.mark.parametrize("call", [Credentials.make_first_password, Credentials.read])
def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path, call: Callable[[Credentials], object]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"auth\.file says where it is"):
        call(Credentials(tmp_path / "file" / "auth.json"))


def test_a_folder_that_cannot_be_written_is_told(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    shadow(monkeypatch, files, "tempfile", mkstemp=fail)
    with pytest.raises(ConfigError, match=r"auth\.json: cannot be written: Permission denied; auth\.file says"):
        credentials.set_password(USER, PASSWORD)


def test_api_keys_are_kept_as_hashes(credentials: Credentials) -> None:
    key = credentials.add_key("backup")
    assert key.startswith("kvmd_")
    assert len(key) >= 40
    assert key not in credentials.path.read_text()
    assert mode(credentials.path) == 0o600
    assert credentials.key_name(key) == "backup"
    assert credentials.key_name(key[:-1]) is None
    assert credentials.key_name("") is None


def test_api_keys_can_be_removed(credentials: Credentials) -> None:
    one, two = credentials.add_key("one"), credentials.add_key("two")
    credentials.remove_key("one")
    assert (credentials.key_name(one), credentials.key_name(two)) == (None, "two")


def test_api_keys_have_names_of_their_own(credentials: Credentials) -> None:
    credentials.add_key("backup")
    with pytest.raises(RequestError, match='there is an API key named "backup"'):
        credentials.add_key("backup")
    with pytest.raises(RequestError, match='there is no API key named "other"'):
        credentials.remove_key("other")


def test_passwords_and_keys_leave_each_other_alone(credentials: Credentials) -> None:
    credentials.set_password(USER, PASSWORD)
    key = credentials.add_key("backup")
    credentials.set_password(USER, "another password")
    assert credentials.key_name(key) == "backup"
    credentials.remove_key("backup")
    assert credentials.verify(USER, "another password")


def test_a_short_password_is_refused() -> None:
    with pytest.raises(RequestError, match="7 characters; at least 8"):
        check_password("1234567")
    check_password("12345678")


def test_a_login_gives_a_token(auth: Auth) -> None:
    token = auth.login(USER, PASSWORD, HERE)
    client = auth.identify_token(token)
    assert client is not None
    assert client.startswith("session:")
    assert token not in client, "names go to the log"
    assert auth.alive(client)
    assert auth.login(USER, PASSWORD, HERE) != token
    assert auth.identify_token(token) == client
    for wrong in (token[:-1], token.upper() + "x", "", client):
        assert auth.identify_token(wrong) is None


def test_a_token_ends(auth: Auth, clock: SimpleNamespace) -> None:
    token = auth.login(USER, PASSWORD, HERE)
    client = auth.identify_token(token)
    assert client is not None
    clock.now += 59
    assert auth.identify_token(token) == client
    clock.now += 2
    assert auth.identify_token(token) is None
    assert not auth.alive(client)
    auth.login(USER, PASSWORD, HERE)
    assert len(auth._sessions) == 1, "what has ended is not kept"


def test_a_logout_ends_one_token(auth: Auth) -> None:
    one, two = (auth.login(USER, PASSWORD, HERE) for _ in range(2))
    client = auth.identify_token(one)
    assert client is not None
    auth.logout(one)
    auth.logout("unknown")
    assert auth.identify_token(one) is None
    assert not auth.alive(client)
    assert auth.identify_token(two)


def test_a_restart_ends_every_session_but_no_key(tmp_path: Path, auth: Auth) -> None:
    token, key = auth.login(USER, PASSWORD, HERE), auth.credentials.add_key("backup")
    again = Auth(AuthSettings(file=str(tmp_path / "auth.json")), lambda *_: None)
    assert again.identify_token(token) is None
    assert again.identify_token(key) == "key:backup"
    assert again.alive("key:backup")


def test_five_wrong_logins_a_minute_are_looked_at(
    auth: Auth, hashed: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        with pytest.raises(AuthError, match=r"^wrong user name or password$"):
            auth.login(USER, "wrong", HERE)
    for password in ("wrong", PASSWORD):
        with pytest.raises(TooManyAttempts, match="too many wrong logins; try again in") as raised:
            auth.login(USER, password, HERE)
        assert 1 <= raised.value.retry_after <= 60
    assert len(hashed) == 5, "what is too much costs no work"
    assert auth.login(USER, PASSWORD, THERE), "another address is not affected"
    assert "wrong login for 'admin' from 192.0.2.1" in caplog.text


def test_guessing_by_basic_or_of_names_is_slowed_as_well(auth: Auth) -> None:
    for number in range(5):
        with pytest.raises(AuthError):
            auth.identify_password(f"user {number}", "wrong", HERE)
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, HERE)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE)


def test_right_logins_do_not_count(auth: Auth) -> None:
    for _ in range(20):
        auth.login(USER, PASSWORD, HERE)
    with pytest.raises(AuthError, match=r"^wrong"):
        auth.login(USER, "wrong", HERE)


def test_basic_is_hashed_once(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    names = {auth.identify_password(USER, PASSWORD, HERE) for _ in range(10)}
    assert names == {f"basic:{USER}@{HERE}"}
    assert len(hashed) == 1
    assert auth.alive(*names)
    with pytest.raises(AuthError):
        auth.identify_password(USER, "wrong", HERE)
    with pytest.raises(AuthError):
        auth.identify_password(USER + PASSWORD, "", HERE)


def test_basic_ends_with_the_password(auth: Auth, tmp_path: Path) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    Credentials(tmp_path / "auth.json").set_password(USER, "another password")
    with pytest.raises(AuthError, match=r"^wrong"):
        auth.identify_password(USER, PASSWORD, HERE)
    assert auth.identify_password(USER, "another password", HERE)


@pytest.mark.parametrize("verdict", [True, False])
def test_a_plug_in_judges_before_the_file(tmp_path: Path, verdict: bool) -> None:
    auth = new_auth(tmp_path, lambda user, _: verdict if user == "theirs" else None)
    assert auth.login(USER, PASSWORD, HERE)
    if verdict:
        assert auth.login("theirs", "anything", HERE)
    else:
        auth.credentials.set_password("theirs", PASSWORD)
        with pytest.raises(AuthError):
            auth.login("theirs", PASSWORD, HERE)


def test_a_new_password_ends_sessions_and_api_keys_stay(tmp_path: Path) -> None:
    auth = new_auth(tmp_path)
    token = auth.login(USER, PASSWORD, "10.0.0.1")
    key = auth.credentials.add_key("script")
    assert auth.identify_token(token), "another entry in the file ends nothing"
    auth.credentials.set_password(USER, "a new password")
    assert auth.identify_token(token) is None
    assert auth.identify_token(key) == "key:script"


def test_a_known_basic_password_cannot_be_guessed_without_limit(tmp_path: Path) -> None:
    auth = new_auth(tmp_path)
    auth.identify_password(USER, PASSWORD, "10.0.0.1")
    for _ in range(5):
        with pytest.raises(AuthError):
            auth.identify_password(USER, "wrong", "10.0.0.2")
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, "10.0.0.2")
    auth.identify_password(USER, PASSWORD, "10.0.0.1")


def test_a_plug_in_is_asked_about_basic_each_time(tmp_path: Path) -> None:
    verdicts = [True, False]
    auth = new_auth(tmp_path, lambda *_: verdicts.pop(0))
    auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
    with pytest.raises(AuthError):
        auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
