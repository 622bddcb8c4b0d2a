"""The buttons and lamps of a computer's front panel, wired to GPIO lines of the KVM through optocouplers or relays.

Devices: any GPIO chip of the kernel, by its character device: a board's header, I2C and USB expanders. Lines are asked
for by their names or by their chip's label, never by number alone, which is another pin on another kernel. The driver
has to be named in the settings or by a board: nothing tells what is wired to a line.

Works: power and reset button, power and disk lamp, each optional and active high or low; lamps by edges, the
power lamp's debounced by the kernel, and by polling where a line has no interrupt. Does not: releasing a button when
the daemon was killed in mid-press (SIGKILL): the kernel frees the line, whose level is then the chip's affair.
``open`` releases it.

Needs gpiod 2.1 or later, the library's Python bindings. Documented in the kernel:
Documentation/userspace-api/gpio/chardev.rst.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import select
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec
from msgspec import Meta

from kvmd import (
    Device,
    DriverError,
    DriverOptions,
    PowerButton,
    PowerCapability,
    PowerDriver,
    PowerStatus,
    Unsupported,
    hookimpl,
)

from .chips import Place, find, scan
from .lines import POLL_PERIOD, Bias, Button, Lamp, request_button, request_lamp

DEV: Final = Path("/dev")

Wire = Literal["power_button", "reset_button", "power_lamp", "disk_lamp"]
BUTTONS: Final[dict[PowerButton, Wire]] = {PowerButton.POWER: "power_button", PowerButton.RESET: "reset_button"}
LAMPS: Final[Sequence[Wire]] = ("power_lamp", "disk_lamp")
CAPABILITIES: Final[dict[Wire, PowerCapability]] = {
    "power_button": PowerCapability.POWER_BUTTON,
    "reset_button": PowerCapability.RESET_BUTTON,
    "power_lamp": PowerCapability.POWER_LAMP,
    "disk_lamp": PowerCapability.DISK_LAMP,
}
WAY_OUT: Final = "/opt/kvmd/bin/pip install 'kvmd-hal[gpio]', or from Debian 13 on apt install python3-libgpiod"


class GpioOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Which line is wired to what."""

    power_button: Annotated[
        str | None,
        Meta(
            description='The line of the power button: its name, such as "GPIO23", or its chip\'s label and its offset '
            'there, such as "pinctrl-bcm2711:23"; `gpioinfo` lists both.'
        ),
    ] = None
    reset_button: Annotated[str | None, Meta(description="The line of the reset button.")] = None
    power_lamp: Annotated[str | None, Meta(description="The line of the power LED.")] = None
    disk_lamp: Annotated[str | None, Meta(description="The line of the disk LED.")] = None
    active_low: Annotated[
        list[Wire], Meta(description="The buttons that a low level presses, and the lamps that are lit at one.")
    ] = msgspec.field(default_factory=list)
    bias: Annotated[
        Bias, Meta(description='The resistor inside the chip on the lamps\' lines; "as_is": whatever it is set to.')
    ] = "as_is"
    debounce: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Seconds for which the power lamp has to keep still before a change of it counts. Of the disk "
            "lamp every change does: its flicker is the news.",
        ),
    ] = 0.1

    def __post_init__(self) -> None:
        given = self.lines()
        for wire, line in given.items():
            _check(wire, line)
        for line in given.values():
            if len(same := [wire for wire in given if given[wire] == line]) > 1:
                raise ValueError(f'{" and ".join(same)} are the same line, "{line}"; each needs its own')
        if unwired := [wire for wire in self.active_low if wire not in given]:
            raise ValueError(f"active_low names {', '.join(unwired)}, of which no line is given")

    def lines(self) -> dict[Wire, str]:
        """Return the lines that are given."""
        given: dict[Wire, str | None] = {wire: getattr(self, wire) for wire in CAPABILITIES}
        return {wire: line for wire, line in given.items() if line is not None}


def _check(wire: Wire, line: str) -> None:
    """See that a line is named in a way that means the same line tomorrow."""
    chip, _, offset = line.rpartition(":")
    if line.strip().isdecimal():
        raise ValueError(
            f'{wire} = "{line}": a number alone names another pin on another kernel; give the line\'s name, such as '
            f'"GPIO{line.strip()}", or "LABEL:{line.strip()}" with its chip\'s label; `gpioinfo` lists them'
        )
    if chip.removeprefix("/dev/").removeprefix("gpiochip").isdecimal() and offset.isdecimal():
        raise ValueError(
            f'{wire} = "{line}": {chip} is another chip on another kernel; give the chip\'s label, which '
            "`gpiodetect` shows in brackets"
        )
    if not line.strip():
        raise ValueError(f'{wire} = "{line}" names no line')


class Gpio(PowerDriver):
    """Presses buttons and sees lamps through GPIO lines."""

    name = "gpio"
    Options = GpioOptions
    wakes: ClassVar[Sequence[str]] = ("gpio",)

    def __init__(self, options: DriverOptions, device: Device | None) -> None:  # noqa: ARG002  # it finds its own chips
        self._options = cast("GpioOptions", options)
        self._buttons: dict[PowerButton, Button] = {}
        self._lamps: dict[Wire, Lamp] = {}
        self._labels: tuple[str, ...] = ()
        self._resources = contextlib.ExitStack()
        self._cancel: int | None = None  # an eventfd, readable once close() was called; None while closed
        self._closing = threading.Lock()
        self._pressing = threading.Lock()
        self._watching = threading.Lock()

    @classmethod
    def problem(cls) -> str | None:
        """Say that gpiod is missing, or is another library of the same name."""
        found = importlib.util.find_spec("gpiod")
        if found is None:
            return f"the Python library gpiod is not installed: {WAY_OUT}"
        folders = found.submodule_search_locations or []  # version 1 of libgpiod has one file and no folder
        if not any(Path(folder, "line_request.py").exists() for folder in folders):
            return f"the Python library gpiod in {found.origin} is of version 1, which works differently: {WAY_OUT}"
        return None

    @property
    def capabilities(self) -> PowerCapability:
        """What is wired."""
        declared = PowerCapability(0)
        for wire in self._options.lines():
            declared |= CAPABILITIES[wire]
        return declared

    def open(self) -> None:
        """Take the lines; buttons that somebody left pressed are released."""
        given = self._options.lines()
        if not given:
            raise DriverError(
                "no line is given: set power_button, reset_button, power_lamp or disk_lamp in its options"
            )
        if problem := self.problem():
            raise DriverError(problem)
        chips, denied = scan(DEV)
        places = {wire: find(chips, denied, wire, line) for wire, line in given.items()}
        with contextlib.ExitStack() as stack:
            cancel = os.eventfd(0, os.EFD_CLOEXEC)
            stack.callback(os.close, cancel)
            # Buttons first: one may be pressed.
            buttons = {each: self._take_button(stack, places[wire]) for each, wire in BUTTONS.items() if wire in places}
            lamps = {wire: self._take_lamp(stack, places[wire]) for wire in LAMPS if wire in places}
            self._resources = stack.pop_all()
        self._buttons, self._lamps, self._cancel = buttons, lamps, cancel
        self._labels = tuple(dict.fromkeys(place.chip for place in places.values()))

    def press(self, button: PowerButton, seconds: float) -> None:
        """Hold a button down."""
        with self._pressing:
            if BUTTONS[button] not in self._options.lines():
                raise Unsupported(f"no line is given for the {button.value} button: set {BUTTONS[button]}")
            cancel = self._opened()
            line = self._buttons[button]
            with line.held():
                until = time.monotonic() + seconds
                while not (ready := _wait([cancel, line.fd], until - time.monotonic())) and time.monotonic() < until:
                    pass
                if line.fd in ready:
                    raise line.lost()
            if ready:
                raise DriverError(f"the press of the {button.value} button was cut short; it is released")

    def watch(self, timeout: float) -> bool:
        """Wait for an edge of a lamp, or for the next look at one that is polled."""
        with self._watching:
            cancel = self._opened()
            until = time.monotonic() + timeout
            lines: list[Button | Lamp] = [*self._buttons.values(), *self._lamps.values()]
            longest = min((POLL_PERIOD for lamp in self._lamps.values() if lamp.is_polled), default=math.inf)
            while True:
                left = until - time.monotonic()
                ready = _wait([cancel, *(line.fd for line in lines)], min(left, longest))
                if cancel in ready:
                    return False
                changes = [line.look(line.fd in ready) for line in lines]
                if any(changes):
                    return True
                if left <= 0:
                    return False

    def status(self) -> PowerStatus:
        """Tell how the lamps stood when they were last looked at."""
        lamps = self._lamps
        lit = {wire: lamp.is_lit for wire, lamp in lamps.items()}
        remarks = tuple(
            f"{wire} is polled every {POLL_PERIOD * 1000:.0f} ms: {lamp.place} has no interrupt"
            for wire, lamp in lamps.items()
            if lamp.is_polled
        )
        return PowerStatus(
            f"GPIO lines of {' and '.join(self._labels)}" if self._labels else "GPIO lines",
            lit.get("power_lamp"),
            lit.get("disk_lamp"),
            remarks,
        )

    def close(self) -> None:
        """End a press that is under way, and let go of the lines; the buttons are released before."""
        with self._closing:
            if self._cancel is None:
                return
            os.eventfd_write(self._cancel, 1)
            with self._pressing, self._watching:
                self._cancel = None
                self._buttons, self._lamps = {}, {}
                self._resources.close()

    def _opened(self) -> int:
        """Return the eventfd of ``close``."""
        if self._cancel is None:
            raise DriverError("the GPIO lines are not open")
        return self._cancel

    def _take_button(self, stack: contextlib.ExitStack, place: Place) -> Button:
        button = request_button(place, active_low=place.wire in self._options.active_low)
        return stack.enter_context(contextlib.closing(button))

    def _take_lamp(self, stack: contextlib.ExitStack, place: Place) -> Lamp:
        options = self._options
        low = place.wire in options.active_low
        # A disk lamp at work flickers, and never keeps still.
        debounce = options.debounce if place.wire == "power_lamp" else 0.0
        lamp = request_lamp(place, active_low=low, bias=options.bias, debounce=debounce)
        return stack.enter_context(contextlib.closing(lamp))


def _wait(fds: Iterable[int], timeout: float) -> set[int]:
    """Wait until one of these can be read or its chip is gone, and return those; at most ``timeout`` seconds."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(max(0, math.ceil(timeout * 1000)))}


@hookimpl
def kvmd_drivers() -> Iterable[type[PowerDriver]]:
    """Offer the driver."""
    return [Gpio]
