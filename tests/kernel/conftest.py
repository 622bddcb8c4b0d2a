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
from .gpio_sim import gpio_sim
from .host_input import host_input, host_keyboard, host_mouse
from .relay_board import hid_board, serial_board
from .typist import controller, running, typist
from .uhid import typist_chip
from .units import units_masked
from .usb_ports import usb_ports
from .vendor import package
from .vivid import vivid

# pytest looks for fixtures here
__all__ = [
    "camera",
    "capture",
    "chip",
    "controller",
    "daemon",
    "dummy_hcd",
    "gpio_sim",
    "hid_board",
    "host_input",
    "host_keyboard",
    "host_mouse",
    "package",
    "running",
    "serial_board",
    "typist",
    "typist_chip",
    "units_masked",
    "usb_ports",
    "vivid",
]

FOLDER = Path(__file__).parent
IN_GUEST = os.environ.get("KVMD_LAB") == "guest"
REPLAY = pytest.StashKey[replay.Replay]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of this folder behind all others, which run here meanwhile, and in the order of the guests."""
    if IN_GUEST:
        return
    kernel = {item.nodeid: item for item in items if item.path.is_relative_to(FOLDER)}
    for item in kernel.values():
        item.add_marker(pytest.mark.timeout(0))  # they wait for their turn in a guest
    config.stash[REPLAY] = replay.Replay(config, list(kernel.values()))
    items[:] = [item for item in items if item.nodeid not in kernel]
    items += [kernel[nodeid] for nodeid in config.stash[REPLAY].order]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the guests."""
    if REPLAY in session.config.stash and not session.config.getvalue("collectonly"):
        session.config.stash[REPLAY].start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Instead of running a test of this folder here, replay what a guest reports about it."""
    # pytest asks every conftest about every test.
    if IN_GUEST or not item.path.is_relative_to(FOLDER):
        return None
    item.config.stash[REPLAY].run(item)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the guests."""
    if REPLAY in session.config.stash:
        session.config.stash[REPLAY].finish()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how long the guests took."""
    summary = config.stash[REPLAY].summary() if REPLAY in config.stash else ""
    if summary:
        terminalreporter.write_line(summary)
