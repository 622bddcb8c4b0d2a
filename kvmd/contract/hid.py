"""The HID side of the contract: reports, LEDs, what a driver that types on a computer is, and what clients ask for."""

from __future__ import annotations

import enum
from abc import abstractmethod
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd.contract.driver import BaseDriver, DriverStatus
from kvmd.errors import RequestError

MAX_KEYS = 6
"""Ordinary keys in one report (USB HID 1.11, appendix B.1: boot keyboard)."""

MAX_MEDIA_KEYS = 4
"""Media keys in one report."""

COORDINATE_MAX = 32767
"""The far edge of the screen in an absolute report."""

STEP_MAX = 127
"""How far one relative report, or one turn of a wheel, goes at most."""

OWN_INPUT = "kvmd/"
"""How the physical path (EVIOCGPHYS) of an input device begins which kvmd has made on this very machine."""


class KeyboardReport(msgspec.Struct, frozen=True):
    """The keys that are down.

    :param modifiers: bit 0 to 7: left Control, Shift, Alt, GUI, then the right ones (HID 1.11, section 8.3)
    :param keys: up to six usages of the keyboard page (HUT 1.5, section 10)
    """

    modifiers: int = 0
    keys: tuple[int, ...] = ()


class AbsoluteMouseReport(msgspec.Struct, frozen=True):
    """The pointer at a place of the screen.

    :param buttons: bit 0 left, 1 right, 2 middle, 3 back, 4 forward
    :param x: 0 (left edge) to 32767 (right edge)
    :param y: 0 (top edge) to 32767 (bottom edge)
    :param wheel: steps, positive away from the user
    :param hwheel: steps, positive to the right
    """

    buttons: int = 0
    x: int = 0
    y: int = 0
    wheel: int = 0
    hwheel: int = 0


class RelativeMouseReport(msgspec.Struct, frozen=True):
    """The pointer moved by some counts.

    :param buttons: as in the absolute report
    :param dx: -127 to 127, positive to the right
    :param dy: -127 to 127, positive downwards
    :param wheel: steps, -127 to 127, positive away from the user
    :param hwheel: steps, -127 to 127, positive to the right
    """

    buttons: int = 0
    dx: int = 0
    dy: int = 0
    wheel: int = 0
    hwheel: int = 0


class ConsumerReport(msgspec.Struct, frozen=True):
    """The media keys that are down.

    :param usages: up to four of the consumer page (HUT 1.5, section 15), such as 0xE2, Mute
    """

    usages: tuple[int, ...] = ()


class SystemReport(msgspec.Struct, frozen=True):
    """The power key that is down.

    :param usage: of the generic desktop page (HUT 1.5, section 4.5): 0x81 System Power Down, 0x82 System Sleep, 0x83
        System Wake Up; 0 for none
    """

    usage: int = 0


Report = KeyboardReport | AbsoluteMouseReport | RelativeMouseReport | ConsumerReport | SystemReport
"""What a HID driver hands over."""


class Leds(msgspec.Struct, frozen=True):
    """The lock lamps, as the host last set them.

    :param num: Num Lock
    :param caps: Caps Lock
    :param scroll: Scroll Lock
    """

    num: bool = False
    caps: bool = False
    scroll: bool = False

    @classmethod
    def from_bits(cls, bits: int) -> Leds:
        """Read the boot keyboard's output report (HID 1.11, appendix B.1: bit 0 Num, 1 Caps, 2 Scroll)."""
        return cls(num=bool(bits & 1), caps=bool(bits & 2), scroll=bool(bits & 4))


class Capability(enum.Flag):
    """What a HID driver can do."""

    KEYBOARD = enum.auto()
    ABSOLUTE_MOUSE = enum.auto()
    RELATIVE_MOUSE = enum.auto()
    LEDS = enum.auto()
    CONSUMER_CONTROL = enum.auto()
    """Media keys."""
    SYSTEM_CONTROL = enum.auto()
    """Power, sleep and wake-up."""


class HidStatus(DriverStatus, frozen=True):
    """What a HID driver says of itself.

    :param device: the device as a person would call it
    :param host_connected: whether a host has accepted us; None where the hardware cannot tell
    :param leds: the lock lamps; None where the hardware cannot tell
    :param remarks: what a person should know and could change, such as a function for which there was no room
    """

    host_connected: bool | None = None
    leds: Leds | None = None
    remarks: tuple[str, ...] = ()


class HidDriver(BaseDriver):
    """A device that types on a computer.

    The daemon calls ``open``, then ``watch`` again and again in one thread, and ``close`` in the end. ``send`` is
    called by one thread at a time, but beside ``watch``; ``status`` by any.
    """

    @property
    @abstractmethod
    def capabilities(self) -> Capability:
        """What can be done with this device, known once it is open."""

    @abstractmethod
    def send(self, report: Report) -> None:
        """Hand over a report and return once the hardware has taken it.

        :raises HidOffline: the host did not take it, with the reason
        :raises DeviceLost: the device is gone
        :raises Unsupported: the capability is not among those declared
        """

    @abstractmethod
    def watch(self, timeout: float) -> bool:
        """Wait until the LEDs change, at most ``timeout`` seconds, and tell whether they did since the last call.

        It never spins, and a host that is gone is waited for in here, too.

        :raises HidOffline: no host takes reports, with the reason; call again until it returns
        :raises DeviceLost: the device is gone
        """

    @abstractmethod
    def status(self) -> HidStatus:
        """Tell how the host stands; without I/O that could block."""


_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Steps = Annotated[int, Meta(ge=-COORDINATE_MAX, le=COORDINATE_MAX)]


class Button(enum.Enum):
    """A button, by its name; its place is its bit in a report (HUT 1.5, section 12)."""

    LEFT = "left"
    RIGHT = "right"
    MIDDLE = "middle"
    BACK = "back"
    FORWARD = "forward"

    @property
    def mask(self) -> int:
        """Its bit in a report."""
        return 1 << list(Button).index(self)


class MouseEvent(msgspec.Struct, frozen=True):
    """What the mouse is to do; what is not given stays as it is.

    :param x: a place on the screen: 0 is the left edge, 1 the right one; together with ``y``
    :param y: 0 is the top edge, 1 the bottom one
    :param dx: counts to the right, or instead of a place; together with or without ``dy``
    :param dy: counts down
    :param buttons: those that this client holds from now on
    :param click: pressed and released once
    :param double_click: pressed and released twice
    :param wheel: steps, positive away from the user
    :param hwheel: steps, positive to the right
    """

    x: _Fraction | None = None
    y: _Fraction | None = None
    dx: _Steps | None = None
    dy: _Steps | None = None
    buttons: list[Button] | None = None
    click: Button | None = None
    double_click: Button | None = None
    wheel: _Steps = 0
    hwheel: _Steps = 0

    @property
    def is_absolute(self) -> bool:
        """Whether it goes to a place."""
        return self.x is not None

    @property
    def is_relative(self) -> bool:
        """Whether it goes some steps."""
        return self.dx is not None or self.dy is not None

    def check(self) -> None:
        """Refuse what makes no sense.

        :raises RequestError: it does not
        """
        if (self.x is None) != (self.y is None):
            raise RequestError("x and y go together: a place has both")
        if self.is_absolute and self.is_relative:
            raise RequestError("x and y are a place, dx and dy are steps: one of them, not both")
        if self.click and self.double_click:
            raise RequestError("click or double_click, not both")
        if self == MouseEvent():
            raise RequestError("nothing to do: x and y, dx and dy, buttons, click, double_click, wheel or hwheel")
