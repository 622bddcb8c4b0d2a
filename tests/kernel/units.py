"""kvmd's own units, kept out of the way of tests that drive the hardware themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .waiting import run

UNITS = ("kvmd.service", "kvmd-gadget.service")


@pytest.fixture(scope="module")
def units_masked() -> Iterator[None]:
    """Keep udev from starting the daemon, which takes the card, and the gadget, which takes the controller."""
    run("systemctl", "mask", "--runtime", "--now", *UNITS)
    yield
    run("systemctl", "unmask", "--runtime", *UNITS)


@contextmanager
def kvmd_in_group(group: str) -> Iterator[None]:
    """Let kvmd have the devices of a group, from its next start on, as who uses the driver or plug-in does."""
    run("gpasswd", "--add", "kvmd", group)
    yield
    run("gpasswd", "--delete", "kvmd", group)
