"""The v4l2 driver on a node, without the daemon."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd import CaptureDriver, Frame, Signal
from kvmd.contract.device import device_at
from kvmd_drivers.v4l2 import V4l2Capture, V4l2Options


@contextlib.contextmanager
def reading(driver: CaptureDriver) -> Iterator[Iterator[Frame]]:
    """Iterate over a driver's frames, and end that in the end, as the daemon does."""
    frames = driver.frames()
    try:
        yield frames
    finally:
        if isinstance(frames, Generator):
            frames.close()


def signal_of(driver: CaptureDriver) -> Signal:
    """Return the signal that a driver has; without one the test fails."""
    signal = driver.status().signal
    assert signal is not None
    return signal


def has_dropped(driver: CaptureDriver, frames: Iterator[Frame], count: int) -> bool:
    """Take a frame, and tell whether so many were dropped before it."""
    next(frames)
    return driver.status().dropped == count


Capture = Callable[..., V4l2Capture]


@pytest.fixture
def capture() -> Iterator[Capture]:
    """Opens a node with the driver; closes it in the end."""
    with contextlib.ExitStack() as stack:

        def open_node(node: Path, **options: Any) -> V4l2Capture:
            driver = V4l2Capture(V4l2Options(device=str(node), **options), device_at(str(node)))
            stack.callback(driver.close)
            driver.open()
            return driver

        yield open_node
