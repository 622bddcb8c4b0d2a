"""What is asked of every driver, whatever it drives."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Annotated, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import pytest

from kvmd.contract.device import DriverOptions, Match
from kvmd.contract.driver import BaseDriver

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10.0
"""Seconds within which every call has to return, over and above the time it was given."""


def within(seconds: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a call in a thread of its own and return its result, or fail if it does not come back in time.

    :param seconds: how long it may take
    :param call: what to call, with the arguments that follow; what it raises is raised here
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call(*args, **kwargs))
        except BaseException as error:  # it is raised again, where it is waited for
            errors.append(error)

    thread = threading.Thread(target=run, name="conformance", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        pytest.fail(f"the driver did not come back within {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]


class DriverConformance:
    """What all drivers have in common, whatever their role."""

    @pytest.fixture
    def driver(self) -> BaseDriver:
        """Return a new driver, not yet open; every suite replaces this."""
        pytest.fail("give the suite its driver: override the fixture `driver`")

    def test_name_can_stand_in_settings(self, driver: BaseDriver) -> None:
        """The name is in small letters, digits and underscores."""
        assert re.fullmatch("[a-z][a-z0-9_]*", driver.name), f"{driver.name!r} cannot be used as a driver's name"

    def test_options_are_frozen_and_strict(self, driver: BaseDriver) -> None:
        """Options cannot change, unknown ones are refused, and none has to be given."""
        options = type(driver).Options
        assert issubclass(options, DriverOptions)
        assert options.__struct_config__.frozen, f"{options.__name__}: add frozen=True"
        assert options.__struct_config__.forbid_unknown_fields, f"{options.__name__}: add forbid_unknown_fields=True"
        options()

    def test_options_are_documented(self, driver: BaseDriver) -> None:
        """Every option has a description, from which its documentation is made."""
        options = type(driver).Options
        bare = [name for name in options.__struct_fields__ if not _description(options, name)]
        assert not bare, f"{options.__name__}: no Annotated[..., Meta(description=...)] on {', '.join(bare)}"

    def test_matches_are_a_table(self, driver: BaseDriver) -> None:
        """The devices are named by rows of the type Match."""
        matches = type(driver).matches
        assert isinstance(matches, Sequence)
        assert {type(match) for match in matches} <= {Match}
        assert all(match.subsystem and match.score >= 0 for match in matches)

    def test_close_needs_no_open(self, driver: BaseDriver) -> None:
        """A driver that was never opened can be closed."""
        within(PATIENCE, driver.close)

    def test_close_twice(self, driver: BaseDriver) -> None:
        """A driver that is closed can be closed again."""
        within(PATIENCE, driver.open)
        within(PATIENCE, driver.close)
        within(PATIENCE, driver.close)


def _description(options: type[msgspec.Struct], name: str) -> str:
    hint = get_type_hints(options, include_extras=True)[name]
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra.description or "" for extra in extras if isinstance(extra, msgspec.Meta)), "")
