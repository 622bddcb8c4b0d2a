"""kvmd's own units, kept out of the way of tests that drive the hardware themselves."""

from collections.abc import Iterator

import pytest

from .waiting import run

UNITS = ("kvmd.service", "kvmd-gadget.service")


@pytest.fixture(scope="module")
def units_masked() -> Iterator[None]:
    """Keep udev from starting the daemon, which takes the card, and the gadget, which takes the controller."""
    run("systemctl", "mask", "--runtime", "--now", *UNITS)
    yield
    run("systemctl", "unmask", "--runtime", *UNITS)
