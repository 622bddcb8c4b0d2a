"""Acme: say here which devices the driver is for, what works, what does not, and where that is documented.

As it is, it drives the simulated device in device.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from kvmd import (
    Board,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    PowerButton,
    PowerCapability,
    PowerDriver,
    PowerStatus,
    Press,
    hookimpl,
    load_boards,
)

from .device import Acme


class AcmePower(PowerDriver):
    """Acme at a computer's front panel."""

    name = "acme"
    Options = DeviceOptions
    capabilities = PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON | PowerCapability.POWER_LAMP

    def __init__(self, options: DeviceOptions, device: Device | None) -> None:  # noqa: ARG002  # it has no options of its own
        self._label = str(device or "Acme")
        self._acme: Acme | None = None
        self._lamp = False
        self._press = Press()

    def open(self) -> None:
        """Open the device, and release every button: whoever pressed one may have been killed."""
        try:
            self._acme = Acme()
            for button in PowerButton:
                self._acme.switch(button.value, down=False)
            self._lamp = self._acme.wait(self._lamp, 0)
        except OSError as error:
            raise DeviceAbsent(f"{self._label} cannot be opened: {error.strerror}") from error
        self._press.allow()

    def press(self, button: PowerButton, seconds: float) -> None:
        """Hold a button down for some seconds."""
        self._press.hold(seconds, partial(self._switch, button, down=True), partial(self._switch, button, down=False))

    def watch(self, timeout: float) -> bool:
        """Wait until the lamp changes."""
        before = self._lamp
        try:
            self._lamp = self._opened().wait(before, timeout)
        except OSError as error:
            raise self._lost(error) from error
        return self._lamp != before

    def status(self) -> PowerStatus:
        """Tell how the lamp stands."""
        return PowerStatus(self._label, power_lamp=self._lamp)

    def close(self) -> None:
        """Release the button of a press that is under way, and let go of the device."""
        self._press.end()
        acme, self._acme = self._acme, None
        if acme:
            acme.close()

    def _switch(self, button: PowerButton, down: bool) -> None:
        try:
            self._opened().switch(button.value, down)
        except OSError as error:
            raise self._lost(error) from error

    def _opened(self) -> Acme:
        if acme := self._acme:
            return acme
        raise DeviceLost(f"{self._label} is not open: the driver is closed")

    def _lost(self, error: OSError) -> DeviceLost:
        return DeviceLost(f"{self._label} is gone: {error.strerror}")


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_drivers() -> Iterable[type[PowerDriver]]:
    """Offer the driver."""
    return [AcmePower]


@hookimpl
def kvmd_boards() -> list[Board]:
    """Offer the board."""
    return load_boards(Path(__file__).parent)
