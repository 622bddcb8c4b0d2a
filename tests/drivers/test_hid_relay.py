"""The hid_relay driver without a kernel's hidraw: a board that is simulated where ioctl is called.

tests/kernel/test_hid_relay.py has it on real nodes.
"""

import errno
import os
import platform
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kvmd import (
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    PowerButton,
    PowerCapability,
    Unsupported,
)
from kvmd.contract.device import best_match
from kvmd.contract.power import PowerDriver
from kvmd.plugins.choice import _offers
from kvmd.testing import PowerConformance
from kvmd_drivers import hid_relay
from kvmd_drivers.hid_relay import HidRelay, HidRelayOptions, closed_relays, command
from tests.abi import FLAGS_32, Compiler
from tests.shadow import shadow
from tests.waiting import eventually, patience

HID = {"HID_ID": "0003:000016C0:000005DF", "HID_NAME": "www.dcttech.com USBRelay2"}


class Board:
    """A board whose node is a link to a pseudo-terminal, as far as opening and hanging up go.

    :param link: where the link is to be
    """

    def __init__(self, link: Path) -> None:
        self.path = str(link)
        self.name = b"www.dcttech.com USBRelay2"
        self.ids = (0x16C0, 0x05DF)
        self.log: list[tuple[int, bool]] = []
        self.sticks = False
        self._link = link
        self.plug()

    def plug(self) -> None:
        """Plug it in, with all relays open."""
        self.error: OSError | None = None
        self.closed: set[int] = set()
        self._ends = os.openpty()
        self._link.symlink_to(os.ttyname(self._ends[1]))

    def unplug(self) -> None:
        """Pull it out: whoever has the node sees it hang up, and fails from now on; nothing happens if it is."""
        if not self.error:
            self.error = OSError(errno.ENODEV, "No such device")
            self._link.unlink()
            for each in self._ends:
                os.close(each)

    def ioctl(self, _fd: int, request: int, data: bytes) -> bytes:
        if self.error:
            raise self.error
        if request == hid_relay.HIDIOCGRAWINFO:
            return struct.pack("=IHH", 3, *self.ids)
        if request == hid_relay.HIDIOCGRAWNAME:
            return self.name.ljust(len(data), b"\0")
        if request == hid_relay.HIDIOCGFEATURE:
            assert data == bytes((1, *bytes(8)))
            return b"QWERT\0\0" + bytes((sum(1 << relay - 1 for relay in self.closed), 0))
        assert request == hid_relay.HIDIOCSFEATURE
        self._obey(data)
        return data

    def _obey(self, report: bytes) -> None:
        assert len(report) == 9
        _, what, relay = report[:3]
        if (what == 0xFF) != (relay in self.closed) and not self.sticks:
            self.closed ^= {relay}
            self.log.append((relay, what == 0xFF))


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path / "hidraw0")
    shadow(monkeypatch, hid_relay, "fcntl", ioctl=board.ioctl)
    yield board
    board.unplug()


@pytest.fixture
def driver(board: Board) -> Iterator[HidRelay]:
    with closing(made(board, power_channel=1, reset_channel=2)) as driver:
        yield driver


def made(board: Board, **options: Any) -> HidRelay:
    return HidRelay(HidRelayOptions(**options), Device("hidraw", "hidraw0", node=board.path, properties=HID))


class TestHidRelay(PowerConformance):
    """The board is simulated; its relays are the buttons."""

    hold = 0.1
    relays: ClassVar = {PowerButton.POWER: 1, PowerButton.RESET: 2}

    @pytest.fixture
    def driver(self, board: Board, driver: HidRelay) -> HidRelay:
        self.board = board
        return driver

    def pressed(self, _driver: PowerDriver, button: PowerButton) -> bool | None:
        return self.relays[button] in self.board.closed

    def leave_pressed(self, _driver: PowerDriver, button: PowerButton) -> None:
        self.board.closed.add(self.relays[button])

    def unplug(self, _driver: PowerDriver) -> None:
        self.board.unplug()

    def plug(self, _driver: PowerDriver) -> None:
        self.board.plug()


NUMBERS = {
    "HIDIOCGRAWINFO": hid_relay.HIDIOCGRAWINFO,
    "HIDIOCGRAWNAME(256)": hid_relay.HIDIOCGRAWNAME,
    "HIDIOCSFEATURE(9)": hid_relay.HIDIOCSFEATURE,
    "HIDIOCGFEATURE(9)": hid_relay.HIDIOCGFEATURE,
}


@pytest.mark.parametrize("flags", [(), FLAGS_32], ids=["native", "32 bits"])
def test_numbers_are_those_of_the_header(tmp_path: Path, flags: tuple[str, ...]) -> None:
    compiler = Compiler(tmp_path, ("linux/hidraw.h",), flags)
    if (flags and platform.machine() != "x86_64") or not compiler.works():
        pytest.skip("there is no such compiler")
    assert compiler.ask(list(NUMBERS)) == NUMBERS


@pytest.mark.parametrize(
    ("relay", "closed", "expected"), [(1, True, "00ff01000000000000"), (8, False, "00fd08000000000000")]
)
def test_command(relay: int, closed: bool, expected: str) -> None:
    assert command(relay, closed).hex() == expected


@pytest.mark.parametrize(("bits", "expected"), [(0, set()), (0b1, {1}), (0b10000010, {2, 8}), (0xFF, set(range(1, 9)))])
def test_closed_relays(bits: int, expected: set[int]) -> None:
    assert closed_relays(b"QWERT\0\0" + bytes((bits, 0xFF))) == expected


def test_device_is_chosen_by_usb_id_and_product_alone() -> None:
    def score(**properties: str) -> int:
        device = Device("hidraw", "hidraw0", node="/dev/hidraw0", properties=HID | properties)
        return best_match(HidRelay.matches, device)

    assert score() == 80
    assert score(HID_NAME="USBRelay8") == 80
    assert score(HID_NAME="www.example.org Thermometer") == 0
    assert score(HID_NAME="") == 0
    assert score(HID_ID="0003:00001D50:000005DF") == 0


def test_one_of_several_boards_is_chosen_by_its_port() -> None:
    def board(port: int) -> Device:
        properties = HID | {"ID_PATH": f"pci-0000:00:14.0-usb-0:{port}:1.0"}
        return Device("hidraw", f"hidraw{port}", node=f"/dev/hidraw{port}", properties=properties)

    boards = [board(1), board(2)]
    [offer] = _offers(HidRelay, HidRelayOptions(path="*-usb-0:2:1.0"), boards)
    assert offer.device is boards[1]
    assert len(list(_offers(HidRelay, HidRelayOptions(), boards))) == 2
    assert HidRelayOptions(device="/dev/hidraw7").node() == "/dev/hidraw7"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, r"no relay is wired to a button: set power\.options\.power_channel or reset_channel"),
        ({"power_channel": 2, "reset_channel": 2}, "relay 2 cannot be wired to both buttons"),
        ({"power_channel": 3}, r"USBRelay2 QWERT \(.*\) has no relay 3: .* are 1 to 2"),
    ],
)
def test_options_that_make_no_sense_are_told_and_nothing_is_switched(
    board: Board, options: dict[str, int], reason: str
) -> None:
    board.closed = {1, 2}
    with closing(made(board, **options)) as driver, pytest.raises(DriverError, match=reason):
        driver.open()
    assert board.log == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"power_channel": 1}, PowerCapability.POWER_BUTTON),
        ({"reset_channel": 1}, PowerCapability.RESET_BUTTON),
        ({"power_channel": 2, "reset_channel": 1}, PowerCapability.POWER_BUTTON | PowerCapability.RESET_BUTTON),
    ],
)
def test_capabilities_are_what_is_wired(board: Board, options: dict[str, int], expected: PowerCapability) -> None:
    assert made(board, **options).capabilities == expected


@pytest.mark.parametrize(("ids", "name"), [((0x16C0, 0x05DE), b"USBRelay2"), ((0x16C0, 0x05DF), b"USBRelays")])
def test_node_of_something_else_is_refused_and_nothing_is_switched(
    board: Board, driver: HidRelay, ids: tuple[int, int], name: bytes
) -> None:
    board.closed, board.ids, board.name = {1}, ids, name
    with pytest.raises(DriverError, match=rf"is no USB relay board but 16c0:{ids[1]:04x} {name.decode()}"):
        driver.open()
    assert board.log == []


def test_presses_are_seen_in_order(board: Board, driver: HidRelay) -> None:
    driver.open()
    driver.press(PowerButton.POWER, 0.01)
    driver.press(PowerButton.RESET, 0.01)
    assert board.log == [(1, True), (1, False), (2, True), (2, False)]
    assert driver.status().device == f"USBRelay2 QWERT ({board.path})"


def test_button_that_is_not_wired_is_unsupported(board: Board) -> None:
    with closing(made(board, power_channel=1)) as driver:
        driver.open()
        with pytest.raises(Unsupported, match=r"reset button: power\.options\.reset_channel"):
            driver.press(PowerButton.RESET, 0.01)


def test_open_releases_what_a_killed_daemon_left_pressed(board: Board) -> None:
    board.closed = {1, 2}
    with closing(made(board, reset_channel=2)) as driver:
        driver.open()
        assert board.closed == {1}


def test_relay_that_sticks_is_told(board: Board, driver: HidRelay) -> None:
    driver.open()
    board.sticks = True
    with pytest.raises(DriverError, match=r"relay 1 of USBRelay2 QWERT .* did not close"):
        driver.press(PowerButton.POWER, 0.01)


def test_close_releases_the_button_at_once(board: Board, driver: HidRelay) -> None:
    driver.open()
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(driver.press, PowerButton.RESET, patience())
        eventually(lambda: board.closed == {2}, "the press")
        driver.close()
        assert board.closed == set()
        with pytest.raises(DriverError, match="the press was cut short"):
            pressing.result()
    driver.open()
    driver.press(PowerButton.RESET, 0.01)
    assert board.log == [(2, True), (2, False)] * 2


def test_board_that_is_pulled_in_mid_press_is_lost(board: Board, driver: HidRelay) -> None:
    driver.open()
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(driver.watch, patience())
        pressing = pool.submit(driver.press, PowerButton.POWER, patience())
        eventually(lambda: board.closed == {1}, "the press")
        board.unplug()
        with pytest.raises(DeviceLost, match="was it pulled"):
            watching.result()
        driver.close()
        with pytest.raises(DeviceLost, match="is gone"):
            pressing.result()


def test_watch_waits_while_the_board_is_there(driver: HidRelay) -> None:
    driver.open()
    assert driver.watch(0.01) is False


def test_a_closed_driver_says_so(driver: HidRelay) -> None:
    driver.open()
    driver.close()
    with pytest.raises(DeviceLost, match="the driver is closed"):
        driver.watch(0)
    with pytest.raises(DriverError, match="the driver is closed"):
        driver.press(PowerButton.POWER, 0.01)


def test_node_that_another_program_has(board: Board, driver: HidRelay) -> None:
    driver.open()
    with (
        closing(made(board, power_channel=1)) as other,
        pytest.raises(DriverError, match="is in use by another"),
    ):
        other.open()


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (errno.ENOENT, DeviceAbsent, "is not there"),
        (errno.EACCES, DriverError, r"may not be opened: see that udev has 70-kvmd\.rules"),
        (errno.EIO, DriverError, "cannot be used: Input/output error"),
    ],
)
def test_node_that_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch,
    driver: HidRelay,
    number: int,
    kind: type[DeviceAbsent] | type[DriverError],
    reason: str,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    shadow(monkeypatch, hid_relay, "os", open=refuse)
    with pytest.raises(kind, match=reason):
        driver.open()
