"""The driver, on the simulated device: what kvmd relies on."""

from collections.abc import Iterator

import pytest
from kvmd_acme import AcmePower
from kvmd_acme.device import Acme

from kvmd import DeviceOptions, PowerButton, PowerCapability
from kvmd.testing import PowerConformance


class TestAcme(PowerConformance):
    @pytest.fixture
    def driver(self) -> Iterator[AcmePower]:
        driver = AcmePower(DeviceOptions(), None)
        yield driver
        driver.close()
        Acme.pressed.clear()
        Acme.lamp = False

    def pressed(self, driver: AcmePower, button: PowerButton) -> bool:
        return button.value in Acme.pressed

    def leave_pressed(self, driver: AcmePower, button: PowerButton) -> None:
        Acme.pressed.add(button.value)

    def light(self, driver: AcmePower, lamp: PowerCapability, on: bool) -> None:
        Acme.lamp = on
