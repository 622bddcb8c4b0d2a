"""The v4l2 driver on a node, without the daemon."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd.contract.device import device_at
from kvmd_drivers.v4l2 import V4l2Capture, V4l2Options

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
