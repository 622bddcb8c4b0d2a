"""Users, tokens, API keys, and those who guess."""

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvmd.access.auth import Auth
from kvmd.access.credentials import USER, Credentials
from kvmd.access.grant import Grant, UserRole
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, TooManyAttempts
from tests.waiting import eventually, patience

PASSWORD = "correct horse battery staple"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    return new_auth(tmp_path)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time passes only where a test says so, however busy the machine is."""
    clock = SimpleNamespace(now=math.floor(time.monotonic()))  # so that sums and differences of seconds are exact
    for module in ("sessions", "audit"):
        monkeypatch.setattr(f"kvmd.access.{module}.time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr("kvmd.system.delays.time", SimpleNamespace(monotonic=lambda: clock.now))
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
    folder: Path, verify_password: Callable[[str, str], bool | None] = lambda *_: None, longest: float = 1e6
) -> Auth:
    settings = AuthSettings(file=str(folder / "auth.json"), token_lifetime=60.0, token_longest=longest)
    auth = Auth(settings, verify_password)
    auth.credentials.set_password(USER, PASSWORD)
    return auth


def known(auth: Auth, token: str) -> Grant:
    grant = auth.identify_token(token, HERE)
    assert grant
    return grant


def guess(auth: Auth, user: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(AuthError, match=r"^wrong"):
            auth.login(user, "wrong", address)


def test_a_login_gives_a_token(auth: Auth) -> None:
    token = auth.login(USER, PASSWORD, HERE).token
    grant = known(auth, token)
    assert (grant.who, grant.role, grant.address) == (USER, UserRole.ADMIN, HERE)
    assert grant.client.startswith("session:")
    assert token not in grant.client, "names go to the log"
    assert auth.alive(grant.client)
    assert auth.login(USER, PASSWORD, HERE).token != token
    assert auth.identify_token(token, HERE) == grant
    for wrong in (token[:-1], token.upper() + "x", "", grant.client):
        assert auth.identify_token(wrong) is None


def test_a_session_lives_from_its_last_use(auth: Auth, clock: SimpleNamespace) -> None:
    token = auth.login(USER, PASSWORD, HERE).token
    grant = known(auth, token)
    for _ in range(10):
        clock.now += 59
        assert auth.identify_token(token, HERE) == grant
    clock.now += 61
    assert auth.identify_token(token) is None
    assert not auth.alive(grant.client)
    assert auth.why_not(grant, UserRole.VIEWER) == "it was not used for 1 min"
    auth.login(USER, PASSWORD, HERE)
    assert len(auth.sessions.all()) == 1, "what has ended is not kept"


def test_a_stream_that_is_watched_is_use(auth: Auth, clock: SimpleNamespace) -> None:
    grant = known(auth, auth.login(USER, PASSWORD, HERE).token)
    for _ in range(10):
        clock.now += 59
        assert auth.why_not(grant, UserRole.VIEWER) is None


def test_a_session_has_a_longest_time(tmp_path: Path, clock: SimpleNamespace) -> None:
    auth = new_auth(tmp_path, longest=600)
    token = auth.login(USER, PASSWORD, HERE).token
    for _ in range(599 // 59):
        clock.now += 59
        assert auth.identify_token(token)
    clock.now += 100
    assert auth.identify_token(token) is None
    assert auth.why_unknown(token) == (
        "the token is wrong, or its session has ended: it lasted for 10 min, the longest that is set; log in again"
    )


def test_a_logout_ends_one_token(auth: Auth) -> None:
    one, two = (auth.login(USER, PASSWORD, HERE).token for _ in range(2))
    grant = known(auth, one)
    auth.logout(one, HERE)
    auth.logout("unknown", HERE)
    assert auth.identify_token(one) is None
    assert not auth.alive(grant.client)
    assert auth.why_not(grant, UserRole.VIEWER) == "it was logged out"
    assert auth.identify_token(two)


def test_a_restart_ends_every_session_but_no_key(tmp_path: Path, auth: Auth) -> None:
    token, key = auth.login(USER, PASSWORD, HERE).token, auth.credentials.add_key("backup")
    again = Auth(AuthSettings(file=str(tmp_path / "auth.json")), lambda *_: None)
    assert again.identify_token(token) is None
    assert "it is not known here, as after a restart" in again.why_unknown(token)
    assert known(again, key).client == "key:backup"
    assert again.alive("key:backup")


def test_wrong_logins_are_looked_at_ever_later(
    auth: Auth, hashed: list[tuple[str, str]], clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    guess(auth, USER, HERE, 5)
    waits = []
    for _ in range(8):
        for password in ("wrong", PASSWORD):
            with pytest.raises(TooManyAttempts, match="too many wrong logins; try again in") as raised:
                auth.login(USER, password, HERE)
        waits.append(raised.value.retry_after)
        clock.now += raised.value.retry_after
        guess(auth, USER, HERE, 1)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(hashed) == 13, "what is too much costs no work"
    assert auth.login(USER, PASSWORD, THERE), "another address is not affected"
    clock.now += 60
    assert auth.login(USER, PASSWORD, HERE), "whoever waits is let in"
    assert "refusal: 'admin' from 192.0.2.1: wrong user name or password" in caplog.text


def test_wrong_logins_are_forgotten(auth: Auth, clock: SimpleNamespace) -> None:
    guess(auth, USER, HERE, 5)
    clock.now += 900
    guess(auth, USER, HERE, 5)


def test_a_browser_that_has_logged_in_before_is_not_held_up_by_others_there(auth: Auth) -> None:
    mark = auth.login(USER, PASSWORD, HERE).browser
    guess(auth, USER, HERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE, browser="another's")
    again = auth.login(USER, PASSWORD, HERE, browser=mark)
    assert again.browser == mark
    for _ in range(5):
        with pytest.raises(AuthError, match=r"^wrong"):
            auth.login(USER, "wrong", HERE, browser=mark)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE, browser=mark)


def test_a_browser_is_known_for_its_own_user_alone(auth: Auth) -> None:
    auth.credentials.add_user("second", PASSWORD, UserRole.ADMIN)
    mark = auth.login("second", PASSWORD, HERE).browser
    guess(auth, USER, HERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE, browser=mark)


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
    token = auth.login("first", PASSWORD, HERE).token
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
    grants = {auth.identify_password(USER, PASSWORD, HERE) for _ in range(10)}
    (grant,) = grants
    assert (grant.client, grant.who, grant.role) == (f"basic:{USER}@{HERE}", USER, UserRole.ADMIN)
    assert len(hashed) == 1
    assert auth.alive(grant.client)
    with pytest.raises(AuthError):
        auth.identify_password(USER, "wrong", HERE)
    with pytest.raises(AuthError):
        auth.identify_password(USER + PASSWORD, "", HERE)


def test_basic_ends_with_the_password(auth: Auth, tmp_path: Path) -> None:
    grant = auth.identify_password(USER, PASSWORD, HERE)
    Credentials(tmp_path / "auth.json").set_password(USER, "another password")
    assert auth.why_not(grant, UserRole.VIEWER) == "the password was changed"
    assert not auth.alive(grant.client)
    with pytest.raises(AuthError, match=r"^wrong"):
        auth.identify_password(USER, PASSWORD, HERE)
    assert auth.identify_password(USER, "another password", HERE).who == USER


@pytest.mark.parametrize("verdict", [True, False])
def test_a_plug_in_judges_before_the_file(tmp_path: Path, verdict: bool) -> None:
    auth = new_auth(tmp_path, lambda user, _: verdict if user == "theirs" else None)
    assert auth.login(USER, PASSWORD, HERE)
    if verdict:
        assert auth.login("theirs", "anything", HERE)
    else:
        auth.credentials.add_user("theirs", PASSWORD, UserRole.VIEWER)
        with pytest.raises(AuthError):
            auth.login("theirs", PASSWORD, HERE)


def test_a_new_password_ends_sessions_and_api_keys_stay(tmp_path: Path) -> None:
    auth = new_auth(tmp_path)
    token = auth.login(USER, PASSWORD, "10.0.0.1").token
    key = auth.credentials.add_key("script")
    assert auth.identify_token(token), "another entry in the file ends nothing"
    auth.credentials.set_password(USER, "a new password")
    assert auth.identify_token(token) is None
    assert known(auth, key).client == "key:script"


def test_basic_that_is_known_is_let_in_while_others_there_guess(auth: Auth) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    guess(auth, USER, HERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.login(USER, "wrong", HERE)
    assert auth.identify_password(USER, PASSWORD, HERE).who == USER


def test_a_known_basic_password_cannot_be_guessed_without_limit(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    for _ in range(30):
        with pytest.raises(AuthError):
            auth.identify_password(USER, "wrong", HERE)
    assert len(hashed) == 6
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, HERE)
    assert auth.identify_password(USER, PASSWORD, THERE).who == USER


def test_what_is_known_of_one_place_is_not_known_of_another(auth: Auth, hashed: list[tuple[str, str]]) -> None:
    auth.identify_password(USER, PASSWORD, HERE)
    guess(auth, USER, THERE, 5)
    with pytest.raises(TooManyAttempts):
        auth.identify_password(USER, PASSWORD, THERE)
    assert len(hashed) == 6


def test_what_is_known_is_not_kept_without_end(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmd.access.auth.MOST_KNOWN", 3)
    for number in range(5):
        auth.identify_password(USER, PASSWORD, f"192.0.2.{number}")
    assert len(auth._proven) == 3


def test_sessions_are_not_kept_without_end(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmd.access.sessions.MOST", 3)
    monkeypatch.setattr("kvmd.access.auth.MOST", 3)
    used, idle, *_ = (auth.login(USER, PASSWORD, HERE).token for _ in range(3))
    assert auth.identify_token(used)
    newest = auth.login(USER, PASSWORD, HERE).token
    assert auth.identify_token(idle) is None
    assert auth.identify_token(used), "the one that is used stays"
    assert auth.identify_token(newest)
    assert "there were 3 sessions, and this one was quiet for longest" in auth.why_unknown(idle)


def test_the_log_tells_who_came_and_went(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        auth.logout(auth.login(USER, PASSWORD, HERE).token, THERE)
        auth.identify_password(USER, PASSWORD, HERE)
        auth.identify_password(USER, PASSWORD, HERE)
    assert [record.getMessage() for record in caplog.records] == [
        f"login: 'admin' from {HERE}: logged in",
        f"logout: 'admin' from {THERE}: logged out",
        f"login: 'admin' from {HERE}: uses HTTP Basic",
    ]
    assert PASSWORD not in caplog.text


def test_what_strangers_send_makes_one_short_line(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    for user in ("line\nWARNING forged", "x" * 60_000, "\u2028\x1b[31m\x85"):
        guess(auth, user, HERE, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("refusal: 'line\\nWARNING forged' from")
    assert all(line.isprintable() and len(line) < 200 for line in lines)


def test_wrong_logins_do_not_fill_the_log(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(40):
        guess(auth, USER, f"192.0.2.{number}", 1)
    assert len(caplog.records) == 30


def test_who_cannot_be_known_any_more_is_let_go_of(auth: Auth) -> None:
    grant = known(auth, auth.login(USER, PASSWORD, HERE).token)
    auth.credentials.path.write_text("{")
    assert not auth.alive(grant.client)
    assert auth.why_not(grant, UserRole.VIEWER) == "the file with users cannot be read"


def test_a_plug_in_is_asked_about_basic_each_time(tmp_path: Path) -> None:
    verdicts = [True, False]
    auth = new_auth(tmp_path, lambda *_: verdicts.pop(0))
    auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
    with pytest.raises(AuthError):
        auth.identify_password(USER, "a password of the plug-in", "10.0.0.1")
