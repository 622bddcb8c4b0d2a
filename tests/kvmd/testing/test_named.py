"""The suite by name, without a line of code: the driver and its device are found, and what is wrong is said first."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from kvmd import BaseDriver, ConfigError, DeviceAbsent, KvmdError, Match, hookimpl
from kvmd.plugins.registry import Registry
from kvmd.testing import CaptureConformance, HidConformance, PowerConformance, named
from kvmd_drivers.virtual import VirtualCaptureOptions
from tests.kvmd.testing.simulated import Camera, Keyboard, Panel
from tests.process import NAME, install


class Plain(Camera):
    name = "acme"


class Pulled(Panel):
    """It looks for its device itself, and finds none."""

    name = "pulled"

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.plugged = False


class Known(Keyboard):
    """It is known by what is plugged in."""

    name = "known"
    matches = (Match("kvmd_none", {"ID_VENDOR_ID": "1d50"}), Match("kvmd_none"), Match("hidraw", score=0))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The drivers above, and a plug-in that is broken."""
    module = ModuleType("acme_drivers")
    vars(module)["kvmd_drivers"] = hookimpl(lambda: [Plain, Pulled, Known])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    names = {"acme": module.__name__, "gone": "plugin_that_is_not_there", "virtual": "kvmd_drivers.virtual"}
    return Registry([EntryPoint(name, value, "kvmd") for name, value in names.items()])


@pytest.fixture
def refusal(registry: Registry) -> Callable[..., str]:
    """What is said in the place of a suite."""

    def refusal(kind: type[KvmdError], name: str | None, *options: str) -> str:
        with pytest.raises(kind) as raised:
            list(named.suites(registry, name, options))
        return str(raised.value)

    return refusal


def test_a_driver_that_is_not_there(refusal: Callable[..., str]) -> None:
    there = "there are: acme, known, pulled, virtual; the plug-in gone cannot be used: ModuleNotFoundError: No module"
    assert refusal(ConfigError, "acmee").startswith(f'there is no driver "acmee"; {there}')
    assert refusal(ConfigError, None).startswith(f"name a driver with --driver; {there}")


def test_an_option_that_is_wrong(refusal: Callable[..., str]) -> None:
    assert refusal(ConfigError, "acme", "place") == "--options: place cannot be used; accepted: KEY=VALUE"
    unknown = "--options: capture.options.plaice is not known; there are: place"
    assert refusal(ConfigError, "acme", "plaice=here") == unknown
    wrong = refusal(ConfigError, "virtual", "frame_rate=fast")
    assert wrong.startswith("--options: ")
    assert "frame_rate" in wrong


def test_a_device_that_is_not_there(refusal: Callable[..., str]) -> None:
    looked_for = "looked for: kvmd_none with ID_VENDOR_ID=1d50; kvmd_none"
    assert refusal(DeviceAbsent, "known") == f"no hid device for known is plugged in; {looked_for}"
    assert refusal(DeviceAbsent, "pulled") == "it is not plugged in"


def test_the_suite_is_that_of_the_role(registry: Registry) -> None:
    [suite] = named.suites(registry, "acme", ["place=there"])
    assert (suite.__name__, suite.__mro__[1]) == ("TestPlain", CaptureConformance)


def test_a_name_in_several_roles_has_the_suite_of_each_that_has_the_options(registry: Registry) -> None:
    every = [suite.__mro__[1] for suite in named.suites(registry, "virtual", ["computer=named"])]
    assert every == [CaptureConformance, HidConformance, PowerConformance]
    some = [suite.__mro__[1] for suite in named.suites(registry, "virtual", ["computer=named", "frame_rate=5"])]
    assert some == [CaptureConformance]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [("computer", "5", "5"), ("computer", "/dev/a b", "/dev/a b"), ("frame_rate", "5", 5), ("frame_rate", "x", "x")],
)
def test_values_are_texts_where_texts_will_do(key: str, text: str, value: object) -> None:
    kind = type("Any", (BaseDriver,), {"Options": VirtualCaptureOptions})
    assert named._value(kind, key, text) == value


PLUGIN = f"""
from kvmd import hookimpl
from kvmd_drivers.virtual import VirtualCapture
import msgspec

class Acme(VirtualCapture):
    name = "{NAME}"
    def frames(self):
        for frame in super().frames():
            yield msgspec.structs.replace(frame, sequence=7)

@hookimpl
def kvmd_drivers():
    return [Acme]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """pytest, far from our checkout, as a vendor runs it whose package is installed."""
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path, PLUGIN)))
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "kvmd.testing", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_a_vendor_runs_it_by_name(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    ran = run("--driver", NAME, "--options", "computer=vendor", "-k", "order or again")
    assert ran.returncode == 1, ran.stderr
    assert "1 failed, 2 passed" in ran.stdout
    assert "E       AssertionError: sequence does not rise: [7, 7, 7, 7, 7, 7, 7, 7, 7, 7]" in ran.stdout
    assert "E       The contract asks for it in kvmd.contract.capture.Frame." in ran.stdout


def test_what_is_wrong_is_an_error_of_usage(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {"driver": None, "options": []}
    for name, value in given.items():
        monkeypatch.setattr(pytestconfig.option, name, value, raising=False)
    with pytest.raises(pytest.UsageError, match=r"^name a driver with --driver; there are: "):
        named.pytest_configure(pytestconfig)
