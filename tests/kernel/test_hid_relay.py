"""The hid_relay driver on a real hidraw node: found by udev, pressed, pulled in mid-press, killed in mid-press."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from kvmd import Device, DeviceLost, DriverError, PowerButton, PowerCapability, list_devices
from kvmd.contract.device import best_match, device_at
from kvmd_drivers.hid_relay import HidRelay, HidRelayOptions

from .relay_board import RelayBoard
from .waiting import patience

pytestmark = pytest.mark.usefixtures("units_masked")

WIRED = HidRelayOptions(power_channel=1, reset_channel=2)


def found() -> Device:
    """The only board that is plugged in, as the daemon finds it."""
    [device] = [each for each in list_devices(["hidraw"]) if best_match(HidRelay.matches, each)]
    return device


@pytest.fixture
def driver(hid_board: RelayBoard) -> Iterator[HidRelay]:
    """The driver, open, of a board in port 1."""
    hid_board.plug()
    with closing(HidRelay(WIRED, found())) as driver:
        driver.open()
        yield driver


def test_board_is_found_by_what_udev_says_of_it_and_given_to_kvmd(hid_board: RelayBoard) -> None:
    node = hid_board.plug(port=2)
    device = found()
    assert device.node == str(node)
    assert best_match(HidRelay.matches, device) == 80
    assert (node.owner(), node.group(), node.stat().st_mode & 0o777) == ("root", "kvmd", 0o660)
    assert str(device) == f"www.dcttech.com USBRelay2 ({node})"
    assert HidRelayOptions(path="*-usb-0:2:1.0").selects(device)
    assert not HidRelayOptions(path="*-usb-0:1:1.0").selects(device)


def test_another_device_of_that_usb_id_is_left_alone(hid_board: RelayBoard) -> None:
    node = hid_board.plug(product="Thermometer")
    device = device_at(str(node))
    assert device
    assert device.properties["HID_ID"] == "0003:000016C0:000005DF"
    assert best_match(HidRelay.matches, device) == 0
    assert node.group() == "root"
    with (
        closing(HidRelay(WIRED, device)) as driver,
        pytest.raises(DriverError, match=r"is no USB relay board but 16c0:05df .* Thermometer: set power"),
    ):
        driver.open()


def test_presses_are_seen_in_order(hid_board: RelayBoard, driver: HidRelay) -> None:
    assert driver.capabilities == PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON
    assert driver.status().device.startswith("USBRelay2 QWERT (/dev/hidraw")
    driver.press(PowerButton.POWER, 0.1)
    driver.press(PowerButton.RESET, 0.1)
    assert hid_board.moves() == [(1, True), (1, False), (2, True), (2, False)]
    assert driver.watch(0.1) is False


def test_close_releases_the_button_at_once(hid_board: RelayBoard, driver: HidRelay) -> None:
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.RESET, patience())
        hid_board.wait_for(2)
        driver.close()
        assert hid_board.closed() == []
        with pytest.raises(DriverError, match="the press was cut short"):
            pressing.result()


def test_board_that_is_pulled_in_mid_press_is_lost_and_works_again_in_the_other_port(
    hid_board: RelayBoard, driver: HidRelay
) -> None:
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.POWER, patience())
        hid_board.wait_for(1)
        watching = pool.submit(driver.watch, patience())
        hid_board.unplug()
        with pytest.raises(DeviceLost, match="was it pulled"):
            watching.result()
        driver.close()
        with pytest.raises(DeviceLost, match="is gone"):
            pressing.result()
    hid_board.plug(port=2)
    with closing(HidRelay(WIRED, found())) as again:
        again.open()
        again.press(PowerButton.POWER, 0.1)
    assert hid_board.moves(port=2) == [(1, True), (1, False)]


def test_what_a_killed_process_left_closed_is_opened(hid_board: RelayBoard) -> None:
    node = hid_board.plug()
    hid_board.press_and_be_killed(HidRelay, str(node), 1)
    assert hid_board.closed() == [1]
    with closing(HidRelay(WIRED, found())) as driver:
        driver.open()
        assert hid_board.closed() == []


def test_relay_that_sticks_is_told(hid_board: RelayBoard, driver: HidRelay) -> None:
    hid_board.stick()
    with pytest.raises(DriverError, match=r"relay 1 of USBRelay2 QWERT .* did not close"):
        driver.press(PowerButton.POWER, 0.1)


def test_relay_that_the_board_does_not_have_is_told(hid_board: RelayBoard) -> None:
    hid_board.plug(relays=1)
    with (
        closing(HidRelay(WIRED, found())) as driver,
        pytest.raises(DriverError, match=r"has no relay 2: .* are 1 to 1"),
    ):
        driver.open()


def test_board_serves_one_driver_at_a_time(hid_board: RelayBoard, driver: HidRelay) -> None:
    with closing(HidRelay(WIRED, found())) as other, pytest.raises(DriverError, match="is in use by another program"):
        other.open()
    driver.press(PowerButton.POWER, 0.1)
    assert hid_board.moves() == [(1, True), (1, False)]
