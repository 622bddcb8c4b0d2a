"""The virtual computer's front panel as a power driver.

Works: the power button and the reset button, held for as long as it is told; the power lamp, which blinks while the
computer sleeps; the disk lamp; the cable between them, which ``/api/virtual`` pulls.
"""

from __future__ import annotations

from typing import Final

from kvmd import (
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    PowerButton,
    PowerCapability,
    PowerDriver,
    PowerStatus,
)

from .computer import VirtualOptions, shared

UNPLUGGED: Final = "the cable to the virtual computer's front panel is unplugged"


class VirtualPower(PowerDriver):
    """The virtual computer's buttons and lamps."""

    name = "virtual"
    Options = VirtualOptions
    capabilities = (
        PowerCapability.POWER_BUTTON
        | PowerCapability.RESET_BUTTON
        | PowerCapability.POWER_LAMP
        | PowerCapability.DISK_LAMP
    )

    def __init__(self, options: VirtualOptions, device: Device | None) -> None:  # noqa: ARG002  # there is none
        self._computer = shared(options.computer)
        self._device = f"virtual computer {options.computer}"
        self._is_open = False
        self._seen = self._reported = self._computer.lamps

    def open(self) -> None:
        """Take hold of the front panel, whose buttons are released."""
        if not self._computer.panel:
            raise DeviceAbsent(UNPLUGGED)
        self._computer.release(*PowerButton)
        self._seen = self._reported = self._computer.lamps
        self._is_open = True

    def press(self, button: PowerButton, seconds: float) -> None:
        """Hold a button down for ``seconds``."""
        self._check()
        self._computer.press(button)
        try:
            self._computer.wait_for(lambda: not (self._is_open and self._computer.panel), seconds)
        finally:
            self._computer.release(button)
        self._check()

    def watch(self, timeout: float) -> bool:
        """Wait until a lamp changes, or the cable is pulled."""
        self._check()
        self._computer.wait_for(self._has_news, timeout)
        if self._is_open and not self._computer.panel:
            raise DeviceLost(UNPLUGGED)
        before, self._reported = self._reported, self._seen
        return self._reported != before

    def _has_news(self) -> bool:
        self._seen = self._computer.lamps
        return not (self._is_open and self._computer.panel) or self._seen != self._reported

    def _check(self) -> None:
        if not self._is_open:
            raise DriverError("the virtual power driver is not open")
        if not self._computer.panel:
            raise DeviceLost(UNPLUGGED)

    def status(self) -> PowerStatus:
        """Tell which lamps are lit."""
        lamps = self._computer.lamps
        return PowerStatus(self._device, power_lamp=lamps.power, disk_lamp=lamps.disk)

    def close(self) -> None:
        """Let go of the front panel; a press that is under way ends at once, and so does a watch."""
        self._is_open = False
        self._computer.release(*PowerButton)
        self._computer.wake()
