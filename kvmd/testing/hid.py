"""The conformance suite of HID drivers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
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
from kvmd.errors import DeviceLost, DriverError, HidOffline, Unsupported
from kvmd.testing.driver import PATIENCE, Beside, DriverConformance, check_status, contract, refuses, within

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

    waits: ClassVar[Sequence[float]] = (1, 4, 16)
    """Seconds for which watch() waits beside send(), on a machine that is quick, and on others."""

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

    @contract("HidDriver.capabilities")
    def test_capabilities_are_declared(self, opened: HidDriver) -> None:
        """It can do something, and says what."""
        assert isinstance(opened.capabilities, Capability), f"capabilities are {opened.capabilities!r}, no Capability"
        assert opened.capabilities & ~Capability.LEDS, "the driver declares neither a keyboard nor a mouse"

    @contract("HidDriver.send", "KeyboardReport")
    def test_press_and_release(self, opened: HidDriver) -> None:
        """A key, with a modifier, goes down and up again."""
        _need(opened, Capability.KEYBOARD)
        within(PATIENCE, opened.send, KeyboardReport(modifiers=0x02, keys=(self.key,)))
        within(PATIENCE, opened.send, KeyboardReport())

    @contract("HidDriver.send", "HidDriver.capabilities")
    def test_what_is_declared_is_sent(self, opened: HidDriver) -> None:
        """A report of each kind is taken, or raises Unsupported if the driver never promised it."""
        for capability, report in NEEDED:
            if capability in opened.capabilities:
                within(PATIENCE, opened.send, report)
            else:
                why = f"for {type(report).__name__}, as {capability.name} is not declared"
                refuses(PATIENCE, Unsupported, why, partial(opened.send, report))

    @contract("HidDriver.status", "HidStatus")
    def test_status(self, opened: HidDriver) -> None:
        """The status names the device and agrees with the capabilities."""
        status = within(PATIENCE, opened.status)
        check_status(status, HidStatus)
        assert status.host_connected in {None, True}, f"a host is there, and host_connected = {status.host_connected}"
        assert status.leds is None or isinstance(status.leds, Leds), f"leds = {status.leds!r}"
        assert status.leds is None or Capability.LEDS in opened.capabilities, "leds are known, and LEDS is not declared"

    @contract("HidDriver.watch")
    def test_watch_returns_in_time(self, opened: HidDriver) -> None:
        """With nothing to tell it waits, does not come back at once, and says no."""
        within(PATIENCE, opened.watch, 0.2)
        start = time.monotonic()
        changed = within(PATIENCE, opened.watch, 0.5)
        assert changed is False, f"watch() returned {changed!r}, and nothing changed"
        assert time.monotonic() - start >= 0.4, "watch() returned before its time: the daemon would spin"

    @contract("HidDriver")
    def test_send_beside_watch(self, opened: HidDriver) -> None:
        """A report is taken while another thread waits in watch()."""
        _need(opened, Capability.KEYBOARD)
        for seconds in self.waits:
            watch, half = Beside(partial(opened.watch, seconds)), time.monotonic() + seconds / 2
            while time.monotonic() < half:  # it may take a moment until it waits
                within(seconds + PATIENCE, opened.send, KeyboardReport())
                time.sleep(seconds / 20)
            is_beside = watch.is_alive()
            error = watch.end(seconds + PATIENCE)
            assert error is None, f"watch() failed beside send(): {error!r}"
            if is_beside:
                return
        pytest.fail("send() came back only when watch() had: a key would wait for a lamp")

    @contract("HidDriver.watch", "HidStatus", "Leds")
    def test_lock_key_lights_lamp(self, opened: HidDriver) -> None:
        """What a lock key does to the lamps is told by watch() and by the status."""
        if self.lock_key is None or Capability.LEDS not in opened.capabilities:
            pytest.skip("no host that answers a lock key: set lock_key")
        for _ in range(2):
            before = opened.status().leds
            self._tap(opened, self.lock_key)
            assert within(PATIENCE, opened.watch, 5), "watch() did not tell that a lamp changed since the last call"
            after = opened.status().leds
            assert after not in {None, before}, f"a lamp changed, and the status still says {after}"

    @contract("BaseDriver.open", "BaseDriver.close")
    def test_open_again(self, driver: HidDriver) -> None:
        """A driver that was closed can be opened again."""
        for _ in range(2):
            within(PATIENCE, driver.open)
            _wait_until_online(driver)
            self._tap(driver, self.key)
            within(PATIENCE, driver.close)

    @contract("HidDriver.watch", "HidDriver.send", "HidStatus")
    def test_host_lost_and_back(self, opened: HidDriver) -> None:
        """Without a host, watch() and send() raise HidOffline with a reason, as often as they are tried."""
        self.unplug(opened)
        for _ in range(2):
            _wait_until(HidOffline, opened)
            refuses(PATIENCE, HidOffline, "without a host", partial(opened.send, KeyboardReport()))
        connected = within(PATIENCE, opened.status).host_connected
        assert connected in {None, False}, f"there is no host, and host_connected = {connected}"
        self.plug(opened)
        _wait_until_online(opened)
        self._tap(opened, self.key)

    @contract("HidDriver.watch")
    def test_host_is_waited_for(self, opened: HidDriver) -> None:
        """Without a host, watch() waits for one as long as it was told."""
        self.unplug(opened)
        _wait_until(HidOffline, opened)
        for _ in range(10):  # what it says may still change
            start = time.monotonic()
            refuses(PATIENCE, HidOffline, "without a host", partial(opened.watch, 0.5))
            if waited := time.monotonic() - start >= 0.4:
                break
        self.plug(opened)
        assert waited, "watch() raised HidOffline before its time, again and again: the daemon would spin"

    @contract("HidDriver.watch", "HidDriver.send", "DeviceLost")
    def test_device_lost_and_back(self, opened: HidDriver) -> None:
        """Without its device, watch() and send() raise DeviceLost; once it is back the driver can be opened again."""
        self.remove(opened)
        _wait_until(DeviceLost, opened)
        refuses(PATIENCE, DeviceLost, "once the device is gone", partial(opened.send, KeyboardReport()))
        within(PATIENCE, opened.close)
        self.insert(opened)
        within(PATIENCE, opened.open)
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


def _wait_until(kind: type[DriverError], driver: HidDriver) -> None:
    """Watch, as the daemon does, until the driver notices what happened.

    :param kind: what it raises then
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            within(PATIENCE, driver.watch, 0.1)
        except kind as error:
            if not str(error):
                pytest.fail(f"watch() raised {kind.__name__} without a reason")
            return
    pytest.fail(f"watch() did not raise {kind.__name__}")
