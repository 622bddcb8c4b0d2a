"""Which driver fills a role: wrong settings are named, and the best one for what is plugged in is chosen."""

from collections.abc import Iterable
from typing import Any

import pytest

from kvmd.contract.device import Device, DeviceOptions, DriverOptions
from kvmd.contract.roles import CAPTURE, HID
from kvmd.contract.settings import RoleSettings
from kvmd.errors import DeviceAbsent
from kvmd.plugins import choice as choices
from kvmd.plugins.choice import Choice, RoleReport
from kvmd.plugins.registry import Registry
from tests.kvmd.plugins.fake_drivers import CAMERA, DONGLE, HIDG, TWIN, UDC, Dongle, Stranger, Webcam, refusal


def capture(fakes: Registry, driver: str = "auto", **options: Any) -> Choice[Any]:
    return fakes.choose(CAPTURE, RoleSettings(driver, options), "kvmd.toml")


class TestSettings:
    def test_unknown_driver(self, fakes: Registry) -> None:
        assert refusal(capture, fakes, "v4l") == (
            'kvmd.toml: capture.driver = "v4l" cannot be used; accepted: "auto", "webcam", "dongle", "stranger"'
        )
        assert refusal(fakes.choose, HID, RoleSettings("webcam"), "board acme") == (
            'board acme: hid.driver = "webcam" cannot be used; accepted: "auto", "typist"'
        )

    def test_unknown_option(self, fakes: Registry) -> None:
        assert refusal(capture, fakes, "dongle", size=1) == (
            "kvmd.toml: capture.options.size is not known; there are: colour, device, name, path, serial, usb_id"
        )

    def test_wrong_option(self, fakes: Registry) -> None:
        assert refusal(capture, fakes, "dongle", colour=3) == (
            "kvmd.toml: capture.options.colour = 3 cannot be used; accepted: text"
        )

    def test_no_driver_has_the_option(self, fakes: Registry) -> None:
        assert "capture.options.size is not known" in refusal(capture, fakes, size=1)

    def test_no_driver_at_all(self) -> None:
        with pytest.raises(DeviceAbsent, match=r"^no hid device is plugged in, and no .*: set hid.driver$"):
            Registry([]).choose(HID, RoleSettings(), "kvmd.toml").make()


class TestChoice:
    def test_scores_decide(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [CAMERA, DONGLE]
        driver = capture(fakes).make()
        assert (type(driver), driver.device) == (Dongle, DONGLE)

    def test_what_is_there_decides(self, fakes: Registry, plugged_in: list[Device]) -> None:
        choice = capture(fakes)
        plugged_in.append(CAMERA)
        driver = choice.make()
        assert (type(driver), driver.device, driver.options) == (Webcam, CAMERA, DeviceOptions())

    def test_devices_are_listed_when_there_is_a_change_and_else_seldom(
        self, fakes: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = []

        def list_devices(names: Iterable[str]) -> list[Device]:
            listed.append(names)
            return [DONGLE]

        monkeypatch.setattr(choices, "list_devices", list_devices)
        choice = capture(fakes)
        assert [choice.pick().device for _ in range(3)] == [DONGLE] * 3
        assert len(listed) == 1
        choice.changed()
        choice.pick()
        assert len(listed) == 2
        monkeypatch.setattr(choices, "RELIST", -1)
        choice.pick()
        assert len(listed) == 3

    def test_a_change_while_devices_are_listed_is_not_missed(
        self, fakes: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        present: list[Device] = []
        choice = capture(fakes)

        def list_devices(_names: Iterable[str]) -> list[Device]:
            found = list(present)
            if not present:
                present.append(DONGLE)
                choice.changed()
            return found

        monkeypatch.setattr(choices, "list_devices", list_devices)
        with pytest.raises(DeviceAbsent):
            choice.pick()
        assert choice.pick().device is DONGLE

    def test_the_first_of_equals(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [DONGLE, TWIN]
        assert capture(fakes).make().device is DONGLE

    def test_it_is_told(self, fakes: Registry, plugged_in: list[Device]) -> None:
        choice = fakes.choose(CAPTURE, RoleSettings(), "kvmd.toml")
        assert choice.report() == RoleReport(None, None, "no capture device is plugged in")
        plugged_in += [DONGLE]
        choice.changed()
        assert choice.report() == RoleReport("dongle", "video1 (/dev/video1)", None)
        assert choice.pick().device is DONGLE
        assert fakes.choose(CAPTURE, RoleSettings("stranger"), "x").report() == RoleReport("stranger", None, None)

    def test_nothing_is_there(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [UDC, HIDG]
        with pytest.raises(DeviceAbsent, match=r"^no capture device is plugged in$"):
            capture(fakes).make()

    def test_options_that_nothing_has_are_told(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [CAMERA]
        with pytest.raises(DeviceAbsent, match=r"^no capture device with these options is plugged in$"):
            capture(fakes, serial="another").make()

    def test_a_node_beside_a_device_is_no_reason(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in.append(HIDG)
        choice: Choice[Any] = fakes.choose(HID, RoleSettings(), "kvmd.toml")
        with pytest.raises(DeviceAbsent, match=r"^no hid device is plugged in$"):
            choice.make()
        plugged_in.append(UDC)
        choice.changed()
        assert choice.make().device is UDC

    def test_auto_never_takes_a_driver_without_devices(self, fakes: Registry, plugged_in: list[Device]) -> None:
        del plugged_in[:]
        with pytest.raises(DeviceAbsent):
            capture(fakes).make()
        assert type(capture(fakes, "stranger").make()) is Stranger

    def test_a_driver_without_devices_gets_none(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in.append(CAMERA)
        driver = capture(fakes, "stranger").make()
        assert (driver.device, driver.options) == (None, DriverOptions())

    def test_named(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [CAMERA, DONGLE]
        assert type(capture(fakes, "webcam").make()) is Webcam

    def test_options_decide(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [CAMERA, DONGLE, TWIN]
        driver = capture(fakes, serial="b").make()
        assert (type(driver), driver.device) == (Dongle, TWIN)
        assert capture(fakes, name="video0").make().device is CAMERA

    def test_only_drivers_with_the_option_are_asked(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in.append(CAMERA)
        with pytest.raises(DeviceAbsent, match=r"^no capture device with these options is plugged in$"):
            capture(fakes, colour="blue").make()

    def test_node(self, fakes: Registry, plugged_in: list[Device]) -> None:
        plugged_in += [CAMERA, DONGLE]
        driver = capture(fakes, device="/dev/video0").make()
        assert (type(driver), driver.device) == (Webcam, CAMERA)
        assert type(capture(fakes, device="/dev/video1").make()) is Dongle

    def test_node_that_no_row_accepts(self, fakes: Registry, plugged_in: list[Device]) -> None:
        """Who names driver and node gets them, udev's properties or not."""
        plugged_in.append(Device("video4linux", "video9", node="/dev/video9"))
        driver = capture(fakes, "dongle", device="/dev/video9").make()
        assert driver.device.name == "video9"

    @pytest.mark.parametrize("node", ["/dev/video7", "/dev/hidg0"])
    def test_node_that_is_none(self, fakes: Registry, plugged_in: list[Device], node: str) -> None:
        plugged_in += [CAMERA, HIDG]
        with pytest.raises(DeviceAbsent, match=f"^no capture device: {node} does not exist or is none$"):
            capture(fakes, device=node).make()
