"""Boards where the daemon runs: known by a USB device, named, and kept from starting by a file that is wrong."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .daemon import Daemon
from .dummy_hcd import DummyHcd
from .waiting import eventually, run, settle

FOLDER = Path("/etc/kvmd/boards.d")
ACME = """
name = "acme"
title = "Acme KVM"
known_by = { usb = ["1d6b:0104"] }
capture = { driver = "virtual" }
hid = { driver = "usb_gadget" }
"""
KNOWN = {"name": "acme", "title": "Acme KVM", "why": 'usb = ["1d6b:0104"]'}


@pytest.fixture
def gadget() -> Iterator[None]:
    """A USB device, our own gadget, in a port of the kernel's loopback; kvmd-gadget.service makes it."""
    controller = DummyHcd()
    controller.load()
    eventually(lambda: controller.state() == "configured", "the host to accept the gadget")
    settle()
    yield
    controller.unload()
    run("kvmd", "gadget", "down")


@pytest.fixture
def file() -> Iterator[Path]:
    """An administrator's definition of a board."""
    FOLDER.mkdir()
    path = FOLDER / "acme.toml"
    path.write_text(ACME)
    yield path
    path.unlink()
    FOLDER.rmdir()


def status(daemon: Daemon) -> Any:
    return daemon.request("GET", "/api/status").json["data"]


@pytest.mark.usefixtures("gadget", "file")
def test_a_board_is_known_by_its_usb_device(daemon: Daemon) -> None:
    daemon.start("")
    assert status(daemon)["board"] == KNOWN
    eventually(lambda: status(daemon)["capture"]["state"] == "online", "the board's capture driver")
    assert status(daemon)["capture"]["driver"] == "virtual"
    shown = json.loads(run("kvmd", "boards", "--json"))
    assert (shown["board"], shown["why"]) == (KNOWN["name"], KNOWN["why"])
    daemon.start('board = "none"')
    assert status(daemon)["board"] is None


@pytest.mark.usefixtures("file")
def test_without_its_usb_device_it_has_to_be_named(daemon: Daemon) -> None:
    assert json.loads(run("kvmd", "boards", "--json"))["board"] is None
    daemon.start('board = "acme"')
    assert status(daemon)["board"]["why"] == "named in /etc/kvmd/kvmd.toml"


def test_a_wrong_file_is_told_and_keeps_the_daemon_from_starting(file: Path, tmp_path: Path) -> None:
    settings = tmp_path / "kvmd.toml"
    settings.touch()
    file.write_text(ACME.replace("title", "titel"))
    problem = f"{file}: titel is not known; there are: by_name, capture, hid, known_by, name, power, title"
    ran = subprocess.run(["kvmd", "boards", f"--config={settings}"], capture_output=True, text=True, check=True)
    assert ran.stderr == f"{problem}; kvmd does not start until the file is mended or removed\n"
    ran = subprocess.run(["kvmd", "serve", f"--config={settings}"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (3, f"kvmd: {problem}\n")
