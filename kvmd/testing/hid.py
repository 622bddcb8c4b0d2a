"""The conformance suite of HID drivers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar, Final

import pytest

from kvmd.contract.hid import (
    AbsoluteMouseReport,
    Capability,
    ConsumerReport,
    HidDriver,
    HidStatus,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    Report,
    SystemReport,
)
from kvmd.errors import HidOffline, Unsupported
from kvmd.testing.driver import PATIENCE, DriverConformance, within

NEEDED: Final[tuple[tuple[Capability, Report], ...]] = (
    (Capability.KEYBOARD, KeyboardReport()),
    (Capability.ABSOLUTE_MOUSE, AbsoluteMouseReport(x=16384, y=16384)),
    (Capability.RELATIVE_MOUSE, RelativeMouseReport(dx=1)),
    (Capability.CONSUMER_CONTROL, ConsumerReport()),
    (Capability.SYSTEM_CONTROL, SystemReport()),
)
"""A report of each kind, and what a driver must be able to do to send it."""


class HidConformance(DriverConformance):
    """Give it a driver with a host that takes reports: override the fixture ``driver``.

    Where the cable can be pulled by program, override ``unplug`` and ``plug`` too.
    """

    key: ClassVar[int] = 0x48
    """A key that may be pressed on the host; Pause does nothing on most."""

    lock_key: ClassVar[int | None] = None
    """A key by which the host switches a lamp, such as Caps Lock, 0x39; None: lamps are not tried."""

    def unplug(self, driver: HidDriver) -> None:  # noqa: ARG002  # for those who override it
        """Take the host away."""
        pytest.skip("the suite was not told how to take the host away: override unplug() and plug()")

    def plug(self, driver: HidDriver) -> None:
        """Bring the host back."""

    @pytest.fixture
    def opened(self, driver: HidDriver) -> Iterator[HidDriver]:
        """Return the driver, open, with a host that takes reports."""
        within(PATIENCE, driver.open)
        _wait_until_online(driver)
        yield driver
        within(PATIENCE, driver.close)

    def test_capabilities_are_declared(self, opened: HidDriver) -> None:
        """It can do something, and says what."""
        assert isinstance(opened.capabilities, Capability)
        assert opened.capabilities & ~Capability.LEDS, "neither a keyboard nor a mouse"

    def test_press_and_release(self, opened: HidDriver) -> None:
        """A key, with a modifier, goes down and up again."""
        _need(opened, Capability.KEYBOARD)
        within(PATIENCE, opened.send, KeyboardReport(modifiers=0x02, keys=(self.key,)))
        within(PATIENCE, opened.send, KeyboardReport())

    def test_what_is_declared_is_sent(self, opened: HidDriver) -> None:
        """A report of each kind is taken, or raises Unsupported if the driver never promised it."""
        for capability, report in NEEDED:
            if capability in opened.capabilities:
                within(PATIENCE, opened.send, report)
            else:
                with pytest.raises(Unsupported):
                    within(PATIENCE, opened.send, report)

    def test_status(self, opened: HidDriver) -> None:
        """The status names the device and agrees with the capabilities."""
        status = within(PATIENCE, opened.status)
        assert isinstance(status, HidStatus)
        assert status.device
        assert status.host_connected in {None, True}
        assert status.leds is None or isinstance(status.leds, Leds)
        assert status.leds is None or Capability.LEDS in opened.capabilities

    def test_watch_returns_in_time(self, opened: HidDriver) -> None:
        """With nothing to tell it waits, does not come back at once, and says no."""
        within(PATIENCE, opened.watch, 0.2)
        start = time.monotonic()
        assert within(PATIENCE, opened.watch, 0.5) is False
        assert time.monotonic() - start >= 0.4, "watch() returned before its time: the daemon would spin"

    def test_lock_key_lights_lamp(self, opened: HidDriver) -> None:
        """What a lock key does to the lamps is told by watch() and by the status."""
        if self.lock_key is None or Capability.LEDS not in opened.capabilities:
            pytest.skip("no host that answers a lock key: set lock_key")
        for _ in range(2):
            before = opened.status().leds
            self._tap(opened, self.lock_key)
            assert within(PATIENCE, opened.watch, 5)
            assert opened.status().leds not in {None, before}

    def test_open_again(self, driver: HidDriver) -> None:
        """A driver that was closed can be opened again."""
        for _ in range(2):
            within(PATIENCE, driver.open)
            _wait_until_online(driver)
            self._tap(driver, self.key)
            within(PATIENCE, driver.close)

    def test_host_lost_and_back(self, opened: HidDriver) -> None:
        """Without a host, watch() and send() raise HidOffline with a reason, as often as they are tried."""
        self.unplug(opened)
        for _ in range(2):
            assert _wait_until_offline(opened)
            with pytest.raises(HidOffline):
                within(PATIENCE, opened.send, KeyboardReport())
        assert within(PATIENCE, opened.status).host_connected in {None, False}
        self.plug(opened)
        _wait_until_online(opened)
        self._tap(opened, self.key)

    def _tap(self, driver: HidDriver, key: int) -> None:
        """Press and release a key, on a driver that has any."""
        if Capability.KEYBOARD in driver.capabilities:
            within(PATIENCE, driver.send, KeyboardReport(keys=(key,)))
            within(PATIENCE, driver.send, KeyboardReport())


def _need(driver: HidDriver, capability: Capability) -> None:
    if capability not in driver.capabilities:
        pytest.skip(f"the driver does not declare {capability}")


def _wait_until_online(driver: HidDriver) -> None:
    """Wait, as the daemon does, until a host takes reports: it may still be getting to know the device."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            within(PATIENCE, driver.watch, 0.1)
        except HidOffline as error:
            if time.monotonic() > deadline:
                pytest.fail(f"no host takes reports: {error}")
        else:
            return


def _wait_until_offline(driver: HidDriver) -> str:
    """Wait until the driver says that there is no host, and return the reason."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            within(PATIENCE, driver.watch, 0.1)
        except HidOffline as error:
            return str(error)
    pytest.fail("watch() did not raise HidOffline")
