"""The driver, on the simulated device: what kvmd relies on, and what is its own."""

from collections.abc import Iterator

import pytest
from kvmd_acme import AcmeCapture, AcmeOptions
from kvmd_acme.device import Acme

from kvmd.testing import CaptureConformance


class TestAcme(CaptureConformance):
    @pytest.fixture
    def driver(self) -> Iterator[AcmeCapture]:
        yield AcmeCapture(AcmeOptions(patience=0.2), None)
        Acme.cable = True

    def unplug(self, driver: AcmeCapture) -> None:
        Acme.cable = False

    def plug(self, driver: AcmeCapture) -> None:
        Acme.cable = True


def test_pictures_get_lighter() -> None:
    driver = AcmeCapture(AcmeOptions(), None)
    driver.open()
    one, another = (bytes(frame.data) for frame, _ in zip(driver.frames(), range(2), strict=False))
    driver.close()
    assert one[0] < another[0]
