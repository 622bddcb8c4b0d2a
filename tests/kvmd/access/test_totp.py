"""One-time codes: RFC 6238's own examples, and what people do with them."""

import base64
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from kvmd.access import totp
from kvmd.access.auth import Auth
from kvmd.access.credentials import USER
from kvmd.access.grant import UserRole
from kvmd.access.totp import Codes, code_at
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, CodeNeeded, RequestError, TooManyAttempts
from tests.shadow import shadow

PASSWORD = "correct horse battery staple"
HERE = "192.0.2.1"
SEED = base64.b32encode(b"12345678901234567890").decode()
"""Of RFC 6238, appendix B."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1_700_000_000)
    shadow(monkeypatch, totp, "time", time=lambda: clock.now)
    return clock


@pytest.fixture
def auth(tmp_path: Path) -> Auth:
    auth = Auth(AuthSettings(file=str(tmp_path / "auth.json")), lambda *_: None)
    auth.credentials.set_password(USER, PASSWORD)
    auth.credentials.set_totp(USER, SEED)
    return auth


def code(clock: SimpleNamespace, periods: int = 0) -> str:
    return code_at(SEED, clock.now // 30 + periods)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, expected: str) -> None:
    assert code_at(SEED, seconds // 30) == expected[-6:], "RFC 6238 shows eight digits, apps the last six"


def test_codes_are_those_of_another_program(clock: SimpleNamespace) -> None:
    told = subprocess.run(
        ["oathtool", "--totp", "--base32", "--now", f"@{clock.now}", SEED], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == code(clock)


@pytest.mark.parametrize("periods", [-1, 0, 1])
def test_a_clock_may_be_off_by_a_period(auth: Auth, clock: SimpleNamespace, periods: int) -> None:
    assert auth.login(USER, PASSWORD, HERE, code(clock, periods))


@pytest.mark.parametrize("periods", [-2, 2])
def test_a_clock_may_not_be_off_by_more_and_the_refusal_tells_the_time(
    auth: Auth, clock: SimpleNamespace, periods: int
) -> None:
    with pytest.raises(CodeNeeded, match=r"wrong, or was used before; this machine's clock is at \d{4}-"):
        auth.login(USER, PASSWORD, HERE, code(clock, periods))


def test_a_code_is_taken_once(auth: Auth, clock: SimpleNamespace) -> None:
    auth.login(USER, PASSWORD, HERE, code(clock))
    for periods in (0, -1):
        with pytest.raises(CodeNeeded):
            auth.login(USER, PASSWORD, HERE, code(clock, periods))
    clock.now += 30
    assert auth.login(USER, PASSWORD, HERE, code(clock))


@pytest.mark.parametrize("written", ["{} {}", " {}{} ", "{}\u00a0{}"])
def test_spaces_do_no_harm(auth: Auth, clock: SimpleNamespace, written: str) -> None:
    given = code(clock)
    assert auth.login(USER, PASSWORD, HERE, written.format(given[:3], given[3:]))


@pytest.mark.parametrize("wrong", ["000000", "", "12345", "1234567", "abcdef", "\u0661\u0662\u0663", "x" * 10000])
def test_a_wrong_code_is_refused(auth: Auth, clock: SimpleNamespace, wrong: str) -> None:
    assert wrong != code(clock)
    with pytest.raises(CodeNeeded):
        auth.login(USER, PASSWORD, HERE, wrong)


def test_a_missing_code_is_told_and_is_no_wrong_login(auth: Auth, clock: SimpleNamespace) -> None:
    for _ in range(10):
        with pytest.raises(CodeNeeded, match="a one-time code is needed, too; send it as code"):
            auth.login(USER, PASSWORD, HERE)
    assert auth.login(USER, PASSWORD, HERE, code(clock))


def test_a_code_does_not_tell_whether_the_password_is_right(auth: Auth, clock: SimpleNamespace) -> None:
    with pytest.raises(AuthError, match=r"^wrong user name or password$"):
        auth.login(USER, "wrong", HERE, code(clock))


def test_codes_cannot_be_guessed_without_end(
    auth: Auth, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmd.system.delays.time", SimpleNamespace(monotonic=lambda: clock.now))
    for _ in range(5):
        with pytest.raises(CodeNeeded):
            auth.login(USER, PASSWORD, HERE, "000000")
    with pytest.raises(TooManyAttempts):
        auth.login(USER, PASSWORD, HERE, code(clock))


def test_basic_cannot_send_codes(auth: Auth) -> None:
    with pytest.raises(AuthError, match="one-time codes, which HTTP Basic cannot send; use an API key"):
        auth.identify_password(USER, PASSWORD, HERE)


def test_others_are_asked_for_no_code(auth: Auth) -> None:
    auth.credentials.add_user("second", PASSWORD, UserRole.VIEWER)
    assert auth.login("second", PASSWORD, HERE)
    auth.credentials.set_totp(USER, None)
    assert auth.login(USER, PASSWORD, HERE)


def test_a_new_secret_counts_once_the_app_shows_its_codes(clock: SimpleNamespace) -> None:
    secret = totp.new_secret()
    totp.check_new(secret, code_at(secret, clock.now // 30))
    for wrong, why in (
        ((secret, "000000"), "the code is not that of this secret now"),
        (("JBSWY3DP", "123456"), "shorter than 16 bytes"),
        (("not base32!", "123456"), "not a secret in Base32"),
    ):
        with pytest.raises(RequestError, match=why):
            totp.check_new(*wrong)


def test_the_address_for_apps_has_all_that_they_need() -> None:
    parts = urlsplit(totp.uri(SEED, "ann b", "kvm"))
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/kvm:ann b")
    assert parse_qs(parts.query) == {"secret": [SEED], "issuer": ["kvm"]}


def test_a_secret_that_is_damaged_in_the_file_lets_nobody_in(auth: Auth) -> None:
    auth.credentials.set_totp(USER, "!")
    with pytest.raises(AuthError):
        auth.login(USER, PASSWORD, HERE, "123456")


def test_each_user_has_codes_of_their_own(clock: SimpleNamespace) -> None:
    codes = Codes()
    codes.check("one", SEED, code(clock))
    codes.check("two", SEED, code(clock))
