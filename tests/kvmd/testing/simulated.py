"""Right drivers of each role, each with its device in one, and the suites, told what to do to that device."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar

import pytest
from msgspec import Meta

from kvmd import (
    Capability,
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceAbsent,
    DeviceLost,
    DriverError,
    DriverOptions,
    EdidControl,
    Frame,
    HidDriver,
    HidOffline,
    HidStatus,
    KeyboardReport,
    Leds,
    NoSignal,
    PixelFormat,
    PowerButton,
    PowerCapability,
    PowerDriver,
    PowerStatus,
    Report,
    Signal,
    Timings,
    TimingsControl,
    Unsupported,
    edid,
)
from kvmd.testing import CaptureConformance, HidConformance, PowerConformance, hid, power

WIDTH, HEIGHT = 16, 8
CAPS_LOCK = 0x39


class PlaceOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Options of them all."""

    place: Annotated[str, Meta(description="Where it stands.")] = "here"


class Plugged:
    """A device that can be pulled out, with a driver that can be closed; whoever waits for something is woken."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.plugged = True
        self.is_open = False

    def change(self, **fields: object) -> None:
        """Change what stands here, and wake those who wait for it."""
        with self.changed:
            self.__dict__.update(fields)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def must_be_there(self) -> None:
        if not self.plugged:
            raise DeviceAbsent("it is not plugged in")

    def check(self) -> None:
        if not self.plugged:
            raise DeviceLost("it was unplugged")
        if not self.is_open:
            raise DriverError("it is closed")


class PluggedOnce(Plugged):
    """One that can be opened only once, which is wrong."""

    was_open = False

    def open(self) -> None:
        if self.was_open:
            raise DriverError("it was open before")
        self.was_open = True
        super().open()  # type: ignore[misc]  # that of the driver which this is mixed into


class Camera(Plugged, CaptureDriver, EdidControl, TimingsControl):
    """Sees small pictures, every few milliseconds."""

    name = "camera"
    Options: ClassVar[type[DriverOptions]] = PlaceOptions
    data = bytes(WIDTH * HEIGHT * 3)

    def __init__(self, options: DriverOptions | None = None, device: Device | None = None) -> None:  # noqa: ARG002
        super().__init__()
        self.has_signal = True
        self.shown = edid.profile("1080p60")
        self.signal: Signal | None = None
        self.told = False
        self.numbers = itertools.count()

    def open(self) -> None:
        self.must_be_there()
        self.change(is_open=True, told=False)

    def frames(self) -> Iterator[Frame]:
        if self.told:
            self.wait_for(lambda: self.has_signal, 0.2)
        while self.is_open:
            self.check()
            self.told = not self.has_signal
            if self.told:
                self.signal = None
                raise NoSignal("the cable is out")
            self.signal = Signal(WIDTH, HEIGHT, None, PixelFormat.RGB24)
            yield self.picture()
            self.wait_for(lambda: not self.is_open, 0.005)

    def picture(self) -> Frame:
        number = next(self.numbers)
        return Frame(self.data, PixelFormat.RGB24, WIDTH, HEIGHT, WIDTH * 3, time.monotonic(), number)

    def status(self) -> CaptureStatus:
        return CaptureStatus("a camera", self.signal)

    def timings(self) -> Timings | None:
        return Timings(WIDTH, HEIGHT, 60.0, 27_000_000) if self.signal else None

    def edid(self) -> bytes:
        return self.shown

    def set_edid(self, data: bytes) -> None:
        self.shown = data

    def close(self) -> None:
        self.change(is_open=False, signal=None)


class OnTheCamera(CaptureConformance):
    """The suite, told how to pull the camera's cables."""

    count = 3

    @pytest.fixture
    def driver(self) -> Camera:
        return Camera()

    def unplug(self, driver: CaptureDriver) -> None:
        camera(driver).change(has_signal=False)

    def plug(self, driver: CaptureDriver) -> None:
        camera(driver).change(has_signal=True)

    def remove(self, driver: CaptureDriver) -> None:
        camera(driver).change(plugged=False)

    def insert(self, driver: CaptureDriver) -> None:
        camera(driver).change(plugged=True)


def camera(driver: CaptureDriver) -> Camera:
    assert isinstance(driver, Camera)
    return driver


class Keyboard(Plugged, HidDriver):
    """Types on a host that has Caps Lock."""

    name = "keyboard"
    Options: ClassVar[type[DriverOptions]] = PlaceOptions
    capabilities = Capability.KEYBOARD | Capability.LEDS

    def __init__(self, options: DriverOptions | None = None, device: Device | None = None) -> None:  # noqa: ARG002
        super().__init__()
        self.host = True
        self.leds = self.told = Leds()
        self.told_of_host = True

    def open(self) -> None:
        self.must_be_there()
        self.change(is_open=True, told_of_host=True)
        self.told = self.leds

    def send(self, report: Report) -> None:
        if self.kind(report) not in self.capabilities:
            raise Unsupported(f"there is no {self.kind(report).name}")
        self.take(report)

    @staticmethod
    def kind(report: Report) -> Capability:
        """Return what is needed for a report."""
        return next(capability for capability, each in hid.NEEDED if type(each) is type(report))

    def take(self, report: Report) -> None:
        self.check()
        self.need_host()
        if isinstance(report, KeyboardReport) and CAPS_LOCK in report.keys:
            self.change(leds=Leds(caps=not self.leds.caps))

    def need_host(self) -> None:
        if not self.host:
            raise HidOffline("the host is off")

    def watch(self, timeout: float) -> bool:
        self.wait_for(self.has_news, timeout)
        self.check()
        self.told_of_host = self.host
        self.need_host()
        before, self.told = self.told, self.leds
        return before != self.told

    def has_news(self) -> bool:
        return not self.plugged or self.host != self.told_of_host or self.leds != self.told

    def status(self) -> HidStatus:
        return HidStatus("a keyboard", self.host, self.leds if self.host else None)

    def close(self) -> None:
        self.change(is_open=False)


class OnTheKeyboard(HidConformance):
    """The suite, told how to pull the keyboard's cables."""

    lock_key = CAPS_LOCK
    waits: ClassVar[Sequence[float]] = (0.2, 1, 4)

    @pytest.fixture
    def driver(self) -> Keyboard:
        return Keyboard()

    def unplug(self, driver: HidDriver) -> None:
        keyboard(driver).change(host=False)

    def plug(self, driver: HidDriver) -> None:
        keyboard(driver).change(host=True)

    def remove(self, driver: HidDriver) -> None:
        keyboard(driver).change(plugged=False)

    def insert(self, driver: HidDriver) -> None:
        keyboard(driver).change(plugged=True)


def keyboard(driver: HidDriver) -> Keyboard:
    assert isinstance(driver, Keyboard)
    return driver


class Panel(Plugged, PowerDriver):
    """Presses buttons, and sees lamps."""

    name = "panel"
    Options: ClassVar[type[DriverOptions]] = PlaceOptions
    capabilities = ~PowerCapability(0) & ~PowerCapability.WAKE

    def __init__(self, options: DriverOptions | None = None, device: Device | None = None) -> None:  # noqa: ARG002
        super().__init__()
        self.down: set[PowerButton] = set()
        self.lamps = self.told = PowerCapability(0)

    def open(self) -> None:
        self.must_be_there()
        self.is_open = True
        self.release()

    def release(self) -> None:
        self.down.clear()

    def press(self, button: PowerButton, seconds: float) -> None:
        if power.BUTTONS[button] not in self.capabilities:
            super().press(button, seconds)
        self.check()
        self.down.add(button)
        try:
            self.wait(seconds)
        finally:
            self.release()
        self.check()

    def wait(self, seconds: float) -> None:
        self.wait_for(lambda: not (self.is_open and self.plugged), seconds)

    def watch(self, timeout: float) -> bool:
        self.wait_for(lambda: not self.plugged or self.lamps != self.told, timeout)
        self.check()
        before, self.told = self.told, self.lamps
        return before != self.told

    def status(self) -> PowerStatus:
        return PowerStatus("a panel", PowerCapability.POWER_LAMP in self.lamps, PowerCapability.DISK_LAMP in self.lamps)

    def close(self) -> None:
        self.change(is_open=False)


class Wakes(Panel):
    """It has neither buttons nor lamps, and says so in the right way."""

    capabilities = PowerCapability.WAKE

    def wake(self) -> None:
        self.check()

    def status(self) -> PowerStatus:
        return PowerStatus("a network")


class OnThePanel(PowerConformance):
    """The suite, told how to look at the panel and what to do to it."""

    hold = 0.1

    @pytest.fixture
    def driver(self) -> Panel:
        return Panel()

    def pressed(self, driver: PowerDriver, button: PowerButton) -> bool | None:
        return button in panel(driver).down

    def leave_pressed(self, driver: PowerDriver, button: PowerButton) -> None:
        panel(driver).down.add(button)

    def light(self, driver: PowerDriver, lamp: PowerCapability, on: bool) -> None:
        lamps = panel(driver).lamps
        panel(driver).change(lamps=lamps | lamp if on else lamps & ~lamp)

    def unplug(self, driver: PowerDriver) -> None:
        panel(driver).change(plugged=False)

    def plug(self, driver: PowerDriver) -> None:
        panel(driver).change(plugged=True)


def panel(driver: PowerDriver) -> Panel:
    assert isinstance(driver, Panel)
    return driver
