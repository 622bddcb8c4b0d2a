"""The certificate for HTTPS, as OpenSSL's own program reads it, by right and by wrong clocks."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kvmd.access import certificate
from kvmd.access.certificate import INSTALLED, SELF_SIGNED, WRITTEN, ensure, install, renew
from kvmd.errors import ConfigError, RequestError
from tests.kvmd.access.openssl import DAY, Authority, fingerprint, openssl, public_key, verify
from tests.kvmd.access.test_clock import LIBRARY

NOW = time.time()
MADE = max(NOW, WRITTEN.timestamp())
CODE = (
    "import sys; from pathlib import Path; from kvmd.access import certificate; certificate.ensure(Path(sys.argv[1]))"
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def fresh_warnings() -> None:
    certificate._warn.cache_clear()


def ensure_at(folder: Path, clock: float) -> None:
    """Ensure in a process whose clock says something else (libfaketime)."""
    when = datetime.fromtimestamp(clock, UTC).strftime("%Y-%m-%d %H:%M:%S")
    # not by faketime(1), which fails where a process of the same number was killed before
    environment = {**os.environ, "TZ": "UTC", "LD_PRELOAD": str(LIBRARY), "FAKETIME": f"@{when}"}
    subprocess.run([sys.executable, "-c", CODE, str(folder)], check=True, env=environment)


def dates(path: Path) -> tuple[float, float]:
    shown = openssl("x509", "-in", path, "-noout", "-dates")
    begin, end = re.findall(r"=(.*)", shown)
    return tuple(datetime.strptime(each, "%b %d %H:%M:%S %Y %Z").timestamp() for each in (begin, end))  # type: ignore[return-value]


class TestSelfSigned:
    def test_it_is_for_every_name_and_address_of_the_machine(self, folder: Path) -> None:
        path, key = ensure(folder)
        names = certificate.machine_names()
        assert {"localhost", "127.0.0.1"} < set(names)
        for name in names:
            assert verify(path, name, NOW).endswith(": OK\n")
        with pytest.raises(RuntimeError, match="hostname mismatch"):
            verify(path, "elsewhere.example", NOW)
        assert public_key(key) == openssl("x509", "-in", path, "-noout", "-pubkey")

    def test_it_is_what_browsers_take(self, folder: Path) -> None:
        text = openssl("x509", "-in", ensure(folder)[0], "-noout", "-text")
        assert "Signature Algorithm: ecdsa-with-SHA256" in text
        assert "NIST CURVE: P-256" in text
        assert "CA:FALSE" in text
        assert "TLS Web Server Authentication" in text
        begin, end = dates(folder / SELF_SIGNED)
        assert (end - begin) / DAY <= 825

    def test_its_file_is_the_owners_alone(self, folder: Path) -> None:
        path, _ = ensure(folder)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [each.name for each in folder.iterdir()] == [SELF_SIGNED]

    def test_it_stays_as_it_is(self, folder: Path) -> None:
        before = ensure(folder)[0].read_bytes()
        assert ensure(folder)[0].read_bytes() == before

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda pem, _: pem[:100], id="half"),
            pytest.param(lambda _, __: b"", id="empty"),
            pytest.param(lambda pem, _: pem.replace(b"\nM", b"\nA"), id="bytes"),
            pytest.param(lambda pem, _: pem[pem.index(b"-----BEGIN CERT") :], id="no key"),
            pytest.param(lambda pem, other: pem[: pem.index(b"-----BEGIN CERT")] + other, id="another's certificate"),
            pytest.param(lambda pem, _: pem.replace(b"-----BEGIN CERT", b"-----BEGIN SERT"), id="no certificate"),
        ],
    )
    def test_a_damaged_one_is_made_anew(self, damage: object, folder: Path, tmp_path: Path) -> None:
        path, _ = ensure(folder)
        other, _ = ensure(tmp_path / "other")
        certificate_alone = openssl("x509", "-in", other).encode()
        path.write_bytes(damage(path.read_bytes(), certificate_alone))  # type: ignore[operator]
        ensure(folder)
        assert verify(path, "localhost", NOW).endswith(": OK\n")
        assert public_key(path) == openssl("x509", "-in", path, "-noout", "-pubkey")

    def test_without_a_place_for_it_there_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=r"self-signed\.pem: cannot be .*; auth\.file says in which folder"):
            ensure(tmp_path / "file")

    def test_a_power_cut_leaves_one_that_can_be_used_or_none(self, folder: Path) -> None:
        """kill -9 stands for it, at any moment."""
        code = f"{CODE}; print(flush=True)\nwhile True: certificate.renew(Path(sys.argv[1]))"
        for pause in (0.0, 0.003, 0.007, 0.011, 0.02):
            process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
            assert process.stdout
            process.stdout.readline()
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert verify(folder / SELF_SIGNED, "localhost", NOW).endswith(": OK\n")


class TestClock:
    @pytest.mark.parametrize("clock", [0.0, NOW - 365 * DAY, NOW - DAY, NOW + DAY, NOW + 365 * DAY])
    def test_a_wrong_clock_makes_one_that_is_valid(self, clock: float, folder: Path) -> None:
        """1970 is where a board begins whose clock has no battery; `max` lets the test outlive the release."""
        ensure_at(folder, max(clock, 86400.0))
        assert verify(folder / SELF_SIGNED, "localhost", max(MADE, WRITTEN.timestamp())).endswith(": OK\n")

    def test_it_is_made_anew_before_it_ends_and_keeps_its_key(self, folder: Path) -> None:
        path, _ = ensure(folder)
        key, first, end = public_key(path), fingerprint(path), dates(path)[1]
        ensure_at(folder, end - 31 * DAY)
        assert fingerprint(path) == first
        ensure_at(folder, end - 29 * DAY)
        assert fingerprint(path) != first
        assert public_key(path) == key
        assert verify(path, "localhost", end + DAY).endswith(": OK\n")

    def test_one_by_a_clock_far_ahead_is_made_anew_once_the_clock_is_right(self, folder: Path) -> None:
        ensure_at(folder, NOW + 2000 * DAY)
        with pytest.raises(RuntimeError, match="not yet valid"):
            verify(folder / SELF_SIGNED, "localhost", NOW)
        ensure(folder)
        assert verify(folder / SELF_SIGNED, "localhost", NOW).endswith(": OK\n")

    def test_a_start_in_1970_changes_nothing(self, folder: Path) -> None:
        """Else a board without a battery would make two with each start, and browsers would ask each time."""
        ensure_at(folder, MADE + 1500 * DAY)
        before = fingerprint(folder / SELF_SIGNED)
        ensure_at(folder, 30 * DAY)
        assert fingerprint(folder / SELF_SIGNED) == before


class TestOffline:
    def test_one_made_before_the_network_was_up_is_made_anew_once_it_is(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for names, valid in ((["kvm", "::1"], False), (["kvm", "::1", "192.0.2.9"], True)):
            monkeypatch.setattr(certificate, "machine_names", lambda names=names: names)
            ensure(folder)
            assert ("192.0.2.9" in openssl("x509", "-in", folder / SELF_SIGNED, "-noout", "-text")) is valid

    def test_another_address_changes_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = set()
        for address in ("192.0.2.9", "192.0.2.10"):
            monkeypatch.setattr(certificate, "machine_names", lambda address=address: ["kvm", address])
            ensure(folder)
            seen.add(fingerprint(folder / SELF_SIGNED))
        assert len(seen) == 1


class TestInstalled:
    def test_it_goes_first_and_is_never_written(self, folder: Path, authority: Authority) -> None:
        ensure(folder)
        leaf = authority.issue("kvm")
        install(folder, leaf.read_bytes(), (authority.folder / "kvm.key").read_bytes())
        before = (folder / INSTALLED).read_bytes()
        assert ensure(folder) == (folder / INSTALLED, folder / INSTALLED)
        ensure_at(folder, NOW + 5000 * DAY)
        assert (folder / INSTALLED).read_bytes() == before
        assert fingerprint(folder / INSTALLED) == fingerprint(leaf)
        assert stat.S_IMODE((folder / INSTALLED).stat().st_mode) == 0o600

    def test_a_damaged_one_stays_and_the_self_signed_one_stands_in(
        self, folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        install(folder, authority.issue("kvm").read_bytes(), (authority.folder / "kvm.key").read_bytes())
        (folder / INSTALLED).write_text("damaged")
        for _ in range(3):
            assert ensure(folder) == (folder / SELF_SIGNED, folder / SELF_SIGNED)
        assert (folder / INSTALLED).read_text() == "damaged"
        assert verify(folder / SELF_SIGNED, "localhost", NOW).endswith(": OK\n")
        warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "certificate.pem: cannot be used: there is no private key" in warnings[0]

    def test_its_end_is_told_of_once(
        self, folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        install(folder, authority.issue("kvm", days=20).read_bytes(), (authority.folder / "kvm.key").read_bytes())
        for _ in range(3):
            ensure(folder)
        assert len(caplog.records) == 1
        assert "kvmd certificate install takes its successor" in caplog.messages[0]

    def test_a_new_one_takes_its_place_only_when_asked(self, folder: Path, authority: Authority) -> None:
        install(folder, authority.issue("kvm").read_bytes(), (authority.folder / "kvm.key").read_bytes())
        with pytest.raises(RequestError, match="--discard takes it away"):
            renew(folder)
        assert ensure(folder)[0].name == INSTALLED
        renew(folder, discard=True)
        assert ensure(folder)[0].name == SELF_SIGNED

    def test_a_new_one_has_a_new_key(self, folder: Path) -> None:
        key = public_key(ensure(folder)[0])
        renew(folder)
        assert public_key(ensure(folder)[0]) != key
