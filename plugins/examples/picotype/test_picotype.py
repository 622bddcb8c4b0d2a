"""The picotype driver, with its simulated microcontroller."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kvmd_picotype import Picotype, PicotypeOptions
from kvmd_picotype.protocol import Frame, Parser, State, command_for
from kvmd_picotype.simulator import Simulator

from kvmd import AbsoluteMouseReport, DeviceAbsent, DeviceLost, DriverError, KeyboardReport, Leds
from kvmd.testing import HidConformance


@pytest.fixture
def chip() -> Iterator[Simulator]:
    with Simulator() as chip:
        yield chip


@pytest.fixture
def driver(chip: Simulator) -> Iterator[Picotype]:
    driver = made(chip.path)
    yield driver
    driver.close()


def made(path: str) -> Picotype:
    return Picotype(PicotypeOptions(device=path, poll=0.05), None)


class TestPicotype(HidConformance):
    lock_key = 0x39

    @pytest.fixture
    def driver(self, chip: Simulator, driver: Picotype) -> Picotype:
        self.chip = chip
        return driver

    def unplug(self, driver: Picotype) -> None:
        self.chip.host = False

    def plug(self, driver: Picotype) -> None:
        self.chip.host = True


def test_what_the_target_gets(chip: Simulator, driver: Picotype) -> None:
    driver.open()
    driver.send(KeyboardReport(modifiers=2, keys=(4, 5)))
    driver.send(AbsoluteMouseReport(x=16384, y=32767, wheel=-1))
    assert chip.reports == [(2, bytes.fromhex("02 00 04 05 00 00 00 00")), (3, bytes.fromhex("00 00 40 ff 7f ff 00"))]
    assert (chip.keys, chip.places) == ([(4, 5)], [(16384, 32767)])


def test_a_lost_answer_turns_no_wheel_twice(chip: Simulator, driver: Picotype) -> None:
    driver.open()
    chip.loses = 1
    driver.send(AbsoluteMouseReport(wheel=1))
    assert len(chip.reports) == 1


def test_silence(chip: Simulator, driver: Picotype) -> None:
    driver.open()
    chip.loses = 1000
    with pytest.raises(DeviceLost, match="nothing answers"):
        driver.send(KeyboardReport())


def test_it_is_pulled(chip: Simulator, driver: Picotype) -> None:
    driver.open()
    chip.__exit__()
    with pytest.raises(DeviceLost):
        driver.watch(1)
    driver.close()
    with pytest.raises(DriverError):
        driver.open()


def test_no_port(tmp_path: Path) -> None:
    with pytest.raises(DeviceAbsent, match="is not there"):
        made(str(tmp_path / "none")).open()
    with pytest.raises(DeviceAbsent, match=r"set hid\.options\.device"):
        Picotype(PicotypeOptions(), None).open()


class TestProtocol:
    def test_frames(self) -> None:
        assert Frame(7, 1).encode() == bytes.fromhex("a5 00 07 01 6c")
        assert Frame(8, 0x82, State(0, host=True, leds=Leds(caps=True)).encode()).encode()[1:8] == bytes.fromhex(
            "04 08 82 01 00 01 02"
        )

    @pytest.mark.parametrize("step", [1, 3, 100])
    def test_noise_is_skipped(self, step: int) -> None:
        frames = [Frame(number, 2, command_for(KeyboardReport(keys=(0xA5 - 0x40,)))[1]) for number in (0xA5, 1)]
        damaged = bytearray(frames[0].encode())
        damaged[4] ^= 1
        line = b"\xa5\xff\x00\xa5\x05" + frames[0].encode() + damaged + frames[1].encode()
        parser = Parser()
        steps = [parser.feed(line[at : at + step]) for at in range(0, len(line), step)]
        assert [frame for found in steps for frame in found] == frames

    def test_another_version(self) -> None:
        with pytest.raises(ValueError, match="not version 1"):
            State.decode(b"\x02\x00\x00\x00")
