"""The serial_relay driver behind the kernel's own ch341: pressed, pulled in mid-press, killed in mid-press."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kvmd import DeviceAbsent, DeviceLost, DriverError, PowerButton
from kvmd_drivers.serial_relay import SerialRelay, SerialRelayOptions

from .relay_board import RelayBoard
from .waiting import patience

pytestmark = pytest.mark.usefixtures("units_masked")

BY_PATH = "/dev/serial/by-path/*-usb-0:{}:1.0-port0"


def made(port: int = 1) -> SerialRelay:
    """The driver of the board in a port, by its link."""
    [link] = Path("/").glob(BY_PATH.format(port).lstrip("/"))
    return SerialRelay(SerialRelayOptions(device=str(link), power_channel=1, reset_channel=2), None)


@pytest.fixture
def driver(serial_board: RelayBoard) -> Iterator[SerialRelay]:
    """The driver, open, of a board in port 1."""
    serial_board.plug()
    with closing(made()) as driver:
        driver.open()
        yield driver


def test_presses_are_seen_in_order(serial_board: RelayBoard, driver: SerialRelay) -> None:
    driver.press(PowerButton.POWER, 0.1)
    driver.press(PowerButton.RESET, 0.1)
    serial_board.wait_for()
    state = serial_board.state()
    assert serial_board.moves() == [(1, True), (1, False), (2, True), (2, False)]
    assert state["misunderstood"] == ""
    assert state["baud"] == pytest.approx(9600, rel=0.003)
    assert driver.watch(0.1) is False


def test_close_releases_the_button(serial_board: RelayBoard, driver: SerialRelay) -> None:
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.RESET, patience())
        serial_board.wait_for(2)
        driver.close()
        with pytest.raises(DriverError, match="the press was cut short"):
            pressing.result()
    serial_board.wait_for()
    assert serial_board.moves() == [(2, True), (2, False)]


def test_board_that_is_pulled_in_mid_press_is_lost_and_works_again_in_its_port(
    serial_board: RelayBoard, driver: SerialRelay
) -> None:
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.POWER, patience())
        serial_board.wait_for(1)
        watching = pool.submit(driver.watch, patience())
        serial_board.unplug()
        with pytest.raises(DeviceLost, match="was the relay board pulled"):
            watching.result()
        driver.close()
        with pytest.raises(DeviceLost, match="is gone"):
            pressing.result()
    with pytest.raises(DeviceAbsent, match="is not there"):
        driver.open()
    serial_board.plug()
    driver.open()
    driver.press(PowerButton.POWER, 0.1)
    serial_board.wait_for()
    assert serial_board.moves() == [(1, True), (1, False)]


def test_what_a_killed_process_left_closed_is_opened(serial_board: RelayBoard) -> None:
    node = serial_board.plug()
    serial_board.press_and_be_killed(SerialRelay, str(node), 1)
    assert serial_board.closed() == [1]
    with closing(made()) as driver:
        driver.open()
        serial_board.wait_for()


def test_port_serves_one_driver_at_a_time(serial_board: RelayBoard, driver: SerialRelay) -> None:
    with (
        closing(made()) as other,
        pytest.raises(DriverError, match="is in use: by another"),
    ):
        other.open()
    driver.press(PowerButton.POWER, 0.1)
    serial_board.wait_for()
    assert serial_board.moves() == [(1, True), (1, False)]
