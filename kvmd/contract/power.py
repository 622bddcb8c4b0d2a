"""The power side of the contract: a driver that presses a computer's power and reset buttons and reads its lamps."""

from __future__ import annotations

import enum
import threading
import time
from abc import abstractmethod
from collections.abc import Callable

from kvmd.contract.driver import BaseDriver, DriverStatus
from kvmd.errors import DriverError, Unsupported


class PowerButton(enum.Enum):
    """A button on the front of a computer."""

    POWER = "power"
    RESET = "reset"


class PowerCapability(enum.Flag):
    """What a power driver can do."""

    POWER_BUTTON = enum.auto()
    RESET_BUTTON = enum.auto()
    POWER_LAMP = enum.auto()
    """It sees whether the computer is on."""
    DISK_LAMP = enum.auto()
    """It sees disk activity."""
    WAKE = enum.auto()
    """It switches the computer on without a button, such as by Wake-on-LAN."""


class PowerStatus(DriverStatus, frozen=True):
    """What a power driver says of itself.

    :param device: the device as a person would call it
    :param power_lamp: whether the power lamp is lit at this moment; None where there is none
    :param disk_lamp: whether the disk lamp is lit at this moment; None where there is none
    :param remarks: what a person should know and could change, such as a lamp that is polled
    """

    power_lamp: bool | None = None
    disk_lamp: bool | None = None
    remarks: tuple[str, ...] = ()


class PowerDriver(BaseDriver):
    """A device wired to a computer's front panel, or one that wakes it over the network.

    The daemon calls ``open``, then ``watch`` again and again in one thread, and ``close`` in the end. ``press`` and
    ``wake`` are called by one thread at a time, but beside ``watch``; ``status`` and ``close`` by any.

    No button stays pressed. ``open`` releases every button first, since whoever pressed one may have been killed.
    ``close`` ends a press that is under way in another thread: the button is released at once and ``press`` raises
    ``DriverError``.
    """

    @property
    @abstractmethod
    def capabilities(self) -> PowerCapability:
        """What can be done with this device, known once it is open."""

    def press(self, button: PowerButton, seconds: float) -> None:  # noqa: ARG002  # for drivers with buttons
        """Hold a button down for ``seconds``, and return once it is released again.

        :raises DeviceLost: the device is gone
        :raises DriverError: it cannot be pressed, or the press was cut short by ``close``; the button is released
        :raises Unsupported: the button is not among the capabilities
        """
        raise Unsupported(f"{self.name} has no {button.value} button")

    def wake(self) -> None:
        """Switch the computer on without a button; nothing says whether it heard.

        :raises DriverError: it cannot be done, with the reason
        :raises Unsupported: ``WAKE`` is not among the capabilities
        """
        raise Unsupported(f"{self.name} cannot wake a computer")

    def watch(self, timeout: float) -> bool:
        """Wait until a lamp changes, at most ``timeout`` seconds, and tell whether one did since the last call.

        It never spins. One without lamps waits for the time to pass.

        :raises DeviceLost: the device is gone
        """
        time.sleep(timeout)
        return False

    @abstractmethod
    def status(self) -> PowerStatus:
        """Tell how the lamps stand; without I/O that could block."""


class Press:
    """One press at a time, which ``close`` cuts short: what drivers with buttons share.

    A driver calls ``allow`` at the end of its ``open``, ``hold`` in ``press``, and ``end`` at the start of ``close``.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._ended.set()
        self._turn = threading.Lock()

    def allow(self) -> None:
        """Let buttons be pressed from now on."""
        self._ended.clear()

    def hold(self, seconds: float, down: Callable[[], None], up: Callable[[], None]) -> None:
        """Call ``down``, and ``up`` after so many seconds or once ``end`` is called; ``up`` also if ``down`` fails.

        :raises DriverError: the press was cut short, or the driver is closed
        """
        with self._turn:
            if self._ended.is_set():
                raise DriverError("the button cannot be pressed: the driver is closed")
            try:
                down()
                cut_short = self._ended.wait(seconds)
            finally:
                up()
        if cut_short:
            raise DriverError("the press was cut short, since the driver was closed; the button is released")

    def end(self) -> None:
        """End the press that is under way, and return once its button is released; no other can begin."""
        self._ended.set()
        with self._turn:
            pass
