"""Acme: say here which devices the driver is for, what works, what does not, and where that is documented.

As it is, it drives the simulated device in device.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from kvmd import (
    Board,
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    Frame,
    NoSignal,
    PixelFormat,
    Signal,
    hookimpl,
    load_boards,
)

from .device import HEIGHT, RATE, WIDTH, Acme


class AcmeOptions(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    """Which device, and how to run it."""

    patience: Annotated[float, Meta(gt=0, le=5, description="Seconds without a picture that mean no signal.")] = 2.0


class AcmeCapture(CaptureDriver):
    """Acme's capture device."""

    name = "acme"
    Options = AcmeOptions

    def __init__(self, options: AcmeOptions, device: Device | None) -> None:
        self._options = options
        self._label = str(device or "Acme")
        self._acme: Acme | None = None
        self._signal: Signal | None = None

    def open(self) -> None:
        """Open the device."""
        try:
            self._acme = Acme()
        except OSError as error:
            raise DeviceAbsent(f"{self._label} cannot be opened: {error.strerror}") from error

    def frames(self) -> Iterator[Frame]:
        """Yield the newest picture each time."""
        while acme := self._acme:
            try:
                picture = acme.wait(self._options.patience)
            except OSError as error:
                raise DeviceLost(f"{self._label} is gone: {error.strerror}") from error
            if picture is None:
                self._signal = None
                raise NoSignal(f"{self._label} got no picture for {self._options.patience:g} s: is its source on?")
            self._signal = Signal(WIDTH, HEIGHT, RATE, PixelFormat.GREY)
            yield Frame(picture.data, PixelFormat.GREY, WIDTH, HEIGHT, WIDTH, time.monotonic(), picture.number)

    def status(self) -> CaptureStatus:
        """Tell what is captured."""
        return CaptureStatus(self._label, self._signal)

    def close(self) -> None:
        """Let go of the device."""
        acme, self._acme, self._signal = self._acme, None, None
        if acme:
            acme.close()


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_drivers() -> Iterable[type[CaptureDriver]]:
    """Offer the driver."""
    return [AcmeCapture]


@hookimpl
def kvmd_boards() -> list[Board]:
    """Offer the board."""
    return load_boards(Path(__file__).parent)
