"""The conformance suite of a driver that the command line names, as the daemon would make it."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from kvmd.contract.device import Match
from kvmd.contract.driver import BaseDriver
from kvmd.contract.roles import CAPTURE, HID, POWER, ROLES, Role
from kvmd.contract.settings import RoleSettings
from kvmd.errors import ConfigError, DeviceAbsent, KvmdError
from kvmd.plugins.choice import Choice
from kvmd.plugins.registry import Registry
from kvmd.system.config import convert
from kvmd.testing.capture import CaptureConformance
from kvmd.testing.driver import PATIENCE, DriverConformance, within
from kvmd.testing.hid import HidConformance
from kvmd.testing.power import PowerConformance

SUITES: Final[Mapping[str, type[DriverConformance]]] = {
    CAPTURE.name: CaptureConformance,
    HID.name: HidConformance,
    POWER.name: PowerConformance,
}
"""By the names of the roles."""

OPTIONS: Final = "--options"

_chosen = pytest.StashKey[Sequence[type[DriverConformance]]]()


def add_options(parser: pytest.Parser) -> None:
    """Add what says which driver is meant."""
    group = parser.getgroup("kvmd", "the conformance suite of kvmd's drivers")
    group.addoption("--driver", metavar="NAME", help="The driver to test, as `kvmd drivers` lists it.")
    group.addoption(
        OPTIONS,
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="The driver's options, as `kvmd drivers NAME` lists them.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the driver and its device, or say why not."""
    if config.option.help:
        return
    try:
        config.stash[_chosen] = list(suites(Registry(), config.option.driver, config.option.options))
    except KvmdError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the suites where this very file is met."""
    return _Suites.from_parent(parent, path=file_path) if file_path == Path(__file__) else None


class _Suites(pytest.Module):
    """The suites of the driver, one for each of its roles."""

    def collect(self) -> Iterator[pytest.Class]:
        for suite in self.config.stash[_chosen]:
            setattr(self.obj, suite.__name__, suite)
            yield pytest.Class.from_parent(self, name=suite.__name__)


def suites(registry: Registry, name: str | None, given: Iterable[str]) -> Iterator[type[DriverConformance]]:
    """Make the suite of each role that a driver of this name is for.

    :param given: options, each as ``KEY=VALUE``
    :raises ConfigError: there is no such driver, or no driver has these options
    :raises DeviceAbsent: its device is not there
    """
    pairs = dict(map(_pair, given))
    problem: ConfigError | None = None
    usable = []
    for role in _roles_of(registry, name):
        try:
            usable.append((role, _choose(registry, role, str(name), pairs)))
        except ConfigError as error:
            problem = error
    if problem and not usable:
        raise problem
    for role, choice in usable:
        yield _suite(role, choice)


def _roles_of(registry: Registry, name: str | None) -> list[Role[Any, Any]]:
    """Return the roles in which there is a driver of this name.

    :raises ConfigError: there is none
    """
    roles = [role for role in ROLES if name in registry.drivers_of(role)]
    if roles:
        return roles
    there = ", ".join(sorted({driver.name for driver in registry.drivers}))
    what = f'there is no driver "{name}"' if name else "name a driver with --driver"
    broken = "".join(f"; the plug-in {each.name} cannot be used: {each.reason}" for each in registry.broken)
    raise ConfigError(f"{what}; there are: {there}{broken}")


def _pair(text: str) -> tuple[str, str]:
    key, is_given, value = text.partition("=")
    if not is_given:
        raise ConfigError(f"{OPTIONS}: {text} cannot be used; accepted: KEY=VALUE")
    return key, value


def _choose(registry: Registry, role: Role[Any, Any], name: str, pairs: Mapping[str, str]) -> Choice[Any]:
    kind = registry.drivers_of(role)[name]
    options = {key: _value(kind, key, text) for key, text in pairs.items()}
    return registry.choose(role, RoleSettings(name, options), OPTIONS)


def _value(kind: type[BaseDriver], key: str, text: str) -> object:
    """Read an option: the text itself where that will do, else as TOML writes values."""
    with contextlib.suppress(ConfigError):
        convert({key: text}, kind.Options, OPTIONS)
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _suite(role: Role[Any, Any], choice: Choice[Any]) -> type[DriverConformance]:
    """Make the suite of one role, once the device is there.

    :raises DeviceAbsent: it is not
    """
    try:
        kind = choice.pick().driver
    except DeviceAbsent as error:
        raise DeviceAbsent(f"{error}; looked for: {_looked_for(choice)}") from error
    _find_device(choice.make())

    def driver(_: DriverConformance) -> BaseDriver:
        made: BaseDriver = choice.make()
        return made

    return type(f"Test{kind.__name__}", (SUITES[role.name],), {"driver": pytest.fixture(driver)})


def _looked_for(choice: Choice[Any]) -> str:
    return "; ".join(_in_words(match) for match in choice.matches if match.score)


def _in_words(match: Match) -> str:
    properties = ", ".join(f"{name}={pattern}" for name, pattern in match.properties.items())
    return f"{match.subsystem} with {properties}" if properties else match.subsystem


def _find_device(driver: BaseDriver) -> None:
    """See that a driver finds its device, also one that looks for it itself; what else is wrong the tests show.

    :raises DeviceAbsent: it does not
    """
    with contextlib.suppress(pytest.fail.Exception):
        try:
            within(PATIENCE, driver.open)
        except DeviceAbsent:
            raise
        except Exception:  # noqa: S110
            pass
        finally:
            with contextlib.suppress(Exception):
                within(PATIENCE, driver.close)
