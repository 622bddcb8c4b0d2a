"""Plug-ins: what is installed is found, and what is broken is reported."""

# ruff: noqa: ARG001, ARG005, PIE807, PLW0108  # a hook is called by the names of its arguments, used or not

import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from flask import Blueprint

from kvmd.contract.board import Board, KnownBy
from kvmd.contract.capture import CaptureDriver
from kvmd.contract.device import Device, DeviceOptions, DriverOptions
from kvmd.contract.driver import BaseDriver
from kvmd.contract.number import CONTRACT
from kvmd.contract.reports import Broken
from kvmd.contract.roles import CAPTURE, HID
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, Unavailable
from kvmd.kvm import Kvm
from kvmd.plugins import loading
from kvmd.plugins.checks import MARK
from kvmd.plugins.courier import ROOM
from kvmd.plugins.hookspecs import Event, hookimpl
from kvmd.plugins.loading import installed
from kvmd.plugins.registry import Registry
from kvmd.system.ending import take
from tests.kvmd.plugins.fake_drivers import (
    CAMERA,
    DONGLE,
    HIDG,
    UDC,
    Dongle,
    Fake,
    Stranger,
    Webcam,
    refusal,
)
from tests.waiting import eventually

KVM = Kvm.__new__(Kvm)
"""Handed to hooks, and never used."""


class NeedsPin(DriverOptions, frozen=True, forbid_unknown_fields=True):
    pin: int


class BadTypes(DriverOptions, frozen=True, forbid_unknown_fields=True):
    speed: "Baud" = 1  # type: ignore[name-defined]  # noqa: F821  # as in a module that imports it for types alone


def fake(**fields: object) -> type[Fake]:
    """Make a driver that says this of itself."""
    return type("Bad", (Fake,), {"__module__": "plugin", **fields})


class Pedal:
    """A service."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


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

    def test_files_that_a_plugin_brings_and_cannot_read_are_its_own_failure(
        self, plugin: Callable[..., EntryPoint]
    ) -> None:
        def refuse() -> None:
            raise ConfigError("acme.toml: title is missing; accepted: text")

        found = Registry([plugin("acme", kvmd_boards=refuse)])
        assert found.boards() == []
        assert found.broken == [Broken("acme", "kvmd_boards: ConfigError: acme.toml: title is missing; accepted: text")]

    def test_services_of_a_plugin_that_fails_are_left_out(self, plugin: Callable[..., EntryPoint]) -> None:
        def fail(kvm: Kvm) -> None:
            raise OSError("no bus")

        service = Pedal()
        found = Registry([plugin("a", kvmd_services=fail), plugin("b", kvmd_services=lambda kvm: [service])])
        assert found.services(KVM) == [("b", service)]
        assert found.broken == [Broken("a", "kvmd_services: OSError: no bus")]

    def test_a_module_that_ends_the_program_does_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "plugin_that_exits.py").write_text("raise SystemExit(1)")
        monkeypatch.syspath_prepend(tmp_path)
        found = Registry([EntryPoint("exit", "plugin_that_exits", "kvmd")])
        assert [broken.name for broken in found.broken] == ["exit"]

    @pytest.mark.parametrize(
        ("marks", "reason"),
        [
            (
                {"KVMD_CONTRACT": CONTRACT + 1},
                f"it was made for contract {CONTRACT + 1}, and this kvmd has {CONTRACT}",
            ),
            ({"KVMD_CONTRACT": "1"}, f"KVMD_CONTRACT = '1' is no contract's number: those are 1 to {CONTRACT}"),
            ({"KVMD_CONTRACT": 0}, f"KVMD_CONTRACT = 0 is no contract's number: those are 1 to {CONTRACT}"),
            (
                {"kvmd_driver": hookimpl(lambda: [])},
                "there is no hook kvmd_driver; there are: kvmd_blueprints, kvmd_boards",
            ),
            ({"kvmd_boards": list}, "kvmd_boards has no @hookimpl"),
            ({"kvmd_drivers": hookimpl(lambda speed: [])}, "kvmd_drivers() has no argument speed; there are: none"),
            ({"kvmd_event": hookimpl(lambda events: None)}, "kvmd_event() has no argument events; there are: event"),
        ],
        ids=["newer contract", "text", "zero", "unknown hook", "bare hook", "unknown argument", "misspelt argument"],
    )
    def test_one_that_does_not_fit_is_reported_and_the_rest_work(
        self, plugin: Callable[..., EntryPoint], marks: dict[str, object], reason: str
    ) -> None:
        found = Registry([plugin("bad", marks=marks), plugin("good", kvmd_drivers=lambda: [Webcam])])
        assert [broken.name for broken in found.broken] == ["bad"]
        assert found.broken[0].reason.startswith(reason)
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]

    def test_one_may_know_hooks_of_the_future(self, plugin: Callable[..., EntryPoint]) -> None:
        marks = {"KVMD_CONTRACT": CONTRACT, "kvmd_media": hookimpl(optionalhook=True)(lambda disc: [])}
        found = Registry([plugin("modern", marks=marks, kvmd_drivers=lambda: [Webcam])])
        assert (found.broken, list(found.drivers_of(CAPTURE))) == ([], ["webcam"])

    def test_one_that_is_switched_off_is_not_even_imported(self, caplog: pytest.LogCaptureFixture) -> None:
        found = Registry([EntryPoint("gone", "plugin_that_is_not_there", "kvmd")], disabled=["gone", "never"])
        found.check_plugins(["gone"], "kvmd.toml")
        assert found.broken == []
        assert caplog.messages == ["kvmd.toml: disabled_plugins names never, which is not installed"]

    def test_a_second_plugin_of_one_name(self, plugin: Callable[..., EntryPoint]) -> None:
        first, second = plugin("acme", kvmd_drivers=lambda: [Webcam]), EntryPoint("acme", "another_acme", "kvmd")
        found = Registry([first, second])
        assert found.broken == [Broken("acme", "another_acme: the name is taken by plugin_acme")]
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]

    def test_the_bundled_ones_are_made_for_the_contract_that_there_is(self) -> None:
        for point in installed(bundled_only=True):
            assert getattr(point.load(), MARK, 1) == CONTRACT

    def test_the_bundled_ones_keep_their_names(self, plugin: Callable[..., EntryPoint]) -> None:
        """Whoever comes before them in the alphabet."""

        class Shadow(Fake):
            name = "v4l2"

        found = Registry([plugin("a", kvmd_drivers=lambda: [Shadow]), *installed(bundled_only=True)])
        assert found.broken == [Broken("a", 'driver "v4l2": the name is taken by the plug-in v4l2')]

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Webcam.__init__, "an object of builtins.function derives from none of CaptureDriver, HidDriver, PowerDr"),
            (BaseDriver, "kvmd.contract.driver.BaseDriver derives from none of CaptureDriver, HidDriver, PowerDriver"),
            (CaptureDriver, "kvmd.contract.capture.CaptureDriver lacks __init__, close, frames, open, status"),
            (fake(name="My Driver"), "plugin.Bad.name = 'My Driver': a name has small letters, digits and underscores"),
            (fake(Options=dict), "plugin.Bad.Options does not derive from DriverOptions"),
            (
                fake(Options=NeedsPin),
                "plugin.Bad.Options cannot be made of no options: Object missing required field",
            ),
            (fake(Options=BadTypes), "plugin.Bad.Options cannot be made of no options: "),
            (fake(matches="video4linux"), "plugin.Bad.matches is no list of Match"),
            (fake(matches=["video4linux"]), "plugin.Bad.matches is no list of Match"),
            (fake(wakes="gpio"), "plugin.Bad.wakes is no list of names"),
        ],
        ids=["no class", "no role", "abstract", "name", "options", "needs one", "types", "matches", "match", "wakes"],
    )
    def test_what_is_no_driver_is_reported_and_the_rest_work(
        self, plugin: Callable[..., EntryPoint], answer: object, reason: str
    ) -> None:
        found = Registry([plugin("bad", kvmd_drivers=lambda: [answer, Webcam])])
        assert [broken.name for broken in found.broken] == ["bad"]
        assert found.broken[0].reason.startswith(f"kvmd_drivers: {reason}")
        assert list(found.drivers_of(CAPTURE)) == ["webcam"]

    def test_one_that_hangs_is_waited_for_once(
        self, plugin: Callable[..., EntryPoint], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "PATIENCE", 0.05)
        gate = threading.Event()
        asked: list[str] = []
        hooks = {"kvmd_drivers": lambda: gate.wait(), "kvmd_boards": lambda: asked.append("boards")}
        found = Registry([plugin("a", **hooks)])
        assert found.boards() == []
        assert asked == []
        assert found.broken == [Broken("a", "kvmd_drivers: kvmd_drivers() did not come back within 0.05 s")]
        gate.set()

    def test_a_driver_that_cannot_say_whether_it_works_is_left_out(self, plugin: Callable[..., EntryPoint]) -> None:
        faulty = type("Faulty", (Dongle,), {"problem": classmethod(lambda cls: 1 / 0)})
        found = Registry([plugin("a", kvmd_drivers=lambda: [faulty]), plugin("b", kvmd_drivers=lambda: [Webcam])])
        chosen = [driver for driver, _ in found.choose(CAPTURE, RoleSettings(), "kvmd.toml")._drivers]
        assert chosen == [Webcam]
        what = "problem() of the driver dongle"
        assert found.broken == [Broken("a", f"{what}: ZeroDivisionError: division by zero")]
        assert found.problem(faulty) == f"{what} failed: division by zero"

    def test_a_driver_that_cannot_choose_a_device_keeps_no_other_from_it(
        self, plugin: Callable[..., EntryPoint], plugged_in: list[Device]
    ) -> None:
        class Options(DeviceOptions, frozen=True):
            def selects(self, device: Device) -> bool:
                raise LookupError(f"no such {device.subsystem}")

        faulty = type("Faulty", (Dongle,), {"Options": Options})
        found = Registry([plugin("a", kvmd_drivers=lambda: [faulty]), plugin("b", kvmd_drivers=lambda: [Webcam])])
        plugged_in.append(DONGLE)
        auto = found.choose(CAPTURE, RoleSettings(), "kvmd.toml")
        assert [auto.pick().driver for _ in range(2)] == [Webcam] * 2
        reason = "LookupError: no such video4linux"
        assert found.broken == [Broken("a", f"the driver dongle cannot choose a device: {reason}")]
        with pytest.raises(LookupError):
            found.choose(CAPTURE, RoleSettings("dongle"), "kvmd.toml").pick()

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
        assert found.broken == [Broken("b", 'driver "webcam": the name is taken by the plug-in a')]

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
        assert found.blueprints(KVM) == [("a", pages)]
        assert found.commands() == [command]

    def test_a_board_whose_name_is_taken(self, plugin: Callable[..., EntryPoint]) -> None:
        first, second = (Board("acme", title, KnownBy(model="Acme")) for title in ("Acme", "Acme again"))
        found = Registry([plugin("b", kvmd_boards=lambda: [second, "acme"]), plugin("a", kvmd_boards=lambda: [first])])
        assert found.boards() == [first]
        assert found.broken == [
            Broken("b", "kvmd_boards: an object of builtins.str is no Board"),
            Broken("b", 'board "acme": the name is taken by the plug-in a'),
        ]

    def test_one_that_cannot_judge_a_login_is_named(self, plugin: Callable[..., EntryPoint]) -> None:
        found = Registry([plugin("ldap", kvmd_verify_password=lambda user, password: 1 / 0)])
        with pytest.raises(Unavailable):
            found.verify_password("me", "secret")
        assert found.broken == [Broken("ldap", "kvmd_verify_password: ZeroDivisionError: division by zero")]

    def test_the_first_verdict_on_a_password_counts(self, plugin: Callable[..., EntryPoint]) -> None:
        none = plugin("a", kvmd_verify_password=lambda user, password: None)
        some = plugin("b", kvmd_verify_password=lambda user, password: (user, password) == ("me", "secret"))
        assert Registry([none]).verify_password("me", "secret") is None
        assert Registry([none, some]).verify_password("me", "secret") is True
        assert Registry([none, some]).verify_password("me", "wrong") is False

    def test_events_reach_plugins_and_a_failing_one_is_logged(
        self, plugin: Callable[..., EntryPoint], caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[Event] = []
        events = [Event("capture", "online", str(number)) for number in range(20)]
        good = plugin("a", kvmd_event=lambda event: heard.append(event))
        told = Registry([plugin("b", kvmd_event=lambda event: 1 / 0), good])
        for event in events:
            told.emit(event)
        assert take(told.ending()) == {}
        assert heard == events
        assert [record.getMessage() for record in caplog.records] == ["plug-in b: kvmd_event() failed"] * 20
        assert told.broken == [Broken("b", "kvmd_event: ZeroDivisionError: division by zero")]

    def test_a_plugin_that_hangs_on_an_event_holds_up_nobody_and_costs_no_memory(
        self, plugin: Callable[..., EntryPoint], caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[Event] = []
        gate = threading.Event()
        hanging = plugin("a", kvmd_event=lambda event: gate.wait())
        told = Registry([hanging, plugin("b", kvmd_event=lambda event: heard.append(event))])
        for number in range(ROOM + 50):
            told.emit(event := Event("capture", "online", str(number)))
            eventually(partial(heard.__contains__, event), "the other plug-in to hear of it")
        [full] = [record.getMessage() for record in caplog.records]
        assert full == f"plug-in a: {ROOM} calls of kvmd_event() wait; it misses what happens now"
        assert [pulse.name for pulse in told.pulses if pulse.last] == ["plug-in a"]
        gate.set()
        assert take(told.ending()) == {}
