"""The conformance suite goes red: each faulty driver fails the test that is meant for its fault."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

import msgspec
import pytest

from kvmd import DriverOptions, HidOffline, KeyboardReport
from kvmd.contract.capture import CaptureStatus, Frame
from kvmd.contract.hid import HidDriver, Report
from kvmd.testing import CaptureConformance, HidConformance
from kvmd_drivers.virtual import VirtualCapture, VirtualHid

RED = (AssertionError, pytest.fail.Exception)
names = count()

Virtual = TypeVar("Virtual", VirtualCapture, VirtualHid)


def new(kind: type[Virtual]) -> Virtual:
    """Return a driver of its own virtual computer."""
    return kind(kind.Options(computer=f"conformance-{next(names)}"), None)


def frames_with(**changes: Callable[[Any], object]) -> type[VirtualCapture]:
    """Return a capture driver whose frames have these fields, given as functions of the right value."""

    class Faulty(VirtualCapture):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                fields = {name: change(getattr(frame, name)) for name, change in changes.items()}
                yield msgspec.structs.replace(frame, **fields)

    return Faulty


class EndsEarly(VirtualCapture):
    def frames(self) -> Iterator[Frame]:
        yield from ()


class ForgetsItsSignal(VirtualCapture):
    def status(self) -> CaptureStatus:
        return msgspec.structs.replace(super().status(), signal=None)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (frames_with(data=lambda data: data[:-1]), "test_frames_are_whole"),
        (frames_with(stride=lambda stride: stride // 2), "test_frames_are_whole"),
        (frames_with(sequence=lambda _: 7), "test_frames_are_in_order"),
        (frames_with(timestamp=lambda stamp: stamp + 1e9), "test_frames_are_in_order"),
        (frames_with(width=lambda width: width - 2), "test_status_agrees_with_frames"),
        (ForgetsItsSignal, "test_status_agrees_with_frames"),
        (EndsEarly, "test_frames_again"),
    ],
)
def test_a_faulty_capture_driver(kind: type[VirtualCapture], test: str) -> None:
    right, faulty = new(VirtualCapture), new(kind)
    for driver in (right, faulty):
        driver.open()
    getattr(CaptureConformance(), test)(right)
    with pytest.raises(RED):
        getattr(CaptureConformance(), test)(faulty)
    for driver in (right, faulty):
        driver.close()


class Spins(VirtualHid):
    def watch(self, timeout: float) -> bool:
        return super().watch(min(timeout, 0))


class AlwaysHasNews(VirtualHid):
    def watch(self, timeout: float) -> bool:
        super().watch(timeout)
        return True


class HidesThatTheHostIsGone(VirtualHid):
    def send(self, report: Report) -> None:
        try:
            super().send(report)
        except HidOffline:
            return


class Undeclared(VirtualHid):
    capabilities = VirtualHid.capabilities & ~VirtualHid.capabilities.ABSOLUTE_MOUSE


class MouseOnly(VirtualHid):
    """It has no keyboard, and says so in the right way."""

    capabilities = VirtualHid.capabilities.RELATIVE_MOUSE


class PullsItsCable(HidConformance):
    def unplug(self, driver: HidDriver) -> None:
        assert isinstance(driver, VirtualHid)
        driver._computer.plug_host(False)

    def plug(self, driver: HidDriver) -> None:
        assert isinstance(driver, VirtualHid)
        driver._computer.plug_host(True)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Spins, "test_watch_returns_in_time"),
        (AlwaysHasNews, "test_watch_returns_in_time"),
        (HidesThatTheHostIsGone, "test_host_lost_and_back"),
        (Undeclared, "test_what_is_declared_is_sent"),
    ],
)
def test_a_faulty_hid_driver(kind: type[VirtualHid], test: str) -> None:
    right, faulty = new(VirtualHid), new(kind)
    for driver in (right, faulty):
        driver.open()
    getattr(PullsItsCable(), test)(right)
    with pytest.raises(RED):
        getattr(PullsItsCable(), test)(faulty)
    for driver in (right, faulty):
        driver.close()


def test_what_is_not_declared_is_not_asked_for() -> None:
    driver = new(MouseOnly)
    driver.open()
    with pytest.raises(pytest.skip.Exception, match="KEYBOARD"):
        HidConformance().test_press_and_release(driver)
    driver.send(KeyboardReport())
    driver.close()


class Undocumented(DriverOptions, frozen=True, forbid_unknown_fields=True):
    speed: int = 1


@pytest.mark.parametrize(
    ("fields", "test"),
    [
        ({"name": "My Driver"}, "test_name_can_stand_in_settings"),
        ({"Options": Undocumented}, "test_options_are_documented"),
        ({"matches": ["video4linux"]}, "test_matches_are_a_table"),
        ({"close": lambda _: 1 / 0}, "test_close_needs_no_open"),
    ],
)
def test_a_faulty_declaration(fields: dict[str, object], test: str) -> None:
    right = new(VirtualHid)
    faulty = new(VirtualHid)
    faulty.__class__ = type("Faulty", (VirtualHid,), fields)
    getattr(HidConformance(), test)(right)
    with pytest.raises((*RED, ZeroDivisionError)):
        getattr(HidConformance(), test)(faulty)
