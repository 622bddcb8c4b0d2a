"""The serial_relay driver on a pseudo-terminal, with the lab's LCUS board at its other end."""

import errno
import os
import select
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest
import serial
from serial import serialposix

from kvmd import (
    ConfigError,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    PowerButton,
    PowerCapability,
    Unsupported,
)
from kvmd.contract.power import PowerDriver
from kvmd.plugins.udev_rules import HEADER, udev_rules
from kvmd.system.config import convert
from kvmd.testing import PowerConformance
from kvmd_drivers.serial_relay import SerialRelay, SerialRelayOptions, command
from tests.lab.usb.lcus import Lcus
from tests.shadow import shadow
from tests.waiting import eventually, patience


class Board:
    """A board on a pseudo-terminal, which is found by a link that stays the same.

    :param link: where the link is to be
    """

    def __init__(self, link: Path) -> None:
        self.path = str(link)
        self.lcus = Lcus()
        self._link = link
        self.plug()

    def plug(self) -> None:
        """Plug it in, with all relays open."""
        self.lcus.closed = set()
        self.received, self.sent = b"", 0
        self._master, self._slave = os.openpty()  # with our own end open, a driver may come and go
        self._wake = os.eventfd(0)
        self._link.symlink_to(os.ttyname(self._slave))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def unplug(self) -> None:
        """Pull it out; nothing happens if it is."""
        if self._thread.is_alive():
            self._link.unlink()
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            for each in (self._master, self._slave, self._wake):
                os.close(each)

    def wait_for(self, *closed: int) -> None:
        """Wait until these relays are closed, and no other."""
        eventually(lambda: self.lcus.closed == set(closed), f"the closed relays to be {closed}")

    def wait_for_bytes(self, count: int) -> object:
        """Wait until so many have come, and return them."""
        return eventually(lambda: len(self.received) >= count and self.received, f"{count} bytes")

    def settle(self) -> None:
        """Wait until all that was sent has arrived."""
        sent = self.sent
        eventually(lambda: len(self.received) >= sent, "what was sent to arrive")

    def _run(self) -> None:
        while self._wake not in (ready := select.select([self._master, self._wake], [], [])[0]):
            if self._master in ready:
                data = os.read(self._master, 4096)
                self.lcus.write(data)
                self.received += data


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path / "port")
    yield board
    board.unplug()


@pytest.fixture
def driver(board: Board) -> Iterator[SerialRelay]:
    with closing(made(device=board.path, power_channel=1, reset_channel=4)) as driver:
        yield driver


def made(**options: Any) -> SerialRelay:
    return SerialRelay(SerialRelayOptions(**options), None)


class TestSerialRelay(PowerConformance):
    """The board is simulated; its relays are the buttons."""

    hold = 0.1
    relays: ClassVar = {PowerButton.POWER: 1, PowerButton.RESET: 4}

    @pytest.fixture
    def driver(self, board: Board, driver: SerialRelay, monkeypatch: pytest.MonkeyPatch) -> SerialRelay:
        def write(port: serial.Serial, data: bytes) -> int:
            count = int(really_write(port, data))
            if port.port == board.path:  # others may write to ports of their own meanwhile
                board.sent += count
            return count

        self.board = board
        really_write = serial.Serial.write
        monkeypatch.setattr(serial.Serial, "write", write)
        return driver

    def pressed(self, _driver: PowerDriver, button: PowerButton) -> bool | None:
        self.board.settle()
        return self.relays[button] in self.board.lcus.closed

    def leave_pressed(self, _driver: PowerDriver, button: PowerButton) -> None:
        self.board.lcus.closed.add(self.relays[button])

    def unplug(self, _driver: PowerDriver) -> None:
        self.board.unplug()

    def plug(self, _driver: PowerDriver) -> None:
        self.board.plug()


@pytest.mark.parametrize(
    ("channel", "closed", "expected"),
    [
        (1, True, "a00101a2"),
        (1, False, "a00100a1"),
        (2, True, "a00201a3"),
        (8, True, "a00801a9"),
        (96, True, "a0600101"),
    ],
)
def test_command(channel: int, closed: bool, expected: str) -> None:
    assert command(channel, closed).hex() == expected


def test_auto_and_udev_never_take_a_port_for_it() -> None:
    assert SerialRelay.matches == ()
    assert udev_rules(SerialRelay.matches) == HEADER


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, r"writes to no port that was not named: set power\.options\.device"),
        ({"power_channel": 1}, r"set power\.options\.device"),
        ({"device": "PORT"}, r"no relay is wired to a button: set power\.options\.power_channel or reset_channel"),
        ({"device": "PORT", "power_channel": 2, "reset_channel": 2}, "relay 2 cannot be wired to both buttons"),
    ],
)
def test_options_that_make_no_sense_are_told_and_nothing_is_written(
    board: Board, options: dict[str, object], reason: str
) -> None:
    named = {name: board.path if value == "PORT" else value for name, value in options.items()}
    with closing(made(**named)) as driver, pytest.raises(DriverError, match=reason):
        driver.open()
    with closing(made(device=board.path, power_channel=1)) as driver:
        driver.open()  # what it writes is the first that comes
        assert board.wait_for_bytes(8) == command(1, closed=False) * 2


def test_channels_that_no_board_has_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"power\.options\.power_channel = 9 cannot be used"):
        convert({"power_channel": 9}, SerialRelayOptions, "kvmd.toml", "power.options.")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"power_channel": 1}, PowerCapability.POWER_BUTTON),
        ({"reset_channel": 1}, PowerCapability.RESET_BUTTON),
        ({"power_channel": 2, "reset_channel": 1}, PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON),
    ],
)
def test_capabilities_are_what_is_wired(options: dict[str, int], expected: PowerCapability) -> None:
    assert made(**options).capabilities == expected


def test_presses_are_seen_in_order(board: Board, driver: SerialRelay) -> None:
    driver.open()
    driver.press(PowerButton.POWER, 0.01)
    driver.press(PowerButton.RESET, 0.01)
    board.wait_for_bytes(40)
    assert board.lcus.log == [(1, True), (1, False), (4, True), (4, False)]
    assert board.lcus.misunderstood == b""
    assert driver.status().device == f"serial relay board ({board.path})"


def test_opening_is_commanded_twice_since_a_lost_command_would_leave_the_button_pressed(
    board: Board, driver: SerialRelay
) -> None:
    driver.open()
    board.wait_for_bytes(16)
    board.received = b""
    driver.press(PowerButton.POWER, 0.01)
    assert board.wait_for_bytes(12) == command(1, closed=True) + command(1, closed=False) * 2


def test_button_that_is_not_wired_is_unsupported(board: Board) -> None:
    with closing(made(device=board.path, power_channel=1)) as driver:
        driver.open()
        with pytest.raises(Unsupported, match=r"reset button: power\.options\.reset_channel"):
            driver.press(PowerButton.RESET, 0.01)


def test_open_releases_what_a_killed_daemon_left_pressed(board: Board, driver: SerialRelay) -> None:
    board.lcus.closed = {1, 3, 4}
    driver.open()
    board.wait_for(3)  # which is not wired to a button


def test_close_releases_the_button(board: Board, driver: SerialRelay) -> None:
    driver.open()
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.RESET, patience())
        board.wait_for(4)
        driver.close()
        with pytest.raises(DriverError, match="the press was cut short"):
            pressing.result()
    board.wait_for()
    driver.open()
    driver.press(PowerButton.RESET, 0.01)
    eventually(lambda: board.lcus.log == [(4, True), (4, False)] * 2, "the second press")


def test_board_that_is_pulled_in_mid_press_is_lost(board: Board, driver: SerialRelay) -> None:
    driver.open()
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(driver.watch, patience())
        pressing = pool.submit(driver.press, PowerButton.POWER, patience())
        board.wait_for(1)
        board.unplug()
        with pytest.raises(DeviceLost, match="was the relay board pulled"):
            watching.result()
        driver.close()
        with pytest.raises(DeviceLost, match="is gone"):
            pressing.result()


def test_watch_waits_while_the_board_is_there(driver: SerialRelay) -> None:
    driver.open()
    assert driver.watch(0.01) is False


def test_a_closed_driver_says_so(driver: SerialRelay) -> None:
    driver.open()
    driver.close()
    with pytest.raises(DeviceLost, match="the driver is closed"):
        driver.watch(0)
    with pytest.raises(DriverError, match="the driver is closed"):
        driver.press(PowerButton.POWER, 0.01)


def test_port_that_is_not_there() -> None:
    with (
        closing(made(device="/dev/serial/by-path/none", power_channel=1)) as driver,
        pytest.raises(DeviceAbsent, match="/dev/serial/by-path/none is not there"),
    ):
        driver.open()


def test_port_that_another_program_has(board: Board, driver: SerialRelay) -> None:
    driver.open()
    with (
        closing(made(device=board.path, power_channel=1)) as other,
        pytest.raises(DriverError, match="is in use: by another program, or by the driver ch9329"),
    ):
        other.open()


def test_port_that_may_not_be_opened(monkeypatch: pytest.MonkeyPatch, driver: SerialRelay) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    shadow(monkeypatch, serialposix, "os", open=refuse)
    with pytest.raises(DriverError, match="may not be opened: be in the group dialout"):
        driver.open()


def test_file_that_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "port").touch()
    with (
        closing(made(device=str(tmp_path / "port"), power_channel=1)) as driver,
        pytest.raises(DriverError, match="port cannot be used"),
    ):
        driver.open()
