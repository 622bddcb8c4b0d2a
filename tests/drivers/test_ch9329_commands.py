"""`kvmd ch9329`: the real command line, on a chip that is pretended, here or by `kvmd ch9329 simulate`."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec
import pytest

from kvmd import KeyboardReport, KvmdError
from kvmd_drivers.ch9329 import Ch9329
from kvmd_drivers.ch9329.commands import _only_port, act
from kvmd_drivers.ch9329.payloads import Config, Text
from kvmd_drivers.ch9329.pretended import PretendedChip
from kvmd_drivers.ch9329.simulator import Fault, Simulator
from tests.waiting import eventually, patience

KVMD = [sys.executable, "-m", "kvmd", "ch9329"]


def run(*args: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([*KVMD, *map(str, args)], capture_output=True, text=True, input=given, check=False)
    assert "Traceback" not in ran.stderr
    return ran


def said(*args: object, given: str | None = None) -> str:
    """Run a command that has to succeed; return what it prints."""
    ran = run(*args, given=given)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.fixture
def on(simulator: Simulator) -> list[str]:
    """How each command is told which port; the speed, to spare it the search."""
    return ["--device", simulator.path, "--baud", "9600"]


class TestInfo:
    def test_in_words(self, simulator: Simulator, chip: PretendedChip) -> None:
        chip.target.leds = 5
        assert said("info", "--device", simulator.path) == (
            f"CH9329 V1.0 on {simulator.path} at 9600 baud\ntarget: has accepted its keyboard\nlamps: num, scroll\n"
        )

    def test_without_a_target(self, on: list[str], chip: PretendedChip) -> None:
        chip.target.unplug()
        assert "target: has not accepted its keyboard\nlamps: none\n" in said("info", *on)

    def test_json(self, on: list[str], simulator: Simulator) -> None:
        assert json.loads(said("info", "--json", *on)) == {
            "device": simulator.path,
            "baud": 9600,
            "version": 0x30,
            "enumerated": True,
            "leds": {"num": False, "caps": False, "scroll": False},
        }

    def test_the_speed_is_found(self) -> None:
        with Simulator(PretendedChip(Config(baud=57600))) as simulator:
            assert "at 57600 baud" in said("info", "--device", simulator.path)

    def test_an_address(self) -> None:
        with Simulator(PretendedChip(Config(address=3))) as simulator:
            on = ["--device", simulator.path, "--baud", "9600"]
            assert "V1.0" in said("info", *on, "--address", "3")
            assert run("info", *on).returncode == 4

    def test_no_answer(self, simulator: Simulator) -> None:
        ran = run("info", "--device", simulator.path, "--baud", "1200")
        assert ran.returncode == 4
        assert ran.stderr.startswith(f"kvmd: no CH9329 answers on {simulator.path}, tried at 1200 baud: is it powered")
        assert ran.stderr.count("\n") == 1

    def test_no_port(self) -> None:
        ran = run("info", "--device", "/dev/pts/none")
        assert (ran.returncode, ran.stderr) == (4, "kvmd: /dev/pts/none is not there\n")

    def test_a_port_that_the_daemon_uses(self, on: list[str], simulator: Simulator) -> None:
        driver = Ch9329(Ch9329.Options(device=simulator.path, baud=9600), None)
        driver.open()
        ran = run("info", *on)
        driver.close()
        assert (ran.returncode, f"{simulator.path} is in use by another program" in ran.stderr) == (4, True)

    @pytest.mark.parametrize(
        ("ids", "expected"),
        [
            ([], "no serial port is plugged in that is known to carry a CH9329: name it with --device"),
            ([(0x0403, 0x6001)], "no serial port is plugged in"),
            ([(0x1A86, 0x7523)], "/dev/ttyUSB0"),
            ([(0x0403, 0x6001), (0x1A86, 0xFE0C)], "/dev/ttyUSB1"),
            ([(0x1A86, 0x7523), (0x1A86, 0xFE0C)], "any of /dev/ttyUSB0, /dev/ttyUSB1 may carry the CH9329"),
        ],
    )
    def test_which_port(self, monkeypatch: pytest.MonkeyPatch, ids: list[tuple[int, int]], expected: str) -> None:
        ports = [
            msgspec.defstruct("Port", ["device", "vid", "pid"])(f"/dev/ttyUSB{n}", *usb) for n, usb in enumerate(ids)
        ]
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
        try:
            found = _only_port()
        except KvmdError as error:
            found = str(error)
        assert found.startswith(expected)


class TestConfig:
    def test_in_words(self, on: list[str]) -> None:
        assert said("config", *on) == (
            "work mode    0, keyboard, mouse and custom HID (set by pins)\n"
            "serial mode  0, protocol (set by pins)\n"
            "address      0, answers to any\n"
            "baud         9600\n"
            "gap          3 ms\n"
            "USB id       1a86:e129\n"
            "own strings  none\n"
        )

    def test_json(self, on: list[str]) -> None:
        shown = json.loads(said("config", "--json", *on))
        assert set(shown) == set(Config.__struct_fields__)
        assert (shown["baud"], shown["work_mode"], shown["reserved"]) == (9600, 0x80, "08 00")

    def test_changes(self, on: list[str], chip: PretendedChip) -> None:
        changed = said("config", *on, "--set-vendor-id", "1d6b", "--set-product-id", "0x0104", "--set-gap", "5")
        assert "USB id       1d6b:0104\n" in changed
        assert msgspec.structs.replace(Config(), vendor_id=0x1D6B, product_id=0x0104, gap=5) == chip.active

    def test_speed_and_address(self, on: list[str], chip: PretendedChip, simulator: Simulator) -> None:
        assert "baud         115200\n" in said("config", *on, "--set-baud", "115200", "--set-address", "9")
        assert (chip.active.baud, chip.active.address) == (115200, 9)
        assert "115200" in said("info", "--device", simulator.path, "--baud", "115200", "--address", "9")

    def test_what_the_chip_does_not_take(self, on: list[str], chip: PretendedChip) -> None:
        ran = run("config", *on, "--set-work-mode", "2")
        assert ran.returncode == 4
        assert ran.stderr == "kvmd: the CH9329 did not take the new configuration: it kept its own\n"
        assert chip.active == Config()

    @pytest.mark.parametrize(
        "args",
        [
            ["--set-baud", "9601"],
            ["--set-baud", "fast"],
            ["--set-address", "255"],
            ["--set-work-mode", "4"],
            ["--set-vendor-id", "10000"],
            ["--set-vendor-id", "x"],
            ["--set-gap", "0"],
        ],
    )
    def test_no_sense(self, on: list[str], args: list[str]) -> None:
        ran = run("config", *on, *args)
        assert ran.returncode == 2
        assert f"Invalid value for '{args[0]}'" in ran.stderr

    def test_a_variant_is_left_alone(self) -> None:
        with Simulator(PretendedChip(config_size=72)) as simulator:
            ran = run("config", "--device", simulator.path, "--set-gap", "5")
        assert ran.returncode == 4
        assert "is not documented (72 bytes instead of 50): 80 80 00 " in ran.stderr


class TestStrings:
    def test_they_are_shown_and_set(self, on: list[str], chip: PretendedChip) -> None:
        assert said("strings", *on) == "vendor   not set\nproduct  not set\nserial   not set\n"
        shown = said("strings", *on, "--vendor", "Acme", "--serial", "0001")
        assert shown == "vendor   Acme\nproduct  not set\nserial   0001\n"
        assert chip.texts[Text.VENDOR] == b"Acme"
        assert [kind for kind in Text if chip.active.uses_text(kind)] == [Text.VENDOR, Text.SERIAL]
        assert json.loads(said("strings", "--json", *on)) == {"vendor": "Acme", "product": "", "serial": "0001"}
        assert "own strings  vendor, serial\n" in said("config", *on)

    @pytest.mark.parametrize("text", ["", "x" * 24, "naïve"])
    def test_no_sense(self, on: list[str], text: str, chip: PretendedChip) -> None:
        ran = run("strings", *on, "--product", text)
        assert ran.returncode == 2
        assert "is not 1 to 23 ASCII characters" in " ".join(ran.stderr.split())
        assert chip.texts[Text.PRODUCT] == b""


class TestResetAndFactory:
    def test_reset(self, on: list[str], chip: PretendedChip, simulator: Simulator) -> None:
        chip.stored = msgspec.structs.replace(chip.stored, gap=7)
        assert said("reset", *on) == f"the chip answers again on {simulator.path} at 9600 baud\n"
        assert chip.active.gap == 7

    def test_factory(self) -> None:
        chip = PretendedChip(Config(baud=115200, vendor_id=1))
        chip.texts[Text.VENDOR] = b"Acme"
        with Simulator(chip) as simulator:
            shown = said("factory", "--yes", "--device", simulator.path, "--baud", "115200")
        assert shown == f"the chip has the factory's configuration, and answers on {simulator.path} at 9600 baud\n"
        assert chip.active == Config()
        assert not any(chip.texts.values())

    def test_factory_asks_first(self, on: list[str], chip: PretendedChip) -> None:
        chip.texts[Text.VENDOR] = b"Acme"
        ran = run("factory", *on, given="n\n")
        assert ran.returncode == 1
        assert "Forget the chip's configuration and strings? [y/N]" in ran.stdout
        assert chip.texts[Text.VENDOR] == b"Acme"


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextmanager
def simulated(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `kvmd ch9329 simulate`; the process, and the port that it named."""
    process = subprocess.Popen(
        [sys.executable, "-u", *KVMD[1:], "simulate", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        [path] = re.findall(r"/dev/pts/\d+", pipe(process.stdout).readline())
        yield process, path
    finally:
        process.kill()
        process.communicate()


class TestSimulate:
    def test_what_it_prints_works(self) -> None:
        with simulated("--baud", "19200") as (process, path):
            lines = [pipe(process.stdout).readline() for _ in range(9)]
            command = next(line for line in lines if "info" in line).split()
            assert command[:2] == ["kvmd", "ch9329"]
            assert f"on {path} at 19200 baud" in said(*command[2:])
            assert f'  options = {{ device = "{path}" }}\n' in lines
            driver = Ch9329(Ch9329.Options(device=path, baud=19200), None)
            driver.open()
            driver.send(KeyboardReport(2, (4,)))
            driver.close()
            assert eventually(pipe(process.stdout).readline, "a report") == "keyboard        02 00 04 00 00 00 00 00\n"
            process.terminate()
            assert (process.wait(patience()), pipe(process.stderr).read()) == (0, "")

    def test_it_obeys(self) -> None:
        with simulated() as (process, path):
            pipe(process.stdin).write("leds 2\nunplug\nnonsense here\n")
            assert pipe(process.stderr).readline() == "not understood: nonsense here\n"
            assert "has not accepted" in said("info", "--device", path)
            pipe(process.stdin).write("plug\nnonsense\n")
            assert pipe(process.stderr).readline() == "not understood: nonsense\n"
            assert "lamps: caps" in said("info", "--device", path)

    def test_it_ends_with_its_port(self) -> None:
        with simulated() as (process, path):
            pipe(process.stdin).write("gone\n?\n")
            assert pipe(process.stderr).readline() == "not understood: ?\n"
            assert run("info", "--device", path).returncode == 4
            assert process.wait(patience()) == 0

    def test_faults(self) -> None:
        with simulated("--fault", "silence=1") as (_, path):
            assert "no CH9329 answers" in run("info", "--device", path, "--baud", "9600").stderr

    @pytest.mark.parametrize("fault", ["silence", "silence=2", "nonsense=0.5", "e1=x"])
    def test_faults_that_make_no_sense(self, fault: str) -> None:
        ran = run("simulate", "--fault", fault)
        assert ran.returncode == 2
        assert "NAME=RATE" in ran.stderr

    def test_every_line_that_it_obeys(self, simulator: Simulator, chip: PretendedChip) -> None:
        for fault in Fault:
            act(simulator, [fault.value])
        assert list(simulator._next) == list(Fault)
        simulator._next.clear()
        act(simulator, ["reboot"])
        there = [chip.target.is_there]
        act(simulator, ["plug"])
        assert [*there, chip.target.is_there] == [False, True]
        act(simulator, ["leds", "7"])
        assert chip.target.leds == 7
