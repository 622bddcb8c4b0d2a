"""``kvmd certificate``, beside OpenSSL's own program, with an authority as companies have one."""

import json
import re
import ssl
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmd.access.certificate import INSTALLED, ensure
from tests.kvmd.access.openssl import Authority, fingerprint, openssl, public_key
from tests.kvmd.cli.test_main import one_line, run

Make = Callable[[Authority], tuple[Path, Path | None]]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "kvmd.toml"
    path.write_text(f'[auth]\nfile = "{tmp_path}/state/auth.json"\n')
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


def certificate(settings: Path, *args: object) -> str:
    ran = run("certificate", *args, "--config", settings)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def refused(settings: Path, *args: object, code: int = 1) -> str:
    return one_line(run("certificate", *args, "--config", settings), code)


class TestShow:
    def test_nothing_yet(self, settings: Path) -> None:
        assert "not there yet; the daemon makes it at its start, or kvmd certificate new" in refused(
            settings, "show", code=3
        )

    def test_what_openssl_says(self, settings: Path, folder: Path) -> None:
        path, _ = ensure(folder)
        shown = json.loads(certificate(settings, "show", "--json"))
        assert shown["sha256"] == fingerprint(path)
        assert shown["file"] == str(path)
        assert shown["self_signed"] is True
        assert {"localhost", "127.0.0.1"} < set(shown["names"])
        end = ssl.cert_time_to_seconds(openssl("x509", "-in", path, "-noout", "-enddate").strip().partition("=")[2])
        assert shown["not_after"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
        assert f"SHA-256:  {shown['sha256']}\n" in certificate(settings, "show")

    def test_pem_has_no_key(self, settings: Path, folder: Path) -> None:
        path, _ = ensure(folder)
        assert certificate(settings, "show", "--pem") == openssl("x509", "-in", path)


class TestNamedInTheSettings:
    """``web.certificate`` and ``web.key`` go before everything in the state folder."""

    @pytest.fixture
    def elsewhere(self, settings: Path, authority: Authority) -> tuple[Path, Path]:
        """The certificate and its key."""
        chain = authority.issue("kvm")
        key = authority.folder / "kvm.key"
        settings.write_text(f'{settings.read_text()}[web]\ncertificate = "{chain}"\nkey = "{key}"\n')
        return chain, key

    def test_they_are_shown(self, settings: Path, folder: Path, elsewhere: tuple[Path, Path]) -> None:
        ensure(folder)
        shown = json.loads(certificate(settings, "show", "--json"))
        assert (shown["file"], shown["sha256"]) == (str(elsewhere[0]), fingerprint(elsewhere[0]))

    def test_the_request_is_for_their_key(self, settings: Path, tmp_path: Path, elsewhere: tuple[Path, Path]) -> None:
        (tmp_path / "csr").write_text(certificate(settings, "csr", "kvm.example"))
        assert openssl("req", "-in", tmp_path / "csr", "-noout", "-pubkey") == public_key(elsewhere[1])

    @pytest.mark.parametrize("command", ["new", "install"])
    def test_others_are_not_made_in_vain(self, settings: Path, elsewhere: tuple[Path, Path], command: str) -> None:
        said = refused(settings, command, *elsewhere[: 2 * (command == "install")])
        assert f"the daemon serves {elsewhere[0]}: put the new one there" in said

    def test_one_that_is_not_there(self, settings: Path, elsewhere: tuple[Path, Path]) -> None:
        elsewhere[1].unlink()
        assert f"{elsewhere[1]}: cannot be read: No such file" in refused(settings, "show", code=3)


class TestNew:
    def test_it_has_a_key_of_its_own(self, settings: Path, folder: Path) -> None:
        certificate(settings, "new")
        first = public_key(ensure(folder)[0])
        shown = certificate(settings, "new")
        assert public_key(ensure(folder)[0]) != first
        assert f"SHA-256:  {fingerprint(ensure(folder)[0])}\n" in shown


class TestCsr:
    def test_for_the_machine(self, settings: Path, folder: Path, tmp_path: Path) -> None:
        path, _ = ensure(folder)
        request = tmp_path / "request"
        request.write_text(certificate(settings, "csr"))
        text = openssl("req", "-in", request, "-noout", "-text", "-verify")
        assert "DNS:localhost" in text
        assert openssl("req", "-in", request, "-noout", "-pubkey") == public_key(path)

    def test_for_given_names(self, settings: Path, folder: Path) -> None:
        ensure(folder)
        request = certificate(settings, "csr", "kvm.example", "192.0.2.7")
        text = openssl("req", "-noout", "-text", given=request)
        assert "DNS:kvm.example, IP Address:192.0.2.7" in text

    def test_what_is_no_name(self, settings: Path, folder: Path) -> None:
        ensure(folder)
        assert refused(settings, "csr", "kvm büro").startswith("not a host name or address: ")


class TestInstall:
    def test_what_was_requested(self, settings: Path, folder: Path, authority: Authority) -> None:
        ensure(folder)
        request = authority.folder / "request.csr"
        request.write_text(certificate(settings, "csr"))
        leaf = authority.issue("kvm", request)
        shown = certificate(settings, "install", authority.chain(leaf, authority.intermediate))
        assert f"SHA-256:  {fingerprint(leaf)}\n" in shown
        assert "chain:    CN=intermediate\n" in shown
        path, key = ensure(folder)
        assert openssl("verify", "-CAfile", authority.root, "-untrusted", path, path).endswith(": OK\n")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("options", [(), ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")])
    def test_with_a_key(self, options: tuple[str, ...], settings: Path, folder: Path, authority: Authority) -> None:
        key = authority.key("kvm", *options)
        certificate(settings, "install", authority.issue("kvm"), key)
        assert public_key(ensure(folder)[0]) == public_key(key)

    def test_key_and_chain_in_one_file(self, settings: Path, folder: Path, authority: Authority) -> None:
        leaf = authority.issue("kvm")
        certificate(settings, "install", authority.chain(authority.folder / "kvm.key", leaf))
        assert fingerprint(ensure(folder)[0]) == fingerprint(leaf)

    def test_a_key_of_the_old_form_with_its_parameters(
        self, settings: Path, folder: Path, authority: Authority
    ) -> None:
        old = authority.folder / "kvm.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", old)
        assert old.read_text().startswith("-----BEGIN EC PARAMETERS-----")
        certificate(settings, "install", authority.issue("kvm"), old)
        assert public_key(ensure(folder)[0]) == public_key(old)

    def test_a_new_one_of_these_names_discards_it(self, settings: Path, folder: Path, authority: Authority) -> None:
        certificate(settings, "install", authority.issue("kvm"), authority.folder / "kvm.key")
        assert "--discard" in refused(settings, "new")
        certificate(settings, "new", "--discard")
        assert not (folder / INSTALLED).exists()

    def _expired(self, authority: Authority) -> tuple[Path, Path | None]:
        return authority.issue("kvm", days=-1), authority.folder / "kvm.key"

    def _other_key(self, authority: Authority) -> tuple[Path, Path | None]:
        return authority.issue("kvm"), authority.key("other")

    def _wrong_order(self, authority: Authority) -> tuple[Path, Path | None]:
        leaf = authority.issue("kvm")
        return authority.chain(authority.intermediate, leaf), authority.folder / "kvm.key"

    def _not_the_issuer(self, authority: Authority) -> tuple[Path, Path | None]:
        leaf = authority.issue("kvm")
        return authority.chain(leaf, authority.root), authority.folder / "kvm.key"

    def _der(self, authority: Authority) -> tuple[Path, Path | None]:
        path = authority.folder / "kvm.der"
        openssl("x509", "-in", authority.issue("kvm"), "-outform", "der", "-out", path)
        return path, authority.folder / "kvm.key"

    def _damaged(self, authority: Authority) -> tuple[Path, Path | None]:
        leaf = authority.issue("kvm")
        leaf.write_text(leaf.read_text().replace("\nM", "\nA"))
        return leaf, authority.folder / "kvm.key"

    def _encrypted(self, authority: Authority) -> tuple[Path, Path | None]:
        leaf = authority.issue("kvm")
        path = authority.folder / "encrypted.key"
        openssl("pkey", "-in", authority.folder / "kvm.key", "-aes256", "-passout", "pass:word", "-out", path)
        return leaf, path

    def _ed25519(self, authority: Authority) -> tuple[Path, Path | None]:
        key = authority.key("kvm", "-algorithm", "ED25519")
        return authority.issue("kvm"), key

    def _short(self, authority: Authority) -> tuple[Path, Path | None]:
        key = authority.key("kvm", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
        return authority.issue("kvm"), key

    def _nameless(self, authority: Authority) -> tuple[Path, Path | None]:
        return authority._certificate("kvm", "intermediate", "keyUsage=digitalSignature"), authority.folder / "kvm.key"

    def _no_file(self, authority: Authority) -> tuple[Path, Path | None]:
        return authority.folder / "none.pem", None

    def _not_requested(self, authority: Authority) -> tuple[Path, Path | None]:
        return authority.issue("kvm"), None

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (_expired, r'the certificate of "CN=kvm" ended on .*; this machine\'s clock has 20'),
            (_other_key, r'the key is not that of the certificate of "CN=kvm"'),
            (_wrong_order, r"the chain is not in order: the key's own certificate has to come first"),
            (_not_the_issuer, r'the chain is not in order: "CN=root" is not the issuer of "CN=kvm"'),
            (_der, r"there is no certificate in PEM in it; openssl x509 -inform der makes PEM of DER"),
            (_damaged, r"a certificate in it is damaged"),
            (_encrypted, r"the private key is encrypted: decrypt it with openssl pkey"),
            (_ed25519, r"the private key is of a kind that browsers do not take"),
            (_short, r"TLS cannot use it: ee key too small"),
            (_nameless, r"the certificate has no subject alternative names"),
            (_no_file, r".*none.pem: cannot be read: No such file or directory"),
            (_not_requested, r'the key is not that of the certificate of "CN=kvm"'),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_what_is_refused_changes_nothing(
        self,
        make: Callable[["TestInstall", Authority], tuple[Path, Path | None]],
        words: str,
        settings: Path,
        folder: Path,
        authority: Authority,
    ) -> None:
        path, _ = ensure(folder)
        before = path.read_bytes()
        chain, key = make(self, authority)
        said = refused(settings, "install", chain, *([key] if key else []))
        assert re.match(words, said)
        assert ensure(folder) == (path, path)
        assert path.read_bytes() == before
