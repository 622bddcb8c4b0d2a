"""On the host: runs the tests of this folder in a guest with a real kernel. In the guest: their fixtures."""

import os
from pathlib import Path

import pytest

from tests.lab import replay

from .camera import camera
from .capture import capture
from .chip import chip
from .daemon import daemon
from .dummy_hcd import dummy_hcd
from .host_input import host_input, host_keyboard, host_mouse
from .relay_board import hid_board, serial_board
from .typist import controller, running, typist
from .units import units_masked
from .usb_ports import usb_ports
from .vivid import vivid

# pytest looks for fixtures here
__all__ = [
    "camera",
    "capture",
    "chip",
    "controller",
    "daemon",
    "dummy_hcd",
    "hid_board",
    "host_input",
    "host_keyboard",
    "host_mouse",
    "running",
    "serial_board",
    "typist",
    "units_masked",
    "usb_ports",
    "vivid",
]

FOLDER = Path(__file__).parent
IN_GUEST = os.environ.get("KVMD_LAB") == "guest"
TEAM = pytest.StashKey[replay.Team]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Instead of running a test of this folder here, replay what the guest reports about it."""
    # pytest asks every conftest about every test.
    if IN_GUEST or not item.path.is_relative_to(FOLDER):
        return None
    reason = replay.unavailable()
    if reason:
        replay.report_unavailable(item, reason)
        return True
    if TEAM not in item.config.stash:
        item.config.stash[TEAM] = replay.Team(item.config, _kernel_tests(item.session))
    item.config.stash[TEAM].run(item)
    return True


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End the guests."""
    if TEAM in session.config.stash:
        session.config.stash[TEAM].finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how long the guests took."""
    summary = config.stash[TEAM].summary() if TEAM in config.stash else ""
    if summary:
        terminalreporter.write_line(summary)


def _kernel_tests(session: pytest.Session) -> list[str]:
    """The selected tests that lie beside this file."""
    return [item.nodeid for item in session.items if item.path.is_relative_to(FOLDER)]
