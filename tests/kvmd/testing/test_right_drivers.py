"""The conformance suite stays green: right drivers pass all of it, and what they cannot do is not asked of them."""

import pytest

from kvmd import Capability, KeyboardReport
from kvmd.testing import HidConformance, PowerConformance
from tests.kvmd.testing.simulated import Keyboard, OnTheCamera, OnTheKeyboard, OnThePanel, Panel, Wakes


class TestCamera(OnTheCamera):
    """All of the suite."""


class TestKeyboard(OnTheKeyboard):
    """All of the suite."""


class TestPanel(OnThePanel):
    """All of the suite."""


class TestPanelThatCannotBeSeen(PowerConformance):
    """What is left of the suite where nothing tells what the wires do."""

    hold = 0.1

    @pytest.fixture
    def driver(self) -> Panel:
        return Panel()


class TestPanelWithoutWires(OnThePanel):
    @pytest.fixture
    def driver(self) -> Wakes:
        return Wakes()


class MouseOnly(Keyboard):
    """It has no keyboard, and says so in the right way."""

    capabilities = Capability.RELATIVE_MOUSE


def test_what_is_not_declared_is_not_asked_for() -> None:
    driver = MouseOnly()
    driver.open()
    with pytest.raises(pytest.skip.Exception, match="KEYBOARD"):
        HidConformance().test_press_and_release(driver)
    HidConformance().test_what_is_declared_is_sent(driver)
    with pytest.raises(Exception, match="KEYBOARD"):
        driver.send(KeyboardReport())
    driver.close()
