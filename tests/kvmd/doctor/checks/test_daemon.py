"""The daemon and its settings: what keeps it from starting, and who can get at its secrets."""

from collections.abc import Callable

from kvmd.contract.reports import Status
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import daemon
from kvmd.system.pulse import Hang
from tests.kvmd.doctor.conftest import Tree

UNIT = "usr/lib/systemd/system/kvmd.service"


def installed(tree: Tree) -> None:
    tree.write({UNIT: ""})
    link = tree.root / "etc/systemd/system/multi-user.target.wants/kvmd.service"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/{UNIT}")


def test_nothing_is_wrong_with_one_that_answers(tree: Tree, make_status: Callable[..., Status]) -> None:
    installed(tree)
    assert tree.kinds(daemon, daemon=Daemon(make_status())) == []


def test_settings_that_cannot_be_used_are_told_with_their_file(tree: Tree) -> None:
    installed(tree)
    found = tree.look(daemon, problem="quality = 0 cannot be used", source="/etc/kvmd/kvmd.toml")
    assert "quality = 0" in found[0].what
    assert tree.kinds(daemon, problem="x") == ["bad-settings", "silent"]


def test_settings_that_may_not_be_read_are_not_wrong(tree: Tree, make_status: Callable[..., Status]) -> None:
    installed(tree)
    assert tree.kinds(daemon, hidden="run this as root", daemon=Daemon(make_status())) == ["unseen"]


def test_a_unit_that_is_not_there_or_not_enabled(tree: Tree, make_status: Callable[..., Status]) -> None:
    running = Daemon(make_status())
    assert tree.kinds(daemon, daemon=running) == ["not-installed"]
    tree.write({UNIT: ""})
    assert tree.kinds(daemon, daemon=running) == ["not-enabled"]


def test_one_that_may_not_be_asked_is_not_one_that_does_not_run(tree: Tree) -> None:
    installed(tree)
    assert tree.kinds(daemon, daemon=Daemon(silence="systemctl start kvmd")) == ["silent"]
    assert tree.kinds(daemon, daemon=Daemon(hidden="use sudo")) == ["unseen"]


def test_what_hangs_is_named(tree: Tree, make_status: Callable[..., Status]) -> None:
    installed(tree)
    hung = make_status(hung=(Hang("plug-in acme", "kvmd_event()", 40),))
    [found] = tree.look(daemon, daemon=Daemon(hung))
    assert found.what == "plug-in acme hangs: kvmd_event() for 40 s"


def test_secrets_that_others_may_read(tree: Tree, make_status: Callable[..., Status]) -> None:
    installed(tree)
    running = Daemon(make_status())
    tree.write({"var/lib/kvmd/auth.json": "{}", "var/lib/kvmd/first-password": "x"})
    (tree.state / "auth.json").chmod(0o640)
    assert tree.kinds(daemon, daemon=running) == ["open-secrets", "first-password"]
    (tree.state / "auth.json").chmod(0o600)
    tree.remove("var/lib/kvmd/first-password")
    assert tree.kinds(daemon, daemon=running) == []
