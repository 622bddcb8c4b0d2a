"""The pretended CH9329, as documents describe the chip, and as two public clients find it."""

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pych9329 import chip_command, keyboard, mouse
from serial import Serial
from serial_hid_kvm import hid_protocol
from serial_hid_kvm.hid_keyboard import Keyboard
from serial_hid_kvm.hid_mouse import Mouse

from kvmd import (
    AbsoluteMouseReport,
    KeyboardReport,
    RelativeMouseReport,
)
from kvmd.contract.hid import Report
from kvmd_drivers.ch9329.payloads import Config, Text, encode
from kvmd_drivers.ch9329.pretended import PretendedChip
from kvmd_drivers.ch9329.protocol import BAUDS, Command, Frame, Parser, Status
from kvmd_drivers.ch9329.simulator import Fault, Simulator
from tests.waiting import eventually, patience

GET_INFO = bytes.fromhex("57 AB 00 01 00 03")
PRESS_A = bytes.fromhex("57 AB 00 02 08 00 00 04 00 00 00 00 00 10")


@pytest.fixture
def line(simulator: Simulator) -> Iterator[Serial]:
    """Its port, opened by pyserial and nothing of ours."""
    with Serial(simulator.path, 9600, timeout=2) as line:
        yield line


def ask(line: Serial, command: int, data: str = "", address: int = 0) -> bytes:
    """Send a frame and return the bytes that come back, if any do in a while."""
    line.write(Frame(command, bytes.fromhex(data), address).encode())
    head = bytes(line.read(5))
    return head + bytes(line.read(head[4] + 1)) if len(head) == 5 else head


def reply(line: Serial, command: int, data: str = "", address: int = 0) -> Frame:
    """The frame that comes back."""
    (frame,) = Parser().feed(ask(line, command, data, address))
    return frame


class TestLine:
    def test_known_bytes(self, line: Serial, chip: PretendedChip) -> None:
        line.write(GET_INFO)
        assert line.read(14) == bytes.fromhex("57 AB 00 81 08 30 01 00 00 00 00 00 00 BC")
        line.write(PRESS_A)
        assert line.read(7) == bytes.fromhex("57 AB 00 82 01 00 85")
        assert chip.target.arrived == [(Command.KEYBOARD, bytes.fromhex("00 00 04 00 00 00 00 00"))]

    @pytest.mark.parametrize("baud", BAUDS)
    def test_it_answers_at_its_own_speed_alone(self, baud: int) -> None:
        with Simulator(PretendedChip(Config(baud=baud)), pace=0) as simulator:
            for other in BAUDS:
                with Serial(simulator.path, other, timeout=patience() if other == baud else 0.05) as line:
                    line.write(GET_INFO)
                    assert len(line.read(14)) == (14 if other == baud else 0)

    @pytest.mark.parametrize(("other", "heard"), [(9616, True), (9380, True), (9900, False), (9300, False)])
    def test_a_speed_may_be_a_little_off(self, other: int, heard: bool) -> None:
        with (
            Simulator(PretendedChip(), pace=0) as simulator,
            Serial(simulator.path, other, timeout=patience() if heard else 0.05) as line,
        ):
            line.write(GET_INFO)
            assert len(line.read(14)) == (14 if heard else 0)

    @pytest.mark.parametrize(("baud", "least"), [(9600, 0.0218), (1200, 0.174), (115200, 0.0018)])
    def test_it_takes_the_time_that_the_bytes_take(self, baud: int, least: float) -> None:
        with (
            Simulator(PretendedChip(Config(baud=baud))) as simulator,
            Serial(simulator.path, baud, timeout=patience()) as line,
        ):
            begin = time.monotonic()
            line.write(PRESS_A)
            assert len(line.read(7)) == 7
            assert time.monotonic() - begin >= least

    def test_noise_between_frames_is_skipped(self, line: Serial) -> None:
        line.write(b"\x57\x00\xab" + GET_INFO + b"\x57" + GET_INFO)
        assert len(Parser().feed(line.read(28))) == 2

    def test_a_wrong_sum(self, line: Serial, chip: PretendedChip) -> None:
        line.write(PRESS_A[:-1] + b"\x11")
        assert line.read(7) == bytes.fromhex("57 AB 00 C2 01 E4 A9")
        assert chip.target.arrived == []

    def test_half_a_frame(self, line: Serial) -> None:
        line.write(PRESS_A[:8])
        (frame,) = Parser().feed(line.read(7))
        assert frame.status == Status.TIMEOUT
        assert reply(line, Command.GET_INFO).answers == Command.GET_INFO

    def test_clients_come_and_go(self, simulator: Simulator) -> None:
        for _ in range(3):
            with Serial(simulator.path, 9600, timeout=patience()) as line:
                line.write(GET_INFO)
                assert len(line.read(14)) == 14

    def test_custom_data_from_the_target(self, simulator: Simulator, line: Serial) -> None:
        simulator.send_custom(b"hi")
        assert line.read(8) == bytes.fromhex("57 AB 00 87 02 68 69 5C")


class TestFaults:
    def fail(self, simulator: Simulator, line: Serial, fault: Fault, size: int = 50) -> bytes:
        simulator.fail(fault)
        line.write(PRESS_A)
        return bytes(line.read(size))

    def test_silence(self, simulator: Simulator, line: Serial, chip: PretendedChip) -> None:
        assert self.fail(simulator, line, Fault.SILENCE) == b""
        assert chip.target.arrived == []

    def test_late(self, simulator: Simulator, line: Serial, chip: PretendedChip) -> None:
        line.timeout = patience()
        begin = time.monotonic()
        assert len(self.fail(simulator, line, Fault.LATE, 7)) == 7
        assert time.monotonic() - begin > 0.5
        assert len(chip.target.arrived) == 1

    @pytest.mark.parametrize("fault", [Fault.SUM, Fault.NOISE_INSIDE, Fault.HALF], ids=lambda fault: fault.value)
    def test_unreadable_replies(self, simulator: Simulator, line: Serial, chip: PretendedChip, fault: Fault) -> None:
        said = self.fail(simulator, line, fault)
        parser = Parser()
        assert parser.feed(said) + parser.give_up() == []
        assert said
        assert len(chip.target.arrived) == 1

    def test_noise_before_the_reply(self, simulator: Simulator, line: Serial) -> None:
        said = self.fail(simulator, line, Fault.NOISE_BEFORE)
        assert len(said) > 7
        assert said.endswith(bytes.fromhex("57 AB 00 82 01 00 85"))

    @pytest.mark.parametrize("name", ["e1", "e2", "e3", "e4", "e5", "e6"])
    def test_errors(self, simulator: Simulator, line: Serial, chip: PretendedChip, name: str) -> None:
        (frame,) = Parser().feed(self.fail(simulator, line, Fault(name)))
        assert (frame.command, frame.status) == (0xC2, int(name, 16))
        assert chip.target.arrived == []

    def test_the_port_goes_away(self, simulator: Simulator, line: Serial) -> None:
        fd = os.dup(line.fd)
        simulator.fail(Fault.GONE)
        line.write(PRESS_A)
        poll = select.poll()
        poll.register(fd, 0)
        ((_, events),) = poll.poll(patience() * 1000)
        os.close(fd)
        assert events & select.POLLHUP
        assert not Path(simulator.path).exists()

    def test_by_chance_and_the_same_each_time(self) -> None:
        def failures() -> Iterator[int]:
            with (
                Simulator(PretendedChip(), pace=0, rates={Fault.E4: 0.3, Fault.E5: 0.1}, seed=5) as simulator,
                Serial(simulator.path, 9600, timeout=patience()) as line,
            ):
                for _ in range(100):
                    line.write(PRESS_A)
                    yield line.read(7)[5]

        first = list(failures())
        assert 20 < first.count(0xE4) < 40
        assert first == list(failures())

    def test_a_line_that_is_too_fast(self) -> None:
        with (
            Simulator(PretendedChip(Config(baud=115200)), clear_up_to=57600) as simulator,
            Serial(simulator.path, 115200, timeout=patience()) as line,
        ):
            line.write(GET_INFO)
            said = line.read(14)
        assert len(said) == 14
        assert Parser().feed(said) == []

    def test_the_target_goes_and_comes_back(self, line: Serial, chip: PretendedChip) -> None:
        chip.target.unplug()
        assert reply(line, Command.GET_INFO).data[1] == 0
        assert reply(line, Command.KEYBOARD, "00 00 04 00 00 00 00 00").status == Status.FAILED
        chip.target.plug()
        assert reply(line, Command.GET_INFO).data[1] == 1

    def test_the_target_reboots(self, line: Serial, chip: PretendedChip) -> None:
        assert reply(line, Command.KEYBOARD, "00 00 39 00 00 00 00 00").status == Status.OK
        assert reply(line, Command.GET_INFO).data[1:3] == b"\x01\x02"
        chip.target.reboot(0.5)
        assert chip.target.holds_nothing
        assert reply(line, Command.GET_INFO).data[1:3] == b"\0\0"
        eventually(lambda: reply(line, Command.GET_INFO).data[1:3] == b"\x01\0", "the target")


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "data"),
        [
            (Command.GET_INFO, "00"),
            (Command.KEYBOARD, "00 00 04"),
            (Command.MEDIA, "02 00"),
            (Command.MEDIA, "01 00 00 00"),
            (Command.MEDIA, ""),
            (Command.ABSOLUTE_MOUSE, "01 00 00 00 00 00 00"),
            (Command.ABSOLUTE_MOUSE, "02 00 00 10 00 00 00"),
            (Command.RELATIVE_MOUSE, "02 00 00 00 00"),
            (Command.SET_CONFIG, "00"),
            (Command.GET_STRING, "03"),
            (Command.GET_STRING, ""),
            (Command.SET_STRING, "00 02 41"),
            (Command.SET_STRING, "00 18" + "41" * 24),
            (Command.FACTORY, "00"),
            (Command.RESET, "00"),
        ],
    )
    def test_wrong_parameters(self, line: Serial, chip: PretendedChip, command: Command, data: str) -> None:
        frame = reply(line, command, data)
        assert (frame.command, frame.status) == (command | 0xC0, Status.PARAMETER)
        assert chip.target.arrived == []

    @pytest.mark.parametrize("command", [0x00, 0x07, 0x0D, 0x3F])
    def test_unknown_commands(self, line: Serial, command: int) -> None:
        assert reply(line, command).status == Status.COMMAND

    def test_configuration_is_in_force_after_a_reset(self, line: Serial, chip: PretendedChip) -> None:
        config = reply(line, Command.GET_CONFIG).data
        assert config[:15] == bytes.fromhex("80 80 00 00 00 25 80 08 00 00 03 86 1A 29 E1")
        wanted = bytes.fromhex("00 00 00 00 01 C2 00") + config[7:]
        assert reply(line, Command.SET_CONFIG, wanted.hex()).status == Status.OK
        assert reply(line, Command.GET_CONFIG).data == bytes.fromhex("80 80") + wanted[2:]
        assert ask(line, Command.RESET) == bytes.fromhex("57 AB 00 8F 01 00 92")
        assert ask(line, Command.GET_INFO) == b""
        line.baudrate = 115200
        eventually(lambda: ask(line, Command.GET_INFO), "the chip at its new speed")
        assert chip.active.baud == 115200

    @pytest.mark.parametrize(
        "change", [{"work_mode": 0x80}, {"work_mode": 4}, {"serial_mode": 3}, {"baud": 9601}, {"address": 255}]
    )
    def test_configurations_that_are_refused(self, line: Serial, chip: PretendedChip, change: dict[str, int]) -> None:
        wanted = msgspec.structs.replace(Config(work_mode=0, serial_mode=0), **change)
        data = bytes((wanted.work_mode, wanted.serial_mode)) + wanted.encode()[2:]
        assert reply(line, Command.SET_CONFIG, data.hex()).status == Status.PARAMETER
        assert chip.stored == Config()

    def test_strings(self, line: Serial, chip: PretendedChip) -> None:
        assert reply(line, Command.GET_STRING, "01").data == b"\x01\x00"
        assert reply(line, Command.SET_STRING, "01 04 41 63 6D 65").status == Status.OK
        assert reply(line, Command.GET_STRING, "01").data == b"\x01\x04Acme"
        assert chip.texts == {Text.VENDOR: b"", Text.PRODUCT: b"Acme", Text.SERIAL: b""}

    def test_factory(self, line: Serial, chip: PretendedChip) -> None:
        chip.stored = msgspec.structs.replace(chip.stored, gap=9)
        reply(line, Command.SET_STRING, "01 01 41")
        assert reply(line, Command.FACTORY).status == Status.OK
        assert chip.stored == Config()
        assert reply(line, Command.GET_STRING, "01").data == b"\x01\x00"

    @pytest.mark.parametrize(("address", "answers"), [(0, True), (5, True), (255, False)])
    def test_a_chip_of_address_0_answers_any(
        self, line: Serial, chip: PretendedChip, address: int, answers: bool
    ) -> None:
        said = ask(line, Command.KEYBOARD, "00 00 04 00 00 00 00 00", address)
        assert bool(said) is answers
        assert len(chip.target.arrived) == 1

    @pytest.mark.parametrize(
        ("address", "answers", "acts"), [(0, False, False), (5, True, True), (6, False, False), (255, False, True)]
    )
    def test_a_chip_of_its_own_address(
        self, line: Serial, chip: PretendedChip, address: int, answers: bool, acts: bool
    ) -> None:
        chip.active = msgspec.structs.replace(chip.active, address=5)
        said = ask(line, Command.KEYBOARD, "00 00 04 00 00 00 00 00", address)
        assert (bool(said), len(chip.target.arrived)) == (answers, acts)
        assert not said or said[2] == 5

    @pytest.mark.parametrize("mode", [1, 2, 0x81])
    def test_in_its_other_serial_modes_it_speaks_no_protocol(
        self, line: Serial, chip: PretendedChip, mode: int
    ) -> None:
        chip.active = msgspec.structs.replace(chip.active, serial_mode=mode)
        assert ask(line, Command.GET_INFO) == b""

    @pytest.mark.parametrize("size", [72, 88])
    def test_variants(self, size: int) -> None:
        chip = PretendedChip(config_size=size)
        with Simulator(chip) as simulator, Serial(simulator.path, 9600, timeout=2) as line:
            assert len(reply(line, Command.GET_CONFIG).data) == size
            assert reply(line, Command.SET_CONFIG, Config().encode().hex()).status == Status.PARAMETER

    def test_lamps_follow_the_lock_keys(self, line: Serial) -> None:
        for usage, leds in (("39", 2), ("53", 3), ("39", 1), ("47", 5)):
            reply(line, Command.KEYBOARD, f"00 00 {usage} 00 00 00 00 00")
            reply(line, Command.KEYBOARD, "00 00 00 00 00 00 00 00")
            assert reply(line, Command.GET_INFO).data[2] == leds


def arrived(chip: PretendedChip, *reports: Report) -> None:
    """Wait for exactly these reports, as our driver would write them."""
    expected = [encode(report) for report in reports]
    eventually(lambda: len(chip.target.arrived) >= len(expected), "the reports")
    assert chip.target.arrived == expected


class TestPych9329:
    """It does not read the replies to its reports, and its absolute maximum is 4096, which is therefore not tried."""

    def test_keyboard(self, line: Serial, chip: PretendedChip) -> None:
        keyboard.press(line, "a")
        keyboard.press(line, "A", ["ctrl_right"])
        keyboard.trigger(line, ["b", "c", "d", "e", "f", "g"], ["alt", "win"])
        keyboard.release(line)
        arrived(
            chip,
            KeyboardReport(0, (0x04,)),
            KeyboardReport(0x12, (0x04,)),
            KeyboardReport(0x0C, (5, 6, 7, 8, 9, 10)),
            KeyboardReport(),
        )

    def test_text(self, line: Serial, chip: PretendedChip) -> None:
        keyboard.send_text(line, "kvm!", 0.001, 0.002)
        usages = [0x0E, 0x19, 0x10, 0x1E]
        reports = [(KeyboardReport(0x02 if usage == 0x1E else 0, (usage,)), KeyboardReport()) for usage in usages]
        arrived(chip, *(report for pair in reports for report in pair))

    def test_mouse(self, line: Serial, chip: PretendedChip) -> None:
        mouse.send_absolute_data(line, 100, 200, "left", 1920, 1080, -1)
        mouse.send_relative_data(line, -5, 7, "right", 1)
        mouse.wheel(line, -127)
        mouse.press(line, "middle")
        mouse.release(line)
        arrived(
            chip,
            AbsoluteMouseReport(1, round(100 / 1920 * 32767), round(200 / 1080 * 32767), -1),
            RelativeMouseReport(2, -5, 7, 1),
            RelativeMouseReport(wheel=-127),
            RelativeMouseReport(4),
            RelativeMouseReport(),
        )

    def test_lamps(self, line: Serial, chip: PretendedChip) -> None:
        chip.target.leds = 6
        found, lamps = keyboard.receive_indicator_status(line)
        assert found
        assert lamps == {"usb_connect_status": True, "num_lock": False, "caps_lock": True, "scroll_lock": True}

    def test_configuration(self, line: Serial, chip: PretendedChip) -> None:
        line.timeout = patience()
        parameters = chip_command.get_chip_parameters(line)
        assert [parameters.get(name) for name in ("serial_baud_rate", "usb_vid", "usb_pid")] == [9600, 0x1A86, 0xE129]
        assert parameters.get("communication_packet_interval") == 3
        parameters.set("work_mode", b"\x00")
        parameters.set("serial_communication_mode", b"\x00")
        parameters.set("serial_baud_rate", 115200)
        parameters.set("usb_vid", 0x1234)
        assert chip_command.set_chip_parameters(line, parameters)
        assert (chip.stored.baud, chip.stored.vendor_id, chip.stored.product_id) == (115200, 0x1234, 0xE129)

    def test_strings(self, line: Serial, chip: PretendedChip) -> None:
        assert chip_command.set_product(line, "Acme keyboard")
        assert chip_command.get_product(line) == "Acme keyboard"
        assert chip.texts[Text.PRODUCT] == b"Acme keyboard"

    def test_factory_and_reset(self, line: Serial, chip: PretendedChip) -> None:
        chip.stored = msgspec.structs.replace(chip.stored, gap=9)
        chip_command.send_command_restore_factory_config(line)
        assert len(line.read(7)) == 7
        assert chip.stored == Config()
        chip_command.send_command_reset(line)
        assert line.read(7) == bytes.fromhex("57 AB 00 8F 01 00 92")


class TestSerialHidKvm:
    @pytest.fixture
    def device(self, simulator: Simulator) -> Iterator[hid_protocol.CH9329]:
        device = hid_protocol.CH9329(simulator.path, 9600)
        device.open()
        yield device
        device.close()

    def test_keyboard(self, device: hid_protocol.CH9329, chip: PretendedChip) -> None:
        typist = Keyboard(device, char_delay=0)
        typist.type_text("aZ{enter}")
        typist.send_key("delete", ["ctrl", "alt"])
        pressed = [(0, 0x04), (0x02, 0x1D), (0, 0x28), (0x05, 0x4C)]
        reports = [(KeyboardReport(modifiers, (usage,)), KeyboardReport()) for modifiers, usage in pressed]
        arrived(chip, *(report for pair in reports for report in pair))

    def test_mouse(self, device: hid_protocol.CH9329, chip: PretendedChip) -> None:
        pointer = Mouse(device, 1920, 1080)
        pointer.move_absolute(100, 200)
        pointer.move_relative(-5, 7)
        pointer.mouse_down("middle")
        pointer.move_relative(127, -127)
        pointer.scroll(-3)
        pointer.mouse_up("middle")
        arrived(
            chip,
            AbsoluteMouseReport(0, round(100 / 1920 * 32767), round(200 / 1080 * 32767)),
            RelativeMouseReport(0, -5, 7),
            RelativeMouseReport(4),
            RelativeMouseReport(4, 127, -127),
            RelativeMouseReport(4, wheel=-3),
            RelativeMouseReport(0),
        )

    @pytest.mark.parametrize("places", [(0, 0), (32767, 32767), (16384, 8192)])
    def test_places(self, places: tuple[int, int]) -> None:
        ours = Frame(*encode(AbsoluteMouseReport(5, *places, -1))).encode()
        scaled = [round(place * 4095 / 32767) for place in places]
        assert ours == hid_protocol.build_mouse_abs_packet(5, *scaled, -1)

    @pytest.mark.parametrize("step", [-127, -5, -1, 0, 1, 127])
    def test_steps(self, step: int) -> None:
        ours = Frame(*encode(RelativeMouseReport(2, step, -step, step))).encode()
        assert ours == hid_protocol.build_mouse_rel_packet(2, step, -step, step)

    def test_six_keys(self) -> None:
        ours = Frame(*encode(KeyboardReport(0xFF, (4, 5, 6, 7, 8, 9)))).encode()
        assert ours == hid_protocol.build_keyboard_report(0xFF, [4, 5, 6, 7, 8, 9])
