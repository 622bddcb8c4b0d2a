"""``kvmd doctor`` as it is installed: what real devices, rules and ports make it find, and what mends that."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .vivid import Vivid
from .waiting import patience, run, settle

RULES = Path("/usr/lib/udev/rules.d/70-kvmd.rules")

pytestmark = pytest.mark.usefixtures("units_masked")


def found() -> dict[str, str]:
    """Return what the doctor finds, by its kinds."""
    ran = subprocess.run(["kvmd", "doctor", "--json"], capture_output=True, text=True, timeout=patience(), check=False)
    assert ran.returncode in (1, 2), ran.stderr
    return {each["kind"]: each["what"] for each in json.loads(ran.stdout)["findings"]}


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[None]:
    """Kvmd's rules are not there; in the end they are, and in force."""
    shutil.move(RULES, tmp_path / RULES.name)
    run("udevadm", "control", "--reload")
    yield
    shutil.move(tmp_path / RULES.name, RULES)
    run("udevadm", "control", "--reload")


def test_what_is_installed_has_its_user_its_rules_and_no_broken_plugin() -> None:
    assert not found().keys() & {"not-installed", "no-user", "no-rules", "old-rules", "broken-plugin", "bad-settings"}


@pytest.mark.usefixtures("aside")
def test_rules_that_are_gone() -> None:
    assert "no-rules" in found()


def test_a_capture_device_that_the_daemon_may_not_open(vivid: Vivid) -> None:
    node = vivid.load()
    assert not found().keys() & {"denied", "not-in-group", "in-use"}
    node.chmod(0o600)
    assert str(node) in found()["denied"]
    run("udevadm", "trigger", "--settle", str(node))
    node.chmod(0o660)
    run("gpasswd", "--delete", "kvmd", "video")
    try:
        assert str(node) in found()["not-in-group"]
    finally:
        run("gpasswd", "--add", "kvmd", "video")
    with node.open("rb"):
        assert f"(process {os.getpid()})" in found()["in-use"]


@pytest.mark.usefixtures("dummy_hcd")
def test_a_device_port_from_nothing_to_the_keyboard() -> None:
    assert "no-gadget" in found()
    run("kvmd", "gadget", "up")
    settle()
    assert not found().keys() & {"no-gadget", "no-libcomposite", "foreign-gadget", "no-controller"}
    run("kvmd", "gadget", "down")
    run("kvmd", "gadget", "up", "--name", "other")
    assert "carries the gadget other, not kvmd" in found()["foreign-gadget"]
    run("kvmd", "gadget", "down", "--name", "other")


def test_a_port_that_another_program_has() -> None:
    with socket.create_server(("", 80)):
        assert f"(process {os.getpid()})" in found()["port-taken"]
    assert "port-taken" not in found()
