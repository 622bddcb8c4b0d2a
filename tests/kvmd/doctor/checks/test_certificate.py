"""The certificate for HTTPS: its end, its names, and whether it can be read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kvmd.access import certificate as store
from kvmd.access import pki
from kvmd.contract.settings import AuthSettings, Settings, WebSettings
from kvmd.doctor.checks import certificate
from tests.kvmd.doctor.conftest import Tree

NOW = datetime.now(UTC)
OURS = store.machine_names()


def write(folder: Path, name: str, names: list[str], now: datetime = NOW) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pki.self_signed(pki.new_key(), names, now).pem())


def test_before_the_first_start_there_is_none(tree: Tree) -> None:
    assert tree.kinds(certificate) == []


def test_our_own(tree: Tree) -> None:
    write(tree.state, store.SELF_SIGNED, OURS)
    assert tree.kinds(certificate) == []
    write(tree.state, store.SELF_SIGNED, ["localhost"])
    [found] = tree.look(certificate)
    assert (found.kind, found.mend) == ("certificate-names", "sudo kvmd certificate new")


@pytest.mark.parametrize(
    ("age", "kinds"),
    [
        (timedelta(), []),
        (pki.LASTS - timedelta(days=20), ["certificate-ends"]),
        (pki.LASTS + timedelta(days=1), ["certificate-over"]),
        (-pki.BEGUN - timedelta(days=1), ["certificate-over"]),
    ],
)
def test_an_installed_one_ends(tree: Tree, age: timedelta, kinds: list[str]) -> None:
    write(tree.state, store.INSTALLED, OURS, NOW - age)
    assert tree.kinds(certificate) == kinds


def test_an_installed_one_for_a_name(tree: Tree) -> None:
    write(tree.state, store.INSTALLED, [f"{OURS[0].partition('.')[0]}.example"])
    assert tree.kinds(certificate) == [], "the network may give a domain to it"
    write(tree.state, store.INSTALLED, ["other.example"])
    assert tree.kinds(certificate) == ["certificate-names"]
    auth = AuthSettings(file=str(tree.state / "auth.json"))
    named = Settings(web=WebSettings(names=["other.example:8443"]), auth=auth)
    assert tree.kinds(certificate, settings=named) == []


def test_one_that_cannot_be_used(tree: Tree) -> None:
    tree.write({"var/lib/kvmd/certificate.pem": "nonsense"})
    [found] = tree.look(certificate)
    assert (found.kind, "private key" in found.what) == ("certificate-unusable", True)


def test_who_serves_nothing_with_tls_needs_none(tree: Tree) -> None:
    tree.write({"var/lib/kvmd/certificate.pem": "nonsense"})
    auth = AuthSettings(file=str(tree.state / "auth.json"))
    settings = Settings(web=WebSettings(tls_listen=[], video_tls_listen=[]), auth=auth)
    assert tree.kinds(certificate, settings=settings) == []
