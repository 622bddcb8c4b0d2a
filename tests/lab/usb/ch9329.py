"""A CH9329 with its target at the other end of a serial line: the driver's simulator, with all that it does."""

import contextlib
from typing import Any

import serial

from kvmd_drivers.ch9329.commands import act
from kvmd_drivers.ch9329.payloads import Config
from kvmd_drivers.ch9329.pretended import PretendedChip
from kvmd_drivers.ch9329.simulator import Simulator


class Ch9329:
    """The chip.

    :param baud: the speed that it is set to
    :param clear_up_to: the highest speed at which its replies can be read, as with a bad cable
    """

    def __init__(self, baud: int = 9600, clear_up_to: int = 115200) -> None:
        self._chip = PretendedChip(Config(baud=baud))
        self._stack = contextlib.ExitStack()
        self._simulator = self._stack.enter_context(Simulator(self._chip, clear_up_to=clear_up_to))
        self._tty = self._stack.enter_context(serial.Serial(self._simulator.path, timeout=0))

    @property
    def path(self) -> str:
        """Where the line is, while the chip has power."""
        return str(self._simulator.path)

    def tune(self, baud: float) -> None:
        """See Line."""
        self._tty.baudrate = round(baud)

    def read(self) -> bytes:
        """See Line."""
        return bytes(self._tty.read(4096))

    def write(self, data: bytes) -> None:
        """See Line."""
        self._tty.write(data)

    def obey(self, command: str, **rest: Any) -> None:
        """Do what a line of words does to ``kvmd ch9329 simulate``: ``act``, with ``words``."""
        if command != "act":
            raise ValueError(f"no such command: {command}")
        act(self._simulator, rest["words"].split())

    def state(self) -> dict[str, Any]:
        """Tell its speed, and what arrived at the target: pairs of a command and its data."""
        target = self._chip.target
        return {
            "chip_baud": self._chip.active.baud,
            "arrived": [(command, data.hex()) for command, data in target.arrived],
            "holds_nothing": target.holds_nothing,
        }

    def close(self) -> None:
        """See Line."""
        self._stack.close()
