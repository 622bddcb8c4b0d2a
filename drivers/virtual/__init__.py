"""The virtual drivers: a simulated computer, for tests and for trying things out.

Devices: none. The capture driver sees the computer's screen, the HID driver is its keyboard and mouse, the power driver
(power.py) its front panel; they meet by the name of the computer, and all of it runs in the daemon's process.

Works: a console of 80x25 characters at 1280x720 that shows what is typed on a US layout; the lock keys and their LEDs;
the last keys, media and power keys among them; absolute and relative mouse; power button, reset button and both lamps,
with a firmware that starts, an orderly end and sleep; pulling each cable through ``/api/virtual``.
Does not: key repeat, other layouts, EDID, sound. The font is DejaVu Sans Mono, ASCII and Latin-1
(DejaVu-LICENSE.txt).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from kvmd import (
    BaseDriver,
    Capability,
    CaptureDriver,
    CaptureStatus,
    Device,
    DriverError,
    Frame,
    HidDriver,
    HidOffline,
    HidStatus,
    NoSignal,
    PixelFormat,
    Report,
    Signal,
    hookimpl,
)

from .computer import VirtualOptions, shared
from .endpoint import blueprint
from .power import VirtualPower
from .session import HEIGHT, WIDTH

if TYPE_CHECKING:
    import flask

    from .screen import Screen

PATIENCE: Final = 1.0
"""Seconds for which frames() waits for a signal that it has already reported as gone."""

BLINK: Final = 0.5
"""Seconds for which the cursor is to be seen, and then is not."""


class VirtualCaptureOptions(VirtualOptions, frozen=True, forbid_unknown_fields=True):
    """Options of the screen."""

    frame_rate: Annotated[float, Meta(ge=1, le=240, description="Pictures a second.")] = 30.0


class VirtualCapture(CaptureDriver):
    """Sees the virtual computer's screen."""

    name = "virtual"
    Options = VirtualCaptureOptions

    def __init__(self, options: VirtualCaptureOptions, device: Device | None) -> None:  # noqa: ARG002  # there is none
        self._rate = options.frame_rate
        self._computer = shared(options.computer)
        self._device = f"virtual computer {options.computer}"
        self._screen: Screen | None = None
        self._signal: Signal | None = None
        self._lost = False
        self._opened = 0.0
        self._tick = -1

    def open(self) -> None:
        """Turn to the screen."""
        from .screen import Screen  # noqa: PLC0415  # only who looks needs numpy and Pillow

        self._screen = Screen()
        self._signal = None
        self._lost = False
        self._opened = time.monotonic()
        self._tick = -1

    def frames(self) -> Iterator[Frame]:
        """Yield the screen at the frame rate; the first picture at once. One who comes late misses pictures."""
        if self._screen is None:
            raise DriverError("the virtual capture driver is not open")
        if self._lost:
            self._computer.wait_for(lambda: self._screen is None or not self._computer.no_signal(), PATIENCE)
        while screen := self._wait_for_tick():
            yield self._take(screen)

    def _wait_for_tick(self) -> Screen | None:
        """Wait for the time of the next picture; no screen once the driver is closed."""
        self._tick = max(self._tick + 1, int((time.monotonic() - self._opened) * self._rate))
        due = self._opened + self._tick / self._rate
        self._computer.wait_for(self._interrupted, max(0.0, due - time.monotonic()))
        screen = self._screen
        if screen is None:
            return None
        reason = self._computer.no_signal()
        self._lost = bool(reason)
        if reason:
            self._signal = None
            raise NoSignal(reason)
        return screen

    def _interrupted(self) -> bool:
        return self._screen is None or bool(self._computer.no_signal())

    def _take(self, screen: Screen) -> Frame:
        now = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        data = screen.draw(self._computer.state(), clock, cursor=now % (2 * BLINK) < BLINK)
        self._signal = Signal(WIDTH, HEIGHT, self._rate, PixelFormat.RGB24)
        return Frame(data, PixelFormat.RGB24, WIDTH, HEIGHT, WIDTH * 3, time.monotonic(), self._tick)

    def status(self) -> CaptureStatus:
        """Tell what is captured."""
        return CaptureStatus(self._device, None if self._computer.no_signal() else self._signal)

    def close(self) -> None:
        """Turn away; one who waits for a picture gets none."""
        self._screen = None
        self._signal = None
        self._computer.wake()


class VirtualHid(HidDriver):
    """The virtual computer's keyboard and mouse."""

    name = "virtual"
    Options = VirtualOptions
    capabilities = ~Capability(0)

    def __init__(self, options: VirtualOptions, device: Device | None) -> None:  # noqa: ARG002  # there is none
        self._computer = shared(options.computer)
        self._device = f"virtual computer {options.computer}"
        self._is_open = False
        self._offline = ""
        self._leds = self._computer.leds

    def open(self) -> None:
        """Sit down at the computer."""
        self._is_open = True
        self._offline = ""
        self._leds = self._computer.leds

    def send(self, report: Report) -> None:
        """Have the computer act on a report."""
        self._check_open()
        self._computer.take(report)

    def watch(self, timeout: float) -> bool:
        """Wait until LEDs or host change; what the last call reported is not reported again before ``timeout``."""
        self._check_open()
        self._computer.wait_for(self._has_news, timeout)
        self._offline = self._computer.no_host()
        if self._is_open and self._offline:
            raise HidOffline(self._offline)
        before, self._leds = self._leds, self._computer.leds
        return self._leds != before

    def _has_news(self) -> bool:
        computer = self._computer
        return not self._is_open or computer.no_host() != self._offline or computer.leds != self._leds

    def _check_open(self) -> None:
        if not self._is_open:
            raise DriverError("the virtual HID driver is not open")

    def status(self) -> HidStatus:
        """Tell how the host stands; without one, nobody sets the LEDs."""
        host = not self._computer.no_host()
        return HidStatus(self._device, host_connected=host, leds=self._computer.leds if host else None)

    def close(self) -> None:
        """Get up; one who watches is let go."""
        self._is_open = False
        self._computer.wake()


@hookimpl
def kvmd_drivers() -> Iterable[type[BaseDriver]]:
    """Offer the drivers."""
    return [VirtualCapture, VirtualHid, VirtualPower]


@hookimpl
def kvmd_blueprints() -> Iterable[flask.Blueprint]:
    """Offer ``/api/virtual``: see the computer's state, switch it, and pull its cables."""
    return [blueprint()]
