"""The gpio driver on the kernel's simulated chips, with the real gpiod: what it does to lines is seen from outside."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kvmd import DeviceAbsent, DeviceLost, DriverError, PowerButton, PowerCapability
from kvmd.testing import PowerConformance
from kvmd_drivers.gpio import Gpio, GpioOptions

from .gpio_sim import DISK_LAMP, PANEL, POWER_BUTTON, POWER_LAMP, RESET_BUTTON, GpioSim, SimulatedChip
from .waiting import eventually, patience, run

BY_NAME = {
    wire: PANEL[offset]
    for wire, offset in zip(("power_button", "reset_button", "power_lamp", "disk_lamp"), sorted(PANEL), strict=True)
}
OFFSETS = {PowerButton.POWER: POWER_BUTTON, PowerButton.RESET: RESET_BUTTON}
LAMPS = {PowerCapability.POWER_LAMP: POWER_LAMP, PowerCapability.DISK_LAMP: DISK_LAMP}

PRESSER = """
from kvmd import PowerButton
from kvmd_drivers.gpio import Gpio, GpioOptions
driver = Gpio(GpioOptions(power_button="POWER_SW"), None)
driver.open()
driver.press(PowerButton.POWER, 600)
"""

OPENER = """
import sys
from kvmd import KvmdError
from kvmd_drivers.gpio import Gpio, GpioOptions
driver = Gpio(GpioOptions(power_button="POWER_SW"), None)
try:
    driver.open()
    print("open")
except KvmdError as error:
    print(type(error).__name__, error)
driver.close()
"""

HOLDER = """
import gpiod, sys, time
request = gpiod.request_lines(sys.argv[1], {int(sys.argv[2]): None}, consumer="lab-holder")
print("held", flush=True)
time.sleep(600)
"""


def new(**options: Any) -> Gpio:
    return Gpio(GpioOptions(**options), None)


class TestGpio(PowerConformance):
    @pytest.fixture(autouse=True)
    def panel(self, gpio_sim: GpioSim) -> SimulatedChip:
        self.chip = gpio_sim.add()
        return self.chip

    @pytest.fixture
    def driver(self) -> Gpio:
        return new(**BY_NAME)

    def pressed(self, driver: Any, button: PowerButton) -> bool:  # noqa: ARG002  # there is one
        return self.chip.level(OFFSETS[button]) == 1

    def leave_pressed(self, driver: Any, button: PowerButton) -> None:  # noqa: ARG002
        self.chip.pull(OFFSETS[button], 1)

    def light(self, driver: Any, lamp: PowerCapability, on: bool) -> None:  # noqa: ARG002
        self.chip.pull(LAMPS[lamp], int(on))

    def unplug(self, driver: Any) -> None:  # noqa: ARG002
        self.chip.unplug()

    def plug(self, driver: Any) -> None:  # noqa: ARG002
        self.chip.plug()


class TestGpioActiveLow(TestGpio):
    """The same with a panel whose lines are at rest when they are high."""

    @pytest.fixture(autouse=True)
    def panel(self, gpio_sim: GpioSim) -> SimulatedChip:
        self.chip = gpio_sim.add()
        self._rest()
        return self.chip

    @pytest.fixture
    def driver(self) -> Gpio:
        return new(**BY_NAME, active_low=list(BY_NAME))

    def pressed(self, driver: Any, button: PowerButton) -> bool:  # noqa: ARG002
        return self.chip.level(OFFSETS[button]) == 0

    def leave_pressed(self, driver: Any, button: PowerButton) -> None:  # noqa: ARG002
        self.chip.pull(OFFSETS[button], 0)

    def light(self, driver: Any, lamp: PowerCapability, on: bool) -> None:  # noqa: ARG002
        self.chip.pull(LAMPS[lamp], int(not on))

    def plug(self, driver: Any) -> None:  # noqa: ARG002
        self.chip.plug()
        self._rest()

    def _rest(self) -> None:
        for offset in PANEL:
            self.chip.pull(offset, 1)


@pytest.fixture
def chip(gpio_sim: GpioSim) -> SimulatedChip:
    return gpio_sim.add()


@pytest.fixture
def holder(chip: SimulatedChip) -> Iterator[subprocess.Popen[str]]:
    """Another program, which has the line of the power button."""
    command = [sys.executable, "-c", HOLDER, str(chip.node), str(POWER_BUTTON)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


# -- finding lines


@pytest.mark.parametrize("line", ["POWER_SW", f"panel:{POWER_BUTTON}"])
def test_line_is_found_by_its_name_and_by_its_chips_label(gpio_sim: GpioSim, line: str) -> None:
    gpio_sim.add("other", {})
    panel = gpio_sim.add()
    driver = new(power_button=line)
    driver.open()
    assert driver.status().device == "GPIO lines of panel"
    info = run("/opt/kvmd/bin/python", "-c", _INFO, str(panel.node), str(POWER_BUTTON))
    assert info.split() == ["kvmd", "OUTPUT"]
    driver.close()


_INFO = """
import gpiod, sys
info = gpiod.Chip(sys.argv[1]).get_line_info(int(sys.argv[2]))
print(info.consumer, info.direction.name)
"""


@pytest.mark.usefixtures("chip")
def test_line_that_is_not_there_is_absent() -> None:
    with pytest.raises(DeviceAbsent, match=r'power_button: there is no "GPIO23" on .*panel'):
        new(power_button="GPIO23").open()
    with pytest.raises(DriverError, match="panel has no line 8; it has 0 to 7"):
        new(power_button="panel:8").open()


def test_name_on_two_chips_is_refused_and_the_label_says_which(gpio_sim: GpioSim) -> None:
    gpio_sim.add("left")
    right = gpio_sim.add("right")
    with pytest.raises(DriverError, match=r'"POWER_SW" are 2 lines: left:2 on .*, right:2 on .*; say which'):
        new(power_button="POWER_SW").open()
    driver = new(power_button="right:2", active_low=["power_button"])
    driver.open()
    assert right.level(POWER_BUTTON) == 1
    driver.close()


def test_line_of_another_program_is_told_with_its_name(holder: subprocess.Popen[str]) -> None:
    driver = new(power_button="POWER_SW")
    with pytest.raises(DriverError, match=r'power_button: POWER_SW \(panel:2\) is held by "lab-holder": stop that'):
        driver.open()
    holder.kill()
    holder.wait()
    driver.open()
    driver.close()


def test_lines_that_could_be_had_are_let_go_when_another_cannot(holder: subprocess.Popen[str]) -> None:
    with pytest.raises(DriverError):
        new(power_button="POWER_SW", reset_button="RESET_SW").open()
    driver = new(reset_button="RESET_SW")
    driver.open()
    driver.close()
    assert holder.poll() is None


def test_node_belongs_to_a_group_that_the_daemon_is_in(chip: SimulatedChip) -> None:
    assert (chip.node.group(), chip.node.stat().st_mode & 0o777) == ("gpio", 0o660)
    as_daemon = ("setpriv", "--reuid=kvmd", "--regid=kvmd", "--init-groups", sys.executable, "-c", OPENER)
    assert run(*as_daemon) == "open\n"
    as_nobody = ("setpriv", "--reuid=nobody", "--clear-groups", "--regid=nogroup", sys.executable, "-c", OPENER)
    told = run(*as_nobody)
    assert told.startswith(f'DriverError power_button: "POWER_SW" may be on {chip.node}, which the daemon may not open')


# -- lamps


def test_lamp_that_is_lit_at_the_start_is_seen(chip: SimulatedChip) -> None:
    chip.pull(POWER_LAMP, 1)
    driver = new(power_lamp="POWER_LED", disk_lamp="HDD_LED")
    driver.open()
    status = driver.status()
    assert (status.power_lamp, status.disk_lamp, status.remarks) == (True, False, ())
    driver.close()


def test_lamp_that_blinks_is_seen_at_each_change(chip: SimulatedChip) -> None:
    driver = new(power_lamp="POWER_LED", debounce=0.01)
    driver.open()
    seen = []
    for level in (1, 0) * 5:
        chip.pull(POWER_LAMP, level)
        assert driver.watch(60)
        seen.append(driver.status().power_lamp)
    assert seen == [True, False] * 5
    driver.close()


def test_glitch_shorter_than_the_debouncing_is_not_seen(chip: SimulatedChip) -> None:
    driver = new(power_lamp="POWER_LED", debounce=1.0)
    driver.open()
    _flash(chip)
    assert not driver.watch(3)
    assert driver.status().power_lamp is False
    chip.pull(POWER_LAMP, 1)
    assert driver.watch(60)
    assert driver.status().power_lamp is True
    driver.close()


def test_without_debouncing_the_same_glitch_is_seen(chip: SimulatedChip) -> None:
    driver = new(power_lamp="POWER_LED", debounce=0)
    driver.open()
    _flash(chip)
    assert driver.watch(60)  # the first of the two edges at least
    eventually(lambda: driver.watch(0) or driver.status().power_lamp is False, "the lamp to be out again")
    driver.close()


def _flash(chip: SimulatedChip) -> None:
    """Light the power lamp for a moment, which has to be shorter than a second."""
    start = time.monotonic()
    chip.pull(POWER_LAMP, 1)
    chip.pull(POWER_LAMP, 0)
    took = time.monotonic() - start
    if took > 0.8:
        pytest.skip(f"the guest is too slow: it took {took:.1f} s to switch a line twice")


def test_more_changes_than_the_kernel_keeps_end_with_the_last(chip: SimulatedChip) -> None:
    driver = new(disk_lamp="HDD_LED")
    driver.open()
    for level in itertools.islice(itertools.cycle((1, 0)), 101):
        chip.pull(DISK_LAMP, level)
    eventually(lambda: driver.watch(0) and driver.status().disk_lamp, "the disk lamp to be lit")
    assert not driver.watch(0.2)
    assert driver.status().disk_lamp is True
    driver.close()


def test_chip_that_is_pulled_ends_a_watch_and_works_again_when_it_is_back(chip: SimulatedChip) -> None:
    driver = new(power_button="POWER_SW", power_lamp="POWER_LED")
    driver.open()
    node = chip.node
    lost: list[DeviceLost] = []
    watching = threading.Thread(target=_watch_until_lost, args=(driver, lost))
    watching.start()
    chip.unplug()
    watching.join(patience())
    [error] = lost
    assert str(error).startswith("POWER_")
    assert f"does not answer any more, its chip {node} is gone" in str(error)
    driver.close()
    with pytest.raises(DeviceAbsent):
        driver.open()
    chip.plug()
    driver.open()
    chip.pull(POWER_LAMP, 1)
    assert driver.watch(60)
    driver.close()


def _watch_until_lost(driver: Gpio, lost: list[DeviceLost]) -> None:
    try:
        while driver.watch(600):
            pass
    except DeviceLost as error:
        lost.append(error)


# -- a daemon that was killed


def test_after_sigkill_the_line_is_free_and_opening_releases_it(chip: SimulatedChip) -> None:
    """The kernel frees the line; what level it has then is the chip's affair. gpio-sim's goes to its pull."""
    process = subprocess.Popen([sys.executable, "-c", PRESSER])
    eventually(lambda: chip.level(POWER_BUTTON) == 1, "the button down")
    chip.pull(POWER_BUTTON, 1)  # as a chip whose line stays as it is
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert chip.level(POWER_BUTTON) == 1
    driver = new(power_button="POWER_SW")
    driver.open()
    assert chip.level(POWER_BUTTON) == 0
    driver.close()
