"""A registry of drivers that need no hardware, and what is plugged in."""

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from kvmd.contract.device import Device
from kvmd.plugins import choice as choices
from kvmd.plugins import registry
from kvmd.plugins.hookspecs import hookimpl
from kvmd.plugins.registry import Registry
from tests.kvmd.plugins.fake_drivers import (
    Dongle,
    Stranger,
    Typist,
    Webcam,
)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """Make a module with these hooks, and with what else it has, importable, and return its entry point."""

    def plugin(name: str, *, marks: Mapping[str, object] | None = None, **hooks: Callable[..., object]) -> EntryPoint:
        module = ModuleType(f"plugin_{name}")
        vars(module).update(marks or {})
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
