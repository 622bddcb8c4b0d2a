"""Plug-ins: what is installed is found, what is broken is reported, and the best driver for what is there is chosen."""

# ruff: noqa: ARG001, ARG002, ARG005, PIE807, PLW0108  # a hook is called by the names of its arguments, used or not

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import click
import pytest
from flask import Blueprint
from msgspec import Meta

from kvmd.contract.board import Board, KnownBy
from kvmd.contract.capture import CaptureDriver, CaptureStatus, Frame
from kvmd.contract.device import Device, DeviceOptions, DriverOptions, Match
from kvmd.contract.hid import Capability, HidDriver, HidStatus, Report
from kvmd.contract.roles import CAPTURE, HID
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, DeviceAbsent
from kvmd.kvm import Kvm
from kvmd.plugins import choice as choices
from kvmd.plugins import registry
from kvmd.plugins.choice import Choice, RoleReport
from kvmd.plugins.hookspecs import Event, hookimpl
from kvmd.plugins.registry import Broken, Registry

KVM = Kvm.__new__(Kvm)
"""Handed to hooks, and never used."""


class Fake(CaptureDriver):
    """A driver whose hardware is never touched."""

    name = "fake"

    def __init__(self, options: DriverOptions, device: Device | None) -> None:
        self.options = options
        self.device = device

    def open(self) -> None: ...
    def close(self) -> None: ...

    def frames(self) -> Iterator[Frame]:
        raise NotImplementedError

    def status(self) -> CaptureStatus:
        raise NotImplementedError


class ColourOptions(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    colour: Annotated[str, Meta(description="Any.")] = "red"


class Webcam(Fake):
    name = "webcam"
    Options = DeviceOptions
    matches = (Match("video4linux", score=20), Match("video4linux", {"ID_VENDOR_ID": "1111"}, score=70))


class Dongle(Fake):
    name = "dongle"
    Options = ColourOptions
    matches = (Match("video4linux", {"ID_VENDOR_ID": "534d"}, score=80), Match("media", score=0))


class Stranger(Fake):
    name = "stranger"


class Typist(HidDriver):
    name = "typist"
    capabilities = Capability.KEYBOARD
    matches = (Match("udc", score=50), Match("hidg", score=0))

    def __init__(self, options: DriverOptions, device: Device | None) -> None:
        self.device = device

    def open(self) -> None: ...
    def send(self, report: Report) -> None: ...
    def close(self) -> None: ...

    def watch(self, timeout: float) -> bool:
        raise NotImplementedError

    def status(self) -> HidStatus:
        raise NotImplementedError


CAMERA = Device("video4linux", "video0", "/sys/0", "/dev/video0", {"ID_VENDOR_ID": "2222"})
DONGLE = Device("video4linux", "video1", "/sys/1", "/dev/video1", {"ID_VENDOR_ID": "534d", "ID_SERIAL_SHORT": "a"})
TWIN = Device("video4linux", "video2", "/sys/2", "/dev/video2", {"ID_VENDOR_ID": "534d", "ID_SERIAL_SHORT": "b"})
UDC = Device("udc", "dummy_udc.0", "/sys/3")
HIDG = Device("hidg", "hidg0", "/sys/4", "/dev/hidg0")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """Make a module with these hooks importable, and return its entry point."""

    def plugin(name: str, **hooks: Callable[..., object]) -> EntryPoint:
        module = ModuleType(f"plugin_{name}")
        for hook, function in hooks.items():
            setattr(module, hook, hookimpl(function))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, "kvmd")

    return plugin


@pytest.fixture
def fakes(plugin: Callable[..., EntryPoint]) -> Registry:
    """A registry with drivers that need no hardware."""
    return Registry(
        [
            plugin("cameras", kvmd_drivers=lambda: [Webcam, Dongle, Stranger]),
            plugin("hid", kvmd_drivers=lambda: [Typist]),
        ]
    )


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """Say what is plugged in: udev's answers, for the subsystems that were asked for."""
    devices: list[Device] = []
    for module in (registry, choices):
        monkeypatch.setattr(module, "list_devices", lambda names: [d for d in devices if d.subsystem in names])
    monkeypatch.setattr(choices, "device_at", lambda node: next((d for d in devices if d.node == node), None))
    return devices


def capture(fakes: Registry, driver: str = "auto", **options: Any) -> Choice[Any]:
    return fakes.choose(CAPTURE, RoleSettings(driver, options), "kvmd.toml")


def refusal(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*args, **kwargs)
    return str(raised.value)


class TestLoading:
    def test_the_bundled_drivers_are_installed_like_any_others(self) -> None:
        installed = Registry()
        assert installed.broken == []
        assert {"v4l2", "virtual"} <= set(installed.drivers_of(CAPTURE))
        assert {"usb_gadget", "virtual"} <= set(installed.drivers_of(HID))
        assert "gadget" in {command.name for command in installed.commands()}

    def test_a_module_that_fails_is_reported_and_the_rest_work(
        self,
        plugin: Callable[..., EntryPoint],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        (tmp_path / "plugin_that_raises.py").write_text("raise RuntimeError('no libcamera here')")
        monkeypatch.syspath_prepend(tmp_path)
        found = Registry(
            [
                EntryPoint("bad", "plugin_that_raises", "kvmd"),
                EntryPoint("gone", "plugin_that_is_not_there", "kvmd"),
                plugin("good", kvmd_drivers=lambda: [Webcam]),
            ]
        )
        assert found.broken == [
            Broken("bad", "RuntimeError: no libcamera here"),
            Broken("gone", "ModuleNotFoundError: No module named 'plugin_that_is_not_there'"),
        ]
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]
        assert "plug-in bad cannot be used: RuntimeError: no libcamera here" in caplog.messages

    def test_names_of_plugins_are_known_be_they_broken(self, plugin: Callable[..., EntryPoint]) -> None:
        found = Registry([plugin("good"), EntryPoint("gone", "plugin_that_is_not_there", "kvmd")])
        found.check_plugins(["good", "gone"], "kvmd.toml")
        said = refusal(found.check_plugins, ["good", "godo"], "kvmd.toml")
        assert said == "kvmd.toml: plugins.godo is not known; there are: gone, good"

    def test_settings_that_a_plugin_refuses_are_the_users_and_not_its_own_failure(
        self, plugin: Callable[..., EntryPoint]
    ) -> None:
        def refuse(kvm: Kvm) -> None:
            raise ConfigError("kvmd.toml: plugins.strict.x is not known; there are: no options")

        found = Registry([plugin("strict", kvmd_services=refuse)])
        assert refusal(found.services, KVM).startswith("kvmd.toml: plugins.strict.x")
        assert found.broken == []

    def test_services_of_a_plugin_that_fails_are_left_out(self, plugin: Callable[..., EntryPoint]) -> None:
        def fail(kvm: Kvm) -> None:
            raise OSError("no bus")

        service = object()
        found = Registry([plugin("a", kvmd_services=fail), plugin("b", kvmd_services=lambda kvm: [service])])
        assert found.services(KVM) == [service]
        assert found.broken == [Broken("a", "kvmd_services: OSError: no bus")]

    def test_a_module_that_ends_the_program_does_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(1)")
        monkeypatch.syspath_prepend(tmp_path)
        found = Registry([EntryPoint("exit", "plugin_that_exits", "kvmd")])
        assert [broken.name for broken in found.broken] == ["exit"]

    @pytest.mark.parametrize(
        ("hook", "function"),
        [("kvmd_driver", lambda: []), ("kvmd_drivers", lambda speed: []), ("kvmd_event", lambda events: None)],
        ids=["unknown hook", "unknown argument", "misspelt argument"],
    )
    def test_a_wrong_hook_is_reported_and_the_rest_work(
        self, plugin: Callable[..., EntryPoint], hook: str, function: Callable[..., object]
    ) -> None:
        found = Registry([plugin("bad", **{hook: function}), plugin("good", kvmd_drivers=lambda: [Webcam])])
        assert [broken.name for broken in found.broken] == ["bad"]
        assert hook in found.broken[0].reason
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]

    def test_a_hook_that_fails_is_reported_and_the_rest_work(self, plugin: Callable[..., EntryPoint]) -> None:
        def fail() -> None:
            raise RuntimeError("no such chip")

        found = Registry([plugin("bad", kvmd_drivers=fail), plugin("good", kvmd_drivers=lambda: [Webcam])])
        assert found.broken == [Broken("bad", "kvmd_drivers: RuntimeError: no such chip")]
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]

    def test_a_second_driver_of_one_name(self, plugin: Callable[..., EntryPoint]) -> None:
        class Second(Fake):
            name = "webcam"

        found = Registry([plugin("b", kvmd_drivers=lambda: [Second]), plugin("a", kvmd_drivers=lambda: [Webcam])])
        assert found.drivers_of(CAPTURE) == {"webcam": Webcam}
        assert found.broken == [Broken("webcam", f"a second driver of this name, in {__name__}")]

    def test_drivers_are_sorted_by_the_names_of_their_plugins(self, plugin: Callable[..., EntryPoint]) -> None:
        points = [plugin("b", kvmd_drivers=lambda: [Webcam]), plugin("a", kvmd_drivers=lambda: [Stranger, Dongle])]
        assert list(Registry(points).drivers_of(CAPTURE)) == ["stranger", "dongle", "webcam"]

    def test_subsystems_and_matching(self, fakes: Registry) -> None:
        assert fakes.subsystems() == {"video4linux", "media", "udc", "hidg"}
        assert fakes.matching(DONGLE) == ["dongle", "webcam"]
        assert fakes.matching(CAMERA) == ["webcam"]
        assert fakes.matching(HIDG) == []


class TestOtherHooks:
    def test_devices_are_what_is_plugged_in_or_has_a_driver(
        self, fakes: Registry, plugged_in: list[Device], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loopback = Device("video4linux", "video9", "/sys/devices/virtual/video4linux/video9", "/dev/video9")
        console = Device("udc", "console", "/sys/devices/virtual/tty/console")
        plugged_in += [DONGLE, loopback, UDC, HIDG, Device("media", "media0", "/sys/5", "/dev/media0")]
        assert [(device.name, device.drivers) for device in fakes.devices()] == [
            ("video1", ["dongle", "webcam"]),
            ("video9", ["webcam"]),
            ("dummy_udc.0", ["typist"]),
        ]
        fakes.drivers_of(HID).clear()
        monkeypatch.setattr(fakes, "subsystems", lambda: {"udc"})
        plugged_in.append(console)
        assert [(device.name, device.drivers) for device in fakes.devices()] == [("dummy_udc.0", [])]

    def test_boards_blueprints_and_commands(self, plugin: Callable[..., EntryPoint]) -> None:
        board = Board("acme", "Acme", KnownBy(model="Acme"))
        pages, command = Blueprint("acme", __name__), click.Command("acme")
        found = Registry(
            [
                plugin("a", kvmd_boards=lambda: [board], kvmd_blueprints=lambda kvm: [pages] if kvm is KVM else []),
                plugin("b", kvmd_boards=lambda: [], kvmd_commands=lambda: [command]),
            ]
        )
        assert found.boards() == [board]
        assert found.blueprints(KVM) == [pages]
        assert found.commands() == [command]

    def test_the_first_verdict_on_a_password_counts(self, plugin: Callable[..., EntryPoint]) -> None:
        none = plugin("a", kvmd_verify_password=lambda user, password: None)
        some = plugin("b", kvmd_verify_password=lambda user, password: (user, password) == ("me", "secret"))
        assert Registry([none]).verify_password("me", "secret") is None
        assert Registry([none, some]).verify_password("me", "secret") is True
        assert Registry([none, some]).verify_password("me", "wrong") is False

    def test_events_reach_plugins_and_a_failing_one_is_logged(
        self, plugin: Callable[..., EntryPoint], caplog: pytest.LogCaptureFixture
    ) -> None:
        heard = []
        event = Event("capture", "online", "webcam")
        Registry([plugin("a", kvmd_event=lambda event: heard.append(event))]).emit(event)
        assert heard == [event]
        failing = [plugin(name, kvmd_event=lambda event: 1 / 0) for name in ("b", "0")]
        Registry([*failing, plugin("a", kvmd_event=lambda event: heard.append(event))]).emit(event)
        assert heard == [event, event]
        assert [record.getMessage().split(" failed ")[0] for record in caplog.records] == ["plug-in 0", "plug-in b"]


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
        with pytest.raises(DeviceAbsent, match=r"^no hid device for typist is plugged in$"):
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
        with pytest.raises(DeviceAbsent, match=r"^no capture device for dongle with these options is plugged in$"):
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
