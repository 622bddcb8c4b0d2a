"""Users, tokens, API keys, and those who guess."""

import contextlib
import json
import logging
import queue
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import argon2
import pytest
from argon2 import PasswordHasher

from kvmd.access import credentials as credentials_module
from kvmd.access.auth import Auth
from kvmd.access.credentials import USER, Credentials, check_password
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, ConfigError, RequestError, TooManyAttempts
from kvmd.system import files
from tests.shadow import shadow
from tests.waiting import eventually, patience

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
    monkeypatch.setattr("kvmd.access.auth.time", SimpleNamespace(monotonic=lambda: clock.now))
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


def guess(auth: Auth, user: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(AuthError, match=r"^wrong"):
            auth.login(user, "wrong", address)


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


@pytest.mark.parametrize("lost", [0, 1])
def test_a_first_password_is_never_one_that_nobody_knows(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """No room, or a power cut, at either of the two writes."""
    written = 0

    def write(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written > lost:
            raise OSError(28, "No space left on device")
        files.write_private(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("kvmd.access.credentials.write_private", write)
        with pytest.raises(ConfigError, match="No space left"):
            credentials.make_first_password()
    again = Credentials(credentials.path)
    again.make_first_password()
    assert again.verify(USER, again.first_password_path.read_text().strip())


def test_a_password_that_is_set_at_the_first_start_stays(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process sets it while the daemon looks for a file in vain."""

    def meanwhile(size: int) -> str:
        Credentials(credentials.path).set_password(USER, PASSWORD)
        return secrets.token_urlsafe(size)

    shadow(monkeypatch, credentials_module, "secrets", token_urlsafe=meanwhile)
    credentials.make_first_password()
    assert credentials.verify(USER, PASSWORD)
    assert not credentials.first_password_path.exists()


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


def test_an_unknown_user_takes_as_much_work(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.set_password(USER, PASSWORD)
    verified = []
    verify = PasswordHasher.verify

    def note(self: PasswordHasher, used: str, password: str) -> bool:
        verified.append(used)
        return verify(self, used, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    credentials.verify("nobody", PASSWORD)
    credentials.verify(USER, "wrong")
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


@pytest.mark.parametrize("open_to", [0o644, 0o620, 0o602, 0o600])
def test_a_file_that_others_may_use_is_warned_of_once(
    credentials: Credentials, caplog: pytest.LogCaptureFixture, open_to: int
) -> None:
    credentials.set_password(USER, PASSWORD)
    credentials.path.chmod(open_to)
    again = Credentials(credentials.path)
    for _ in range(3):
        again.read()
    warned = [record.getMessage() for record in caplog.records if "others may use it" in record.getMessage()]
    path = credentials.path
    expected = f"{path}: others may use it (mode {open_to:03o}): chmod 600 {path}"
    assert warned == ([] if open_to == 0o600 else [expected])


def test_the_log_tells_of_changes_by_another_process(
    credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    credentials.set_password(USER, PASSWORD)
    credentials.read()
    other = Credentials(credentials.path)
    with caplog.at_level(logging.INFO):
        key = other.add_key("backup")
        credentials.read()
        other.set_password(USER, "another password")
        credentials.read()
        other.remove_key("backup")
        credentials.read()
    said = [record.getMessage() for record in caplog.records]
    assert list(dict.fromkeys(said)) == [
        "API key 'backup' was made",
        "password 'admin' was changed",
        "API key 'backup' was removed",
    ]
    assert key not in caplog.text


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
    auth.logout(one, HERE)
    auth.logout("unknown", HERE)
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


def test_guessing_by_basic_is_slowed_as_well(auth: Auth) -> None:
    for _ in range(5):
        with pytest.raises(AuthError, match=r"^wrong"):
            auth.identify_password(USER, "wrong", HERE)
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, HERE)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE)


def test_who_guesses_one_name_locks_out_nobody_else_there(auth: Auth) -> None:
    guess(auth, "somebody", HERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.login("somebody", "wrong", HERE)
    assert auth.login(USER, PASSWORD, HERE)


def test_guessing_of_names_is_slowed(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    for number in range(20):
        guess(auth, f"user {number}", HERE, 1)
    with pytest.raises(TooManyAttempts):
        auth.login("user 20", "wrong", HERE)
    assert len(hashed) == 20
    assert auth.login(USER, PASSWORD, THERE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1234:5678:9abc", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_place_is_an_address_or_the_network_that_a_host_has_to_itself(
    auth: Auth, one: str, other: str, same: bool
) -> None:
    guess(auth, USER, one, 5)
    if same:
        with pytest.raises(TooManyAttempts):
            auth.login(USER, PASSWORD, other)
    else:
        assert auth.login(USER, PASSWORD, other)


def test_guesses_at_once_are_counted_like_others(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    def guess_many() -> None:
        for _ in range(20):
            with contextlib.suppress(AuthError):
                auth.login(USER, "wrong", HERE)

    threads = [threading.Thread(target=guess_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashed) <= 5


class Desk:
    """A plug-in that judges no login until it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def judge(self, user: str, _: str) -> bool:
        self.asked.put(user)
        return self.open.wait(patience())


def test_a_login_that_takes_long_holds_up_no_token_and_few_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmd.access.limiter.TURN", patience())
    desk = Desk()
    auth = new_auth(tmp_path, desk.judge)
    desk.open.set()
    token = auth.login("first", PASSWORD, HERE)
    desk.asked.get()
    desk.open.clear()
    with ThreadPoolExecutor() as pool:
        logins = [pool.submit(auth.login, str(number), PASSWORD, f"192.0.2.{number}") for number in range(4)]
        asked = [desk.asked.get(timeout=patience()) for _ in range(2)]
        eventually(lambda: auth._limiter._places._value == 0, "two more to wait")
        with pytest.raises(TooManyAttempts, match="too many logins at once; try again in"):
            auth.login("another", PASSWORD, THERE)
        assert auth.identify_token(token), "no lock that it would need is held"
        assert desk.asked.empty(), f"only {asked} are looked at"
        desk.open.set()
        assert all(login.result(patience()) for login in logins)
    assert auth.login("another", PASSWORD, THERE)


def test_who_waits_for_a_turn_is_refused_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmd.access.limiter.TURN", 0.1)
    desk = Desk()
    auth = new_auth(tmp_path, desk.judge)
    with ThreadPoolExecutor() as pool:
        logins = [pool.submit(auth.login, str(number), PASSWORD, HERE) for number in range(2)]
        for _ in logins:
            desk.asked.get(timeout=patience())
        with pytest.raises(TooManyAttempts):
            auth.login("another", PASSWORD, THERE)
        desk.open.set()
        assert all(login.result(patience()) for login in logins)
    assert auth.login("another", PASSWORD, THERE), "what was not looked at does not count, and holds no place"


def test_a_plug_in_that_fails_costs_nobody_a_place(tmp_path: Path) -> None:
    def fail(user: str, _: str) -> bool | None:
        if user == "theirs":
            raise RuntimeError("the plug-in's")
        return None

    auth = new_auth(tmp_path, fail)
    for _ in range(10):
        with pytest.raises(RuntimeError):
            auth.login("theirs", PASSWORD, HERE)
    assert auth.login(USER, PASSWORD, HERE)


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


def test_basic_that_is_known_is_let_in_while_others_there_guess(auth: Auth) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    guess(auth, USER, HERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, "wrong", HERE)
    assert auth.identify_password(USER, PASSWORD, HERE)


def test_a_known_basic_password_cannot_be_guessed_without_limit(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    for _ in range(30):
        with pytest.raises(AuthError):
            auth.identify_password(USER, "wrong", HERE)
    assert len(hashed) == 6
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, HERE)
    assert auth.identify_password(USER, PASSWORD, THERE)


def test_what_is_known_of_one_place_is_not_known_of_another(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    guess(auth, USER, THERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, THERE)
    assert len(hashed) == 6


def test_what_is_known_is_not_kept_without_end(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmd.access.auth.MOST_PROVEN", 3)
    for number in range(5):
        auth.identify_password(USER, PASSWORD, f"192.0.2.{number}")
    assert len(auth._proven) == 3


def test_sessions_are_not_kept_without_end(
    auth: Auth, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kvmd.access.auth.MOST_SESSIONS", 3)
    used, idle, *_ = (auth.login(USER, PASSWORD, HERE) for _ in range(3))
    assert auth.identify_token(used)
    newest = auth.login(USER, PASSWORD, HERE)
    assert auth.identify_token(idle) is None
    assert auth.identify_token(used), "the one that is used stays"
    assert auth.identify_token(newest)
    assert "ended the quietest of 3 sessions for a new one" in caplog.text


def test_the_log_tells_who_came_and_went(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        auth.logout(auth.login(USER, PASSWORD, HERE), THERE)
        auth.identify_password(USER, PASSWORD, HERE)
        auth.identify_password(USER, PASSWORD, HERE)
    assert [record.getMessage() for record in caplog.records if record.name == "kvmd.access.auth"] == [
        f"'admin' logged in from {HERE}",
        f"'admin' logged out from {THERE}",
        f"'admin' uses HTTP Basic from {HERE}",
    ]
    assert PASSWORD not in caplog.text


def test_what_strangers_send_makes_one_short_line(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    for user in ("line\nWARNING forged", "x" * 60_000, "\u2028\x1b[31m\x85"):
        guess(auth, user, HERE, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("wrong login for 'line\\nWARNING forged' from")
    assert all(line.isprintable() and len(line) < 200 for line in lines)


def test_wrong_logins_do_not_fill_the_log(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(40):
        guess(auth, USER, f"192.0.2.{number}", 1)
    assert len(caplog.records) == 30


def test_who_cannot_be_known_any_more_is_let_go_of(auth: Auth) -> None:
    client = auth.identify_token(auth.login(USER, PASSWORD, HERE))
    assert client is not None
    auth.credentials.path.write_text("{")
    assert not auth.alive(client)


def test_a_plug_in_is_asked_about_basic_each_time(tmp_path: Path) -> None:
    verdicts = [True, False]
    auth = new_auth(tmp_path, lambda *_: verdicts.pop(0))
    auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
    with pytest.raises(AuthError):
        auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
