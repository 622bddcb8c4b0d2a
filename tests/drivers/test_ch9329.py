"""The CH9329 driver on a pretended chip, at the real speed of the line unless that is not what is tried."""

import contextlib
import os
import random
import re
import threading
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from kvmd import (
    COORDINATE_MAX,
    AbsoluteMouseReport,
    ConsumerReport,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    HidOffline,
    KeyboardReport,
    Leds,
    RelativeMouseReport,
    SystemReport,
    Unsupported,
    recall,
    remember,
)
from kvmd.contract.hid import Button, HidDriver, MouseEvent, Report
from kvmd.contract.reports import State
from kvmd.contract.roles import HID
from kvmd.contract.settings import AuthSettings, CaptureSettings, HidSettings, Settings
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd.testing import HidConformance
from kvmd_drivers import ch9329
from kvmd_drivers.ch9329 import NO_TARGET, Ch9329, chip, port, trouble
from kvmd_drivers.ch9329.chip import Chip, NotTaken
from kvmd_drivers.ch9329.payloads import Config, Info, encode, without_steps
from kvmd_drivers.ch9329.port import Port, Refused, Silent
from kvmd_drivers.ch9329.pretended import PretendedChip, Target
from kvmd_drivers.ch9329.protocol import BAUDS, Command, Frame, Status, in_words
from kvmd_drivers.ch9329.simulator import Fault, Simulator
from tests.waiting import eventually, moment

A = KeyboardReport(keys=(0x04,))
B = KeyboardReport(keys=(0x05,))
NOTHING = KeyboardReport()
CAPS_LOCK = 0x39
FAST = 115200

OF_THE_LINE = [
    Fault.SILENCE,
    Fault.LATE,
    Fault.SUM,
    Fault.NOISE_BEFORE,
    Fault.NOISE_INSIDE,
    Fault.HALF,
    Fault.E1,
    Fault.E2,
    Fault.E4,
]
OF_THE_CHIP = [Fault.E3, Fault.E5, Fault.E6]


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the driver remembers, it remembers for this test alone."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the chip's 0.5 s to reply are not what is tried; one that is late is waited for longer."""
    monkeypatch.setattr(port, "REPLY_TIME", moment(0.1))
    monkeypatch.setattr(port, "ATTEMPTS", 10)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(PretendedChip(Config(baud=FAST))) as simulator:
        yield simulator


@pytest.fixture
def target(simulator: Simulator) -> Target:
    return simulator.chip.target


def driver_on(simulator: Simulator, **options: Any) -> Ch9329:
    return Ch9329(Ch9329.Options(device=simulator.path, **options), None)


Sent = tuple[Command, bytes]
"""A command, and its data."""


@contextlib.contextmanager
def opened(simulator: Simulator, **options: int) -> Iterator[Ch9329]:
    """Open a driver, again and again as the core does: a machine that stands still for a moment misses replies."""
    driver = driver_on(simulator, **options)

    def opens() -> bool:
        try:
            driver.open()
        except DriverError as error:
            if "no CH9329 answers" not in str(error):
                raise
            return False
        return True

    eventually(opens, "the chip to answer")
    try:
        yield driver
    finally:
        driver.close()


@pytest.fixture
def driver(simulator: Simulator) -> Iterator[Ch9329]:
    with opened(simulator, baud=FAST) as driver:
        yield driver


@contextlib.contextmanager
def port_on(simulator: Simulator, **kwargs: Any) -> Iterator[Port]:
    line = Port(simulator.path, **kwargs)
    line.open()
    try:
        line.tune(simulator.chip.active.baud, 0)
        yield line
    finally:
        line.close()


def data_of(*reports: Report) -> list[Sent]:
    return [encode(report) for report in reports]


class TestConforms(HidConformance):
    """The chip is simulated; its port is a link, as it is in /dev/serial/."""

    lock_key = CAPS_LOCK

    @pytest.fixture
    def driver(self, tmp_path: Path) -> Iterator[Ch9329]:
        self._link = tmp_path / "port"
        with contextlib.ExitStack() as self._chip:
            self._plug_in(self._chip)
            options: dict[str, Any] = {"device": str(self._link), "baud": FAST}
            yield Ch9329(Ch9329.Options(**options), None)

    def _plug_in(self, chip: contextlib.ExitStack) -> None:
        simulator = chip.enter_context(Simulator(PretendedChip(Config(baud=FAST))))
        self._target = simulator.chip.target
        self._link.symlink_to(simulator.path)
        chip.callback(self._link.unlink)

    def unplug(self, driver: HidDriver) -> None:  # noqa: ARG002  # the cable is at the other end
        self._target.unplug()

    def plug(self, driver: HidDriver) -> None:  # noqa: ARG002  # the cable is at the other end
        self._target.plug()

    def remove(self, driver: HidDriver) -> None:  # noqa: ARG002  # there is one
        self._chip.close()

    def insert(self, driver: HidDriver) -> None:  # noqa: ARG002  # as above
        self._plug_in(self._chip)


class TestReports:
    def test_every_kind_arrives_in_order(self, driver: Ch9329, target: Target) -> None:
        reports: list[Report] = [
            KeyboardReport(0x02, (0x04, 0x05)),
            NOTHING,
            AbsoluteMouseReport(1, 0, COORDINATE_MAX, wheel=-1),
            AbsoluteMouseReport(0, COORDINATE_MAX, 0),
            RelativeMouseReport(4, -127, 127, 1),
            RelativeMouseReport(),
            ConsumerReport((0xE2, 0xE9)),
            ConsumerReport(),
            SystemReport(0x82),
            SystemReport(),
        ]
        for report in reports:
            driver.send(report)
        assert target.arrived == data_of(*reports)
        assert target.holds_nothing

    @pytest.mark.parametrize(
        "report",
        [ConsumerReport((0xB0,)), RelativeMouseReport(hwheel=1), AbsoluteMouseReport(8), SystemReport(0x90)],
        ids=str,
    )
    def test_what_the_chip_has_not_is_not_sent(
        self,
        driver: Ch9329,
        simulator: Simulator,
        report: ConsumerReport | RelativeMouseReport | AbsoluteMouseReport | SystemReport,
    ) -> None:
        before = len(simulator.handled)
        with pytest.raises(Unsupported):
            driver.send(report)
        assert len(simulator.handled) == before

    def test_status(self, driver: Ch9329, simulator: Simulator, target: Target) -> None:
        assert driver.status().device == f"CH9329 on {simulator.path} at 115200 baud"
        assert (driver.status().host_connected, driver.status().leds) == (True, Leds())
        target.unplug()
        with pytest.raises(HidOffline):
            driver.watch(5)
        assert (driver.status().host_connected, driver.status().leds) == (False, None)


class TestFaults:
    @pytest.mark.usefixtures("driver", "hasty")  # in a hurry only once it is open
    @pytest.mark.parametrize("fault", OF_THE_LINE, ids=lambda fault: fault.value)
    @pytest.mark.parametrize("report", [A, RelativeMouseReport(1, 5, -5, 1), AbsoluteMouseReport(2, 9, 9, 1)], ids=str)
    def test_of_the_line_are_mended(
        self,
        driver: Ch9329,
        simulator: Simulator,
        target: Target,
        fault: Fault,
        report: KeyboardReport | RelativeMouseReport | AbsoluteMouseReport,
    ) -> None:
        simulator.late = 1.5 * port.REPLY_TIME
        simulator.fail(fault)
        driver.send(report)
        first, *again = target.arrived
        assert first == encode(report)
        assert set(again) <= {encode(without_steps(report))}
        driver.send(B)
        assert target.arrived[-1] == encode(B)

    @pytest.mark.parametrize("fault", OF_THE_CHIP, ids=lambda fault: fault.value)
    def test_of_the_chip_are_told(self, driver: Ch9329, simulator: Simulator, target: Target, fault: Fault) -> None:
        simulator.fail(fault)
        with pytest.raises(HidOffline) as caught:
            driver.send(A)
        said = in_words(int(fault.value, 16))
        assert str(caught.value) == f"to command 02 the chip answered {said}"
        assert target.arrived == []
        driver.send(B)
        assert target.arrived == data_of(B)

    @pytest.mark.parametrize("fault", [Fault.E1, Fault.E2, Fault.E4], ids=lambda fault: fault.value)
    def test_a_frame_that_arrives_damaged_is_sent_twice_and_no_more(
        self, driver: Ch9329, simulator: Simulator, target: Target, fault: Fault
    ) -> None:
        simulator.fail(fault, fault)
        with pytest.raises(HidOffline, match=f"answered {fault.value.upper()}, "):
            driver.send(A)
        assert [frame.command for frame in simulator.handled[-3:]] == [
            Command.KEYBOARD,
            Command.KEYBOARD,
            Command.GET_INFO,
        ]
        assert target.arrived == []

    def test_a_refusal_is_told_also_if_the_chip_refuses_to_say_more(self, driver: Ch9329, simulator: Simulator) -> None:
        simulator.fail(Fault.E5, Fault.E6)
        with pytest.raises(HidOffline, match="to command 02 the chip answered E5"):
            driver.send(A)

    def test_the_first_frame_of_all_is_answered_with_e4(self, simulator: Simulator) -> None:
        simulator.fail(Fault.E4)
        with opened(simulator, baud=FAST) as driver:
            assert driver.status().host_connected

    def test_steps_are_not_repeated_after_two_different_faults(
        self, driver: Ch9329, simulator: Simulator, target: Target
    ) -> None:
        report = RelativeMouseReport(1, 5, 5)
        simulator.fail(Fault.HALF, None, Fault.E4)
        driver.send(report)
        assert target.arrived == data_of(report, without_steps(report))

    @pytest.mark.parametrize("fault", [Fault.SILENCE, Fault.LATE], ids=lambda fault: fault.value)
    def test_the_chip_has_half_a_second(
        self, driver: Ch9329, simulator: Simulator, target: Target, fault: Fault
    ) -> None:
        report = RelativeMouseReport(dx=1)
        simulator.fail(fault)
        driver.send(report)
        assert target.arrived == data_of(report)

    def test_a_late_reply_is_not_taken_for_that_to_the_next_frame(
        self, driver: Ch9329, simulator: Simulator, target: Target
    ) -> None:
        simulator.fail(Fault.LATE, None, Fault.SILENCE)
        driver.send(A)
        driver.send(B)
        assert target.arrived == data_of(A, B)

    def test_silence_without_end(self, driver: Ch9329, simulator: Simulator) -> None:
        simulator.rates[Fault.SILENCE] = 1.0
        with pytest.raises(DeviceLost, match=f"nothing answers on {simulator.path} at 115200 baud"):
            driver.send(A)
        with pytest.raises(DeviceLost, match="nothing answers"):
            driver.watch(5)

    def test_silence_to_one_command(
        self, driver: Ch9329, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(port, "ATTEMPTS", 2)
        simulator.fail(Fault.SILENCE, None, Fault.SILENCE, None)
        with pytest.raises(HidOffline, match="to command 02 the chip answered nothing, though it answers others"):
            driver.send(A)

    def test_the_port_goes_away_in_the_middle_of_a_reply(self, driver: Ch9329, simulator: Simulator) -> None:
        simulator.fail(Fault.GONE)
        with pytest.raises(DeviceLost, match=f"{simulator.path} is gone: "):
            driver.send(A)
        with pytest.raises(DeviceLost, match="is gone: "):
            driver.send(A)
        with pytest.raises(DeviceLost, match="is gone: "):
            driver.watch(5)

    def test_the_port_goes_away_while_nothing_is_sent(self, driver: Ch9329, simulator: Simulator) -> None:
        simulator.fail(Fault.GONE)
        with pytest.raises(DeviceLost, match="is gone: "):
            driver.watch(5)

    def test_no_target(self, driver: Ch9329, target: Target) -> None:
        target.unplug()
        with pytest.raises(HidOffline) as caught:
            driver.send(A)
        assert str(caught.value) == NO_TARGET
        with pytest.raises(HidOffline, match="USB not enumerated"):
            driver.watch(0)
        target.plug()
        eventually(lambda: not is_offline(driver), "the target's return")
        driver.send(A)
        assert target.arrived == data_of(A)

    def test_without_a_target_nothing_is_sent(self, driver: Ch9329, target: Target, simulator: Simulator) -> None:
        """A chip that acknowledges reports all the same would have them reported as done."""
        target.unplug()
        assert eventually(lambda: is_offline(driver), "the target's loss")
        with pytest.raises(HidOffline, match="USB not enumerated"):
            driver.send(A)
        assert Command.KEYBOARD not in {frame.command for frame in simulator.handled}

    def test_the_target_reboots(self, driver: Ch9329, target: Target) -> None:
        target.leds = 2
        assert driver.watch(5)
        target.reboot(0.5)
        with pytest.raises(HidOffline, match="USB not enumerated"):
            driver.watch(5)
        eventually(lambda: not is_offline(driver), "the target's return")
        assert driver.status().leds == Leds()
        driver.send(A)

    def test_a_bad_poll_is_no_news(self, driver: Ch9329, simulator: Simulator) -> None:
        simulator.fail(Fault.E4, Fault.E4)
        assert driver.watch(0.6) is False
        assert driver.status().host_connected

    def test_a_bad_line_is_told_when_it_begins_and_when_it_has_ended(
        self, driver: Ch9329, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        simulator.rates[Fault.E5] = 1.0
        asked = len(simulator.handled)
        assert eventually(lambda: not driver.watch(0.1) and len(simulator.handled) > asked + 4, "bad answers")
        [remark] = driver.status().remarks
        assert "is bad, keys may be late or lost" in remark
        [begin] = caplog.messages
        assert "is bad: to command 01 the chip answered E5" in begin

        simulator.rates.clear()
        driver.watch(0.6)
        assert driver.status().remarks, "it may be bad again at any moment"
        monkeypatch.setattr(trouble, "CALM", 0)
        driver.watch(0.6)
        assert driver.status().remarks == ()
        [_, end] = caplog.messages
        found = re.search(r"is good again, after (\d+) bad answers", end)
        assert found
        assert int(found[1]) > 4

    def test_what_comes_unasked_is_handed_on(self, simulator: Simulator) -> None:
        heard: list[bytes] = []
        with port_on(simulator, unsolicited=heard.append) as line:
            simulator.send_custom(b"hello")
            simulator.send_custom(Command.GET_INFO.to_bytes() * 20)
            assert eventually(lambda: line.ask(Command.GET_INFO) and len(heard) == 2, "two frames")
        assert heard == [b"hello", b"\x01" * 20]

    def test_custom_data_to_the_target(self, simulator: Simulator, target: Target) -> None:
        with port_on(simulator) as line:
            line.ask(Command.CUSTOM, bytes(64))
            line.ask(Command.CUSTOM)
        assert target.arrived == [(Command.CUSTOM, bytes(64)), (Command.CUSTOM, b"")]


def is_offline(driver: Ch9329) -> bool:
    try:
        driver.watch(0.1)
    except HidOffline:
        return True
    return False


def random_reports(dice: random.Random, count: int) -> Iterator[Report]:
    """Keys, moves, buttons and wheels as somebody might press and turn them, and all let go in the end."""
    down: list[int] = []
    buttons = 0
    for _ in range(count):
        kind = dice.random()
        if kind < 0.5:
            key = dice.randrange(0x04, 0x39)
            down = [other for other in down if other != key] if key in down else [*down, key][-6:]
            yield KeyboardReport(dice.choice((0, 0, 2, 5)), tuple(down))
        elif kind < 0.7:
            buttons ^= dice.choice((0, 0, 1, 2, 4))
            yield RelativeMouseReport(
                buttons, dice.randrange(-127, 128), dice.randrange(-127, 128), dice.randrange(-1, 2)
            )
        elif kind < 0.95:
            yield AbsoluteMouseReport(buttons, dice.randrange(32768), dice.randrange(32768), dice.randrange(-1, 2))
        else:
            yield ConsumerReport(dice.choice(((), (0xE2,), (0xE9,), (0xCD, 0x223))))
    yield from (NOTHING, ConsumerReport(), RelativeMouseReport(), AbsoluteMouseReport())


def test_ten_thousand_keys_and_moves_through_a_line_with_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost, none comes twice with its steps, all are in order, and nothing is stuck down."""
    monkeypatch.setattr(port, "QUIET", 0.01)
    monkeypatch.setattr(port, "ATTEMPTS", 10)  # a busy machine is no dead chip
    simulator = Simulator(PretendedChip(Config(baud=FAST)), pace=0, seed=7)
    simulator.late = port.REPLY_TIME + 0.05
    slow = {Fault.SILENCE: 0.001, Fault.LATE: 0.001}
    others = [fault for fault in [*OF_THE_LINE, Fault.E6] if fault not in slow]
    reports = list(random_reports(random.Random(9), 10_000))
    refused = 0
    with simulator, opened(simulator, baud=FAST) as driver, watched(driver):
        simulator.rates = slow | dict.fromkeys(others, (0.05 - sum(slow.values())) / len(others))
        for report in reports:
            refused += insist(driver, report, simulator.chip.target)
    assert 10 < refused < 200  # E6, which the one who sends is told, and little else
    check_order(data_of(*reports), simulator.chip.target.arrived)
    assert simulator.chip.target.holds_nothing


def insist(driver: Ch9329, report: Report, target: Target) -> int:
    """Send a report until it is taken, as somebody who sees the screen; return how often it was not."""
    before = len(target.arrived)
    for refused in range(5):
        try:
            driver.send(report)
        except HidOffline:
            if encode(report) in target.arrived[before:]:  # it moved, but of its buttons we cannot be sure
                report = without_steps(report)
        else:
            return refused
    return pytest.fail("refused five times in a row")


@contextlib.contextmanager
def watched(driver: Ch9329) -> Iterator[None]:
    """Watch all the while, as the daemon does."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            driver.watch(0.05)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield
        finally:
            stop.set()
            watching.result()


def check_order(sent: list[Sent], arrived: list[Sent]) -> None:
    """Check that all arrived in order; what was sent again may be there again, without steps."""
    at = 0
    for item in arrived:
        if at < len(sent) and item == sent[at]:
            at += 1
        else:
            assert item == again(*sent[at - 1]), f"report {at}: {sent[at - 2 : at + 2]}, but there came {item}"
    assert at == len(sent)


def again(command: Command, data: bytes) -> Sent:
    if command is Command.RELATIVE_MOUSE:
        return command, data[:2] + bytes(3)
    return command, data[:-1] + b"\0" if command is Command.ABSOLUTE_MOUSE else data


def test_that_check_can_fail() -> None:
    one, two, move = data_of(A, B, RelativeMouseReport(dx=5))
    check_order([one, two, move], [one, one, two, move, again(*move)])
    for arrived in ([one, move], [two, one, move], [one, two, move, move], [one, two]):
        with pytest.raises(AssertionError):
            check_order([one, two, move], arrived)


class TestWatch:
    def test_lamps(self, driver: Ch9329, target: Target) -> None:
        target.leds = 5
        assert driver.watch(5)
        assert driver.status().leds == Leds(num=True, scroll=True)
        assert not driver.watch(0)

    def test_nobody_asks_while_something_is_sent(
        self, driver: Ch9329, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = SimpleNamespace(now=driver._asked_at)
        monkeypatch.setattr(ch9329, "time", SimpleNamespace(monotonic=lambda: clock.now))
        asked = len(simulator.handled)
        for _ in range(20):
            clock.now += 0.2
            driver.send(A)
            driver.watch(0)
        assert {frame.command for frame in simulator.handled[asked:]} == {Command.KEYBOARD}
        clock.now += 0.3
        driver.watch(0)
        assert simulator.handled[-1].command == Command.GET_INFO

    def test_it_does_not_spin(self, driver: Ch9329, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        looks, asked, poll = [], len(simulator.handled), driver._poll

        def look() -> Info:
            looks.append(1)
            return poll()

        monkeypatch.setattr(driver, "_poll", look)
        driver.watch(1)
        assert 1 <= len(simulator.handled) - asked <= 4
        assert len(looks) <= 10

    def test_without_a_target_it_does_not_spin_either(
        self, driver: Ch9329, simulator: Simulator, target: Target
    ) -> None:
        target.unplug()
        assert eventually(lambda: is_offline(driver), "the target's loss")
        asked = len(simulator.handled)
        with pytest.raises(HidOffline):
            driver.watch(1)
        assert len(simulator.handled) - asked <= 4

    @pytest.mark.parametrize("call", ["watch", "send"])
    def test_closing_ends_the_wait(self, driver: Ch9329, simulator: Simulator, call: str) -> None:
        simulator.rates[Fault.SILENCE] = 1.0
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(driver.watch, 60) if call == "watch" else pool.submit(driver.send, A)
            eventually(lambda: len(simulator.handled) > 1, "the first frame")
            driver.close()
            with pytest.raises(DeviceLost):
                waiting.result(5)

    def test_what_is_not_open_says_so(self, simulator: Simulator) -> None:
        driver = driver_on(simulator)
        for call in (lambda: driver.send(A), lambda: driver.watch(0)):
            with pytest.raises(DeviceLost, match="the CH9329 is not open"):
                call()
        assert driver.status().host_connected is None


class TestOpen:
    @pytest.mark.usefixtures("hasty")
    @pytest.mark.parametrize("baud", BAUDS)
    def test_the_speed_is_found_and_remembered(self, baud: int) -> None:
        with Simulator(PretendedChip(Config(baud=baud))) as simulator, opened(simulator) as driver:
            assert f"at {baud} baud" in driver.status().device
            driver.send(A)
            assert simulator.chip.target.arrived == data_of(A)
            assert list(driver_on(simulator)._bauds())[:2] == [baud, 9600]
            assert recall(driver._memory) == str(baud).encode()

    @pytest.mark.usefixtures("hasty")
    def test_a_speed_that_is_not_the_remembered_one_is_found_too(self, simulator: Simulator) -> None:
        remember(driver_on(simulator)._memory, b"9600")
        with opened(simulator):
            assert recall(driver_on(simulator)._memory) == b"115200"

    @pytest.mark.usefixtures("hasty")
    def test_a_speed_that_the_adapter_lacks_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: object, baud: int) -> None:
            raise ValueError(f"failed to set custom baud rate {baud}")

        monkeypatch.setattr("serial.Serial._set_special_baudrate", refuse)
        chip = PretendedChip(Config(baud=4800))
        with Simulator(chip) as simulator, opened(simulator) as driver:
            assert "at 4800 baud" in driver.status().device

    @pytest.mark.parametrize("content", [b"", b"fast", b"300"])
    def test_nonsense_in_the_memory(self, simulator: Simulator, content: bytes) -> None:
        remember(driver_on(simulator)._memory, content)
        assert list(driver_on(simulator)._bauds()) == list(BAUDS)

    def test_without_a_memory(
        self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("STATE_DIRECTORY", "/proc/kvmd")
        with opened(simulator, baud=FAST) as driver:
            driver.send(A)
        assert "the speed of the CH9329 is not remembered" in caplog.text

    def test_a_port_is_known_by_its_place(self) -> None:
        device = Device("tty", "ttyUSB3", node="/dev/ttyUSB3", properties={"ID_PATH": "pci-0000:00:14.0-usb-0:1:1.0"})
        assert Ch9329(Ch9329.Options(), device)._memory == "ch9329-pci-0000_00_14.0-usb-0_1_1.0"

    @pytest.mark.usefixtures("hasty")
    def test_a_wrong_speed_in_the_settings(self, simulator: Simulator) -> None:
        driver = driver_on(simulator, baud=9600)
        with pytest.raises(
            DriverError, match=f"no CH9329 answers on {simulator.path}, tried at 9600 baud: is it powered"
        ):
            driver.open()

    def test_the_kvm_go_has_one_speed(self) -> None:
        go = Device("tty", "ttyACM0", node="/dev/ttyACM0", properties={"ID_VENDOR_ID": "1a86", "ID_MODEL_ID": "fe0c"})
        assert list(Ch9329(Ch9329.Options(), go)._bauds()) == [115200]

    def test_no_port(self) -> None:
        with pytest.raises(DeviceAbsent, match="/dev/pts/none is not there"):
            Ch9329(Ch9329.Options(device="/dev/pts/none"), None).open()
        with pytest.raises(DeviceAbsent, match=r"set hid\.options\.device"):
            Ch9329(Ch9329.Options(), None).open()
        with pytest.raises(DriverError, match="/dev/null cannot be used: "):
            Ch9329(Ch9329.Options(device="/dev/null"), None).open()

    def test_a_port_that_another_program_uses(self, driver: Ch9329, simulator: Simulator) -> None:
        with pytest.raises(DriverError, match=f"{simulator.path} is in use by another program"):
            driver_on(simulator).open()
        driver.send(A)

    def test_an_address(self) -> None:
        with Simulator(PretendedChip(Config(baud=FAST, address=7))) as simulator:
            with opened(simulator, baud=FAST, address=7) as driver:
                driver.send(A)
            assert simulator.chip.target.arrived == data_of(A)

    @pytest.mark.usefixtures("hasty")
    def test_another_address(self) -> None:
        chip = PretendedChip(Config(baud=FAST, address=7))
        with Simulator(chip) as simulator, pytest.raises(DriverError, match="no CH9329 answers"):
            driver_on(simulator, baud=FAST).open()

    @pytest.mark.usefixtures("hasty")
    @pytest.mark.parametrize("said", ["echo", "noise", "a short info", "nothing"])
    def test_what_is_no_ch9329(self, said: str) -> None:
        replies = {"noise": b"ok\r\n" * 9, "a short info": bytes.fromhex("57 AB 00 81 01 30 B4"), "nothing": b""}
        with stranger(lambda data: replies.get(said, data)) as path:
            driver = Ch9329(Ch9329.Options(device=path, baud=9600), None)
            with pytest.raises(DriverError, match=f"no CH9329 answers on {path}"):
                driver.open()

    @pytest.mark.parametrize(
        ("usb", "drivers"), [("1a86:7523", ["ch9329"]), ("1a86:fe0c", ["ch9329"]), ("0403:6001", []), (":", [])]
    )
    def test_which_devices(self, usb: str, drivers: list[str]) -> None:
        vendor, product = usb.split(":")
        device = Device("tty", "ttyUSB0", properties={"ID_VENDOR_ID": vendor, "ID_MODEL_ID": product})
        assert Registry().matching(device) == drivers

    def test_which_of_several(self) -> None:
        options = Ch9329.Options(usb_id="1a86:7523", path="*usb-0:2*")
        ids = {"ID_VENDOR_ID": "1a86", "ID_MODEL_ID": "7523"}
        places = ["platform-usb-0:1:1.0", "platform-usb-0:2:1.0"]
        found = [options.selects(Device("tty", "ttyUSB0", properties={**ids, "ID_PATH": place})) for place in places]
        assert found == [False, True]

    def test_a_board_with_a_usb_device_port_does_not_ask_strangers(self) -> None:
        scores = {row.properties["ID_MODEL_ID"]: row.score for row in Ch9329.matches}
        gadget = max(row.score for row in Registry().drivers_of(HID)["usb_gadget"].matches)
        assert scores["7523"] < gadget < scores["fe0c"]


@contextlib.contextmanager
def stranger(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Something else on a serial port: the node, and what it says to what it gets."""
    master, slave = os.openpty()
    tty.setraw(slave)

    def talk() -> None:
        while data := os.read(master, 4096):
            if data == b"\0":
                return
            os.write(master, answer(data))

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(talk)
        try:
            yield os.ttyname(slave)
        finally:
            os.write(slave, b"\0")
            talking.result()
            os.close(master)
            os.close(slave)


class Refusing(PretendedChip):
    """It takes no other configuration."""

    def answer(self, frame: Frame) -> Frame | None:
        if frame.command == Command.SET_CONFIG and frame.data != self.stored.encode():
            return self.refusal(frame, Status.PARAMETER)
        return super().answer(frame)


class Stubborn(PretendedChip):
    """It says that it takes a configuration, and does not."""

    def start(self) -> None:
        self.stored = self.active
        super().start()


class Sleepless(PretendedChip):
    """It says that it takes a reset, and goes on; what was written would be in force at the next power-on."""

    @property
    def resetting(self) -> bool:
        return False

    @resetting.setter
    def resetting(self, value: bool) -> None: ...


class Dying(PretendedChip):
    """It does not survive a reset."""

    listens = True

    def start(self) -> None:
        super().start()
        self.listens = False


@pytest.mark.usefixtures("hasty")
class TestSetBaud:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chip, "RESET_ATTEMPTS", 15)

    @pytest.mark.parametrize("before", [9600, 1200, 115200])
    def test_it_is_set(self, before: int) -> None:
        with Simulator(PretendedChip(Config(baud=before))) as simulator:
            with opened(simulator, set_baud=FAST) as driver:
                assert driver.status().remarks == ()
                assert "at 115200 baud" in driver.status().device
                eventually(lambda: not is_offline(driver), "the target, which looks at the keyboard anew")
                driver.send(A)
                assert recall(driver._memory) == b"115200"
            assert simulator.chip.stored.baud == simulator.chip.active.baud == FAST
            changed = msgspec.structs.replace(simulator.chip.stored, baud=9600)
            assert changed == Config()

    def expect_failure(self, simulator: Simulator, reason: str) -> None:
        with opened(simulator, set_baud=FAST) as driver:
            (remark,) = driver.status().remarks
            assert remark.startswith("the CH9329 could not be set to 115200 baud: ")
            assert reason in remark
            assert "at 9600 baud" in driver.status().device
            eventually(lambda: not is_offline(driver), "the target, which looks at the keyboard anew")
            driver.send(A)
        assert simulator.chip.target.arrived == data_of(A)
        assert simulator.chip.stored.baud == simulator.chip.active.baud == 9600

    def test_the_chip_refuses(self) -> None:
        with Simulator(Refusing()) as simulator:
            self.expect_failure(simulator, "did not take the new configuration: to command 09 the chip answered E5")

    @pytest.mark.parametrize("kind", [Stubborn, Sleepless])
    def test_the_chip_keeps_its_own(self, kind: type[PretendedChip]) -> None:
        with Simulator(kind()) as simulator:
            self.expect_failure(simulator, "did not take the new configuration: nothing answers")

    def test_the_chip_cannot_be_heard_at_the_new_speed(self) -> None:
        with Simulator(PretendedChip(), clear_up_to=57600) as simulator:
            self.expect_failure(simulator, "did not take the new configuration: nothing answers")

    def test_the_chip_is_a_variant(self) -> None:
        with Simulator(PretendedChip(config_size=72)) as simulator:
            self.expect_failure(simulator, "is not documented (72 bytes instead of 50): 80 80 00 00 00 25 80")

    def test_the_chip_does_not_come_back(self) -> None:
        with Simulator(Dying()) as simulator, pytest.raises(Silent, match="nothing answers"):
            driver_on(simulator, set_baud=FAST).open()

    def test_a_mode_set_by_pins_stays(self) -> None:
        with Simulator(PretendedChip(Config(baud=FAST))) as simulator, port_on(simulator) as line:
            with pytest.raises(NotTaken, match="it kept its own"):
                Chip(line).reconfigure(work_mode=2)
            assert Chip(line).config().work_mode == 0x80

    def test_a_mode_that_is_not_set_by_pins(self) -> None:
        with Simulator(PretendedChip(Config(baud=FAST), by_pins=False)) as simulator, port_on(simulator) as line:
            Chip(line).reconfigure(work_mode=2, address=9)
            assert (Chip(line).config().work_mode, line.address) == (2, 9)

    def test_nothing_is_done_where_nothing_changes(self, simulator: Simulator) -> None:
        with port_on(simulator) as line:
            Chip(line).reconfigure(baud=FAST, gap=3)
        assert [frame.command for frame in simulator.handled] == [Command.GET_CONFIG]

    def test_what_is_refused_says_what_the_chip_answered(self, simulator: Simulator) -> None:
        with port_on(simulator) as line, pytest.raises(Refused, match="command 07 the chip answered E3") as caught:
            line.ask(7)
        assert caught.value.status == Status.COMMAND


class TestDaemon:
    """The whole core with the driver: what it is told, it does; what is lost, comes back."""

    @pytest.fixture
    def kvm(self, simulator: Simulator, tmp_path: Path) -> Iterator[Kvm]:
        options = {"device": simulator.path, "baud": simulator.chip.active.baud}
        settings = Settings(
            capture=CaptureSettings(driver="virtual"),
            hid=HidSettings(driver="ch9329", options=options),
            auth=AuthSettings(file=str(tmp_path / "auth.json")),
        )
        kvm = Kvm(settings, Registry())
        kvm.start()
        try:
            eventually(lambda: kvm.input.slot.is_online, "the keyboard")
            yield kvm
        finally:
            kvm.stop()

    def test_keys(self, kvm: Kvm, target: Target) -> None:
        kvm.input.tap("me", ["ShiftLeft", "KeyA"])
        kvm.input.tap("me", ["AudioVolumeMute"])
        assert (Command.KEYBOARD, bytes.fromhex("02 00 04 00 00 00 00 00")) in target.arrived
        assert (Command.MEDIA, bytes.fromhex("02 04 00 00")) in target.arrived
        assert target.holds_nothing

    def test_the_target_goes_and_comes_back_with_nothing_held(self, kvm: Kvm, target: Target) -> None:
        kvm.input.press("me", ["KeyA"])
        target.unplug()
        eventually(lambda: kvm.input.slot.status.state is State.NO_SIGNAL, "the loss")
        assert kvm.input.slot.status.reason == NO_TARGET
        with pytest.raises(HidOffline, match="USB not enumerated"):
            kvm.input.tap("me", ["KeyB"])
        target.plug()
        eventually(lambda: kvm.input.slot.is_online, "the return")
        assert target.arrived[-1] == encode(NOTHING)

    def test_the_port_goes(self, kvm: Kvm, simulator: Simulator) -> None:
        simulator.fail(Fault.GONE)
        eventually(lambda: kvm.input.slot.status.state in (State.LOST, State.ABSENT), "the loss")
        assert simulator.path in kvm.input.slot.status.reason

    def test_the_chip_falls_silent_and_comes_back(self, kvm: Kvm, simulator: Simulator, target: Target) -> None:
        simulator.rates[Fault.SILENCE] = 1.0
        eventually(lambda: kvm.input.slot.status.state is State.LOST, "the loss")
        assert "nothing answers" in kvm.input.slot.status.reason
        simulator.rates.clear()
        eventually(lambda: kvm.input.slot.is_online, "the return")
        kvm.input.tap("me", ["KeyA"])
        assert encode(A) in target.arrived

    def test_moves_coalesce_and_edges_do_not(self, kvm: Kvm, simulator: Simulator, target: Target) -> None:
        """Twenty moves at once through a line that is slow become few; every click and key is there, in order."""
        simulator.pace = 10
        with ThreadPoolExecutor(24) as pool:
            moves = [pool.submit(kvm.input.point, "me", MouseEvent(x=n / 40, y=0.5)) for n in range(20)]
            clicks = [pool.submit(kvm.input.point, "me", MouseEvent(click=Button.LEFT)) for _ in range(3)]
            keys = pool.submit(kvm.input.tap, "me", ["KeyA"])
            for future in [*moves, *clicks, keys]:
                future.result()
        places = [data for command, data in target.arrived if command is Command.ABSOLUTE_MOUSE]
        assert len(places) < 20 + 6
        buttons = [data[1] for data in places]
        edges = [button for before, button in zip([0, *buttons], buttons, strict=False) if button != before]
        assert edges == [1, 0] * 3
        pressed = [data for command, data in target.arrived if command is Command.KEYBOARD and any(data)]
        assert pressed == [encode(A)[1]]
        assert target.holds_nothing
