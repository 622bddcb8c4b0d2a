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
from kvmd.contract.device import Device
from kvmd.contract.roles import CAPTURE, HID
from kvmd.errors import ConfigError
from kvmd.kvm import Kvm
from kvmd.plugins.courier import ROOM
from kvmd.plugins.hookspecs import Event
from kvmd.plugins.registry import Broken, Registry
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
        heard: list[Event] = []
        events = [Event("capture", "online", str(number)) for number in range(20)]
        good = plugin("a", kvmd_event=lambda event: heard.append(event))
        told = Registry([plugin("b", kvmd_event=lambda event: 1 / 0), good])
        for event in events:
            told.emit(event)
        assert take(told.ending()) == {}
        assert heard == events
        assert [record.getMessage() for record in caplog.records] == ["plug-in b: kvmd_event() failed"] * 20

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
