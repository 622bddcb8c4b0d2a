"""The file with users and API keys."""

import json
import logging
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import argon2
import pytest
from argon2 import PasswordHasher

from kvmd.access import console
from kvmd.access import credentials as credentials_module
from kvmd.access.credentials import USER, Credentials, check_password
from kvmd.access.grant import UserRole
from kvmd.errors import ConfigError, RequestError
from kvmd.system import files
from tests.shadow import shadow
from tests.waiting import patience

PASSWORD = "correct horse battery staple"


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "auth.json")


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


def test_the_first_password_ends_with_its_user_and_with_no_other(credentials: Credentials) -> None:
    credentials.make_first_password()
    credentials.add_user("second", PASSWORD, UserRole.ADMIN)
    credentials.set_password("second", PASSWORD[1:])
    assert credentials.first_password_path.exists()
    credentials.remove_user(USER)
    assert not credentials.first_password_path.exists()


def test_the_consoles_show_the_first_password_at_each_start_until_it_is_changed(
    credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ISSUE", tmp_path / "issue")
    credentials.make_first_password()
    assert not console.ISSUE.exists(), "where it was not made for that, there is none"
    console.ISSUE.touch()
    credentials.make_first_password()
    password = credentials.first_password_path.read_text().strip()
    assert f"user {USER}, first password {password}; change it" in console.ISSUE.read_text()
    credentials.set_password(USER, PASSWORD)
    assert console.ISSUE.read_text() == ""


def test_a_link_in_the_place_of_the_consoles_file_is_not_followed(
    credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other").write_text("precious")
    (tmp_path / "issue").symlink_to(tmp_path / "other")
    monkeypatch.setattr(console, "ISSUE", tmp_path / "issue")
    credentials.make_first_password()
    assert (tmp_path / "other").read_text() == "precious"
    assert "which the consoles show, cannot be written" in caplog.text


def test_the_log_says_where_the_first_password_stands_until_it_is_changed(
    credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        credentials.make_first_password()
        assert f"sudo cat {credentials.first_password_path}" in caplog.text
    credentials.set_password(USER, PASSWORD)
    caplog.clear()
    credentials.make_first_password()
    assert caplog.text == ""


def test_passwords_are_kept_as_argon2_in_a_file_for_its_owner_alone(credentials: Credentials) -> None:
    credentials.set_password(USER, PASSWORD)
    credentials.add_user("second", PASSWORD, UserRole.VIEWER)
    kept = json.loads(credentials.path.read_text())["users"]
    assert kept[USER]["password"].startswith("$argon2id$")
    assert kept[USER]["password"] != kept["second"]["password"], "each has its own salt"
    assert PASSWORD not in credentials.path.read_text()
    assert mode(credentials.path) == 0o600
    assert [path.name for path in credentials.path.parent.iterdir()] == ["auth.json"], "nothing is left beside it"


def test_the_real_hash_is_as_costly_as_it_should_be(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    real = Credentials(credentials.path)
    real.set_password(USER, PASSWORD)
    found = argon2.extract_parameters(real.read().users[USER].password)
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
        "API key 'backup' was made, with the role admin",
        "user 'admin' was given another password",
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


def test_changes_by_several_processes_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    code = (
        "import sys; from pathlib import Path; from kvmd.access.credentials import Credentials\n"
        "credentials = Credentials(Path(sys.argv[1]))\n"
        "for number in range(20): credentials.add_key(f'{sys.argv[2]}-{number}')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, path, str(each)]) for each in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(Credentials(path).read().keys) == 80
