"""The driver, on the simulated device: what kvmd relies on, and the bytes that go to the device."""

from collections.abc import Iterator

import pytest
from kvmd_acme import AcmeHid, encode
from kvmd_acme.device import Acme

from kvmd import AbsoluteMouseReport, DeviceOptions, KeyboardReport
from kvmd.testing import HidConformance


class TestAcme(HidConformance):
    lock_key = 0x39

    @pytest.fixture
    def driver(self) -> Iterator[AcmeHid]:
        yield AcmeHid(DeviceOptions(), None)
        Acme.host = True

    def unplug(self, driver: AcmeHid) -> None:
        Acme.host = False

    def plug(self, driver: AcmeHid) -> None:
        Acme.host = True


def test_bytes() -> None:
    assert encode(KeyboardReport(modifiers=2, keys=(4, 5))) == bytes.fromhex("01 02 00 04 05 00 00 00 00")
    assert encode(AbsoluteMouseReport(x=16384, y=32767, wheel=-1)) == bytes.fromhex("02 00 00 40 ff 7f ff 00")
