"""What tests of drivers share."""

from collections.abc import Iterator

import pytest

from kvmd_drivers.ch9329.pretended import PretendedChip
from kvmd_drivers.ch9329.simulator import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A pretended CH9329, as from the factory."""
    with Simulator(PretendedChip()) as simulator:
        yield simulator


@pytest.fixture
def chip(simulator: Simulator) -> PretendedChip:
    """What the simulator pretends to be."""
    return simulator.chip
