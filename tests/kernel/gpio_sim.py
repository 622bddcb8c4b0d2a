"""gpio-sim, the kernel's simulator of GPIO chips: a front panel is wired to its lines.

https://docs.kernel.org/admin-guide/gpio/gpio-sim.html
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .waiting import run, settle

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
DEVICES = Path("/sys/devices/platform")

POWER_BUTTON, RESET_BUTTON, POWER_LAMP, DISK_LAMP = range(2, 6)
"""Offsets of the front panel's lines."""

PANEL: Mapping[int, str] = {
    POWER_BUTTON: "POWER_SW",
    RESET_BUTTON: "RESET_SW",
    POWER_LAMP: "POWER_LED",
    DISK_LAMP: "HDD_LED",
}


class SimulatedChip:
    """A chip of eight lines; it is there from the start.

    :param folder: its folder in configfs
    :param label: the chip's label
    :param names: names of its lines, by offset
    """

    def __init__(self, folder: Path, label: str, names: Mapping[int, str]) -> None:
        self.label = label
        self._folder = folder
        self._bank = folder / "bank"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text("8")
        (self._bank / "label").write_text(label)
        for offset, name in names.items():
            line = self._bank / f"line{offset}"
            line.mkdir()
            (line / "name").write_text(name)
        self.plug()

    def plug(self) -> None:
        """Bring the chip; its lines are low."""
        (self._folder / "live").write_text("1")
        settle()

    def unplug(self) -> None:
        """Take the chip away, also from whoever uses it."""
        (self._folder / "live").write_text("0")
        settle()

    def remove(self) -> None:
        """Take the chip away for good."""
        self.unplug()
        for line in self._bank.glob("line*"):
            line.rmdir()
        self._bank.rmdir()
        self._folder.rmdir()

    @property
    def node(self) -> Path:
        """The chip's node."""
        return Path("/dev") / (self._bank / "chip_name").read_text().strip()

    def level(self, offset: int) -> int:
        """The level of a line, as whatever it is wired to sees it; nobody needs to let go of it for that."""
        return int((self._line(offset) / "value").read_text())

    def pull(self, offset: int, level: int) -> None:
        """Pull a line high or low: what it reads as an input, and while nobody uses it."""
        (self._line(offset) / "pull").write_text("pull-up" if level else "pull-down")

    def _line(self, offset: int) -> Path:
        device, chip = (path.read_text().strip() for path in (self._folder / "dev_name", self._bank / "chip_name"))
        return DEVICES / device / chip / f"sim_gpio{offset}"


class GpioSim:
    """Makes simulated chips."""

    def __init__(self) -> None:
        self._chips: list[SimulatedChip] = []

    def add(self, label: str = "panel", names: Mapping[int, str] = PANEL) -> SimulatedChip:
        """Make a chip, by default one with a front panel."""
        chip = SimulatedChip(CONFIGFS / f"kvmd-{len(self._chips)}", label, names)
        self._chips.append(chip)
        return chip

    def remove_all(self) -> None:
        """Take all chips away."""
        for chip in self._chips:
            chip.remove()


@pytest.fixture
def gpio_sim() -> Iterator[GpioSim]:
    """Simulated GPIO chips; none at first, none in the end."""
    run("modprobe", "gpio-sim")
    simulator = GpioSim()
    yield simulator
    simulator.remove_all()
