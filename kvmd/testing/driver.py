"""What is asked of every driver, whatever it drives."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import pytest

import kvmd
from kvmd.contract.device import Device
from kvmd.contract.driver import NAME, BaseDriver, DriverStatus
from kvmd.errors import DeviceAbsent
from kvmd.plugins.checks import declaration_problem

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10.0
"""Seconds within which every call has to return, over and above the time it was given."""


def contract(*places: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a check that fails say where the contract asks for what it checks.

    :param places: classes of ``kvmd``, and their members, such as ``CaptureDriver.frames``
    """

    def mark(check: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(check)
        def cited(*args: P.args, **kwargs: P.kwargs) -> T:
            __tracebackhide__ = True
            try:
                return check(*args, **kwargs)
            except (Exception, pytest.fail.Exception) as error:
                error.add_note(f"The contract asks for it in {', '.join(map(where, places))}.")
                raise

        vars(cited)["places"] = places
        return cited

    return mark


def where(place: str) -> str:
    """Return a place of the contract with the module that it stands in."""
    name = place.partition(".")[0]
    return f"{getattr(kvmd, name).__module__}.{place}"


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
        pytest.fail(f"{_name(call)}() did not come back within {seconds:g} s")
    for error in errors:
        error.add_note(f"It was raised by {_name(call)}().")
        raise error
    return results[0]


class Beside:
    """A call in a thread of its own, beside what the test does meanwhile.

    :ivar seconds: how long it took, once it came back
    :ivar error: what it raised
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: Exception | None = None
        self.seconds = 0.0
        self._call = call
        self._thread = threading.Thread(target=self._run, name="conformance-beside", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        start = time.monotonic()
        try:
            self._call()
        except Exception as error:  # it is looked at by the test
            self.error = error
        self.seconds = time.monotonic() - start

    def is_alive(self) -> bool:
        """Tell whether it has not come back."""
        return self._thread.is_alive()

    def end(self, seconds: float) -> Exception | None:
        """Wait until it comes back, and return what it raised.

        :param seconds: how long to wait
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            pytest.fail(f"{_name(self._call)}() did not come back within {seconds:g} s")
        return self.error


def refuses(seconds: float, kind: type[Exception], what: str, call: Callable[[], object]) -> None:
    """Make a call that has to be refused, with a reason.

    :param seconds: how long it may take
    :param kind: what it has to raise
    :param what: why it has to, in words
    """
    wanted = f"{_name(call)}() has to raise {kind.__name__}, with a reason, {what}"
    try:
        within(seconds, call)
    except kind as error:
        if str(error):
            return
        pytest.fail(f"{wanted}; it gave none")
    except Exception as error:
        error.add_note(f"{wanted}.")
        raise
    pytest.fail(f"{wanted}; it raised nothing")


class DriverConformance:
    """What all drivers have in common, whatever their role.

    Where the device itself can be taken away by program, override ``remove`` and ``insert``.
    """

    @pytest.fixture
    def driver(self) -> BaseDriver:
        """Return a new driver, not yet open; every suite replaces this."""
        pytest.fail("give the suite its driver: override the fixture `driver`")

    def remove(self, driver: Any) -> None:  # noqa: ARG002, ANN401  # for those who override it, with their own driver
        """Take the device away."""
        pytest.skip("the suite was not told how to take the device away: override remove() and insert()")

    def insert(self, driver: Any) -> None:  # noqa: ANN401  # as above
        """Bring the device back."""

    @contract("BaseDriver.name")
    def test_name_can_stand_in_settings(self, driver: BaseDriver) -> None:
        """The name is in small letters, digits and underscores."""
        assert NAME.fullmatch(driver.name), f"{driver.name!r} cannot be used as a driver's name"

    @contract("BaseDriver.Options", "DriverOptions")
    def test_options_are_frozen_and_strict(self, driver: BaseDriver) -> None:
        """Options cannot change, unknown ones are refused, and none has to be given."""
        options = type(driver).Options
        assert issubclass(options, kvmd.DriverOptions), f"{options.__name__} does not derive from DriverOptions"
        assert options.__struct_config__.frozen, f"{options.__name__}: add frozen=True"
        assert options.__struct_config__.forbid_unknown_fields, f"{options.__name__}: add forbid_unknown_fields=True"
        needed = [field.name for field in msgspec.structs.fields(options) if field.required]
        assert not needed, f"{options.__name__}: no default for {', '.join(needed)}"

    @contract("BaseDriver.Options")
    def test_options_are_documented(self, driver: BaseDriver) -> None:
        """Every option has a description, from which its documentation is made."""
        options = type(driver).Options
        bare = [name for name in options.__struct_fields__ if not _description(options, name)]
        assert not bare, f"{options.__name__}: no Annotated[..., Meta(description=...)] on {', '.join(bare)}"

    @contract("BaseDriver.matches", "BaseDriver.wakes", "Match")
    def test_devices_are_tables(self, driver: BaseDriver) -> None:
        """The devices are named by rows of the type Match, and the classes that wake it by their names."""
        problem = declaration_problem(type(driver))
        assert not problem, problem
        for match in driver.matches:
            assert match.subsystem, f"{match} names no subsystem"
            assert match.score >= 0, f"{match} has a score below 0"

    @contract("BaseDriver.problem")
    def test_problem_is_words(self, driver: BaseDriver) -> None:
        """What keeps the driver from working on this machine is said in words; None if nothing does."""
        problem: Any = within(PATIENCE, type(driver).problem)
        assert problem is None or (isinstance(problem, str) and problem), f"problem() returned {problem!r}"

    @contract("BaseDriver")
    def test_is_made_without_its_device(self, driver: BaseDriver) -> None:
        """A driver is made of its options and a device, and does not touch that before it is opened."""
        kind = type(driver)
        subsystem = next((match.subsystem for match in kind.matches), None)
        absent = subsystem and Device(subsystem, "kvmd-absent", "/sys/kvmd-absent", "/dev/kvmd-absent")
        within(PATIENCE, kind, kind.Options(), absent or None)

    @contract("BaseDriver.status")
    def test_status_before_open(self, driver: BaseDriver) -> None:
        """A driver that is not open yet, or is being opened, can be asked how it stands."""
        status = within(PATIENCE, driver.status)
        assert isinstance(status, DriverStatus), f"status() returned {status!r}, which is no DriverStatus"

    @contract("BaseDriver.close")
    def test_close_needs_no_open(self, driver: BaseDriver) -> None:
        """A driver that was never opened can be closed."""
        within(PATIENCE, driver.close)

    @contract("BaseDriver.close")
    def test_close_twice(self, driver: BaseDriver) -> None:
        """A driver that is closed can be closed again."""
        within(PATIENCE, driver.open)
        within(PATIENCE, driver.close)
        within(PATIENCE, driver.close)

    @contract("BaseDriver.open", "BaseDriver.close", "DeviceAbsent")
    def test_open_without_the_device(self, driver: BaseDriver) -> None:
        """A driver whose device is gone can be closed; open() raises DeviceAbsent until it is back."""
        within(PATIENCE, driver.open)
        try:
            self.remove(driver)
        finally:
            within(PATIENCE, driver.close)
        refuses(PATIENCE, DeviceAbsent, "while the device is not there", driver.open)
        within(PATIENCE, driver.close)
        self.insert(driver)
        within(PATIENCE, driver.open)
        within(PATIENCE, driver.close)


def check_status(status: DriverStatus, kind: type[DriverStatus]) -> None:
    """Fail unless a status is of its role's kind, names the device, and has remarks for people."""
    assert isinstance(status, kind), f"status() returned {status!r}, which is no {kind.__name__}"
    assert status.device, "status() does not name the device"
    remarks = getattr(status, "remarks", ())
    assert isinstance(remarks, tuple), f"remarks are no tuple: {remarks!r}"
    assert all(isinstance(remark, str) and remark for remark in remarks), f"not all remarks are texts: {remarks!r}"


def _name(call: Callable[..., object]) -> str:
    function = call.func if isinstance(call, functools.partial) else call
    return getattr(function, "__name__", type(function).__name__)


def _description(options: type[msgspec.Struct], name: str) -> str:
    hint = get_type_hints(options, include_extras=True)[name]
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra.description or "" for extra in extras if isinstance(extra, msgspec.Meta)), "")
