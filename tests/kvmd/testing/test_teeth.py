"""The conformance suite goes red: each broken driver fails the check that is meant for its fault, in clear words."""

import inspect
from itertools import chain

import pytest

import kvmd
from kvmd.contract import capture as capture_contract
from kvmd.contract import driver as driver_contract
from kvmd.contract import hid as hid_contract
from kvmd.contract import power as power_contract
from kvmd.testing import CaptureConformance, HidConformance, PowerConformance, capture, driver, hid, power
from kvmd.testing.driver import where
from tests.kvmd.testing.faults import FAULTS
from tests.kvmd.testing.faults.fault import Fault
from tests.waiting import moment

SUITES = (CaptureConformance, HidConformance, PowerConformance)
ALL = list(chain.from_iterable(FAULTS.values()))
CHECKS = {
    function.__qualname__: function
    for suite in SUITES
    for name, function in inspect.getmembers(suite, inspect.isfunction)
    if name.startswith("test_")
}
CONTRACTS = (capture_contract, driver_contract, hid_contract, power_contract)
DRIVERS = (kvmd.BaseDriver, kvmd.CaptureDriver, kvmd.EdidControl, kvmd.HidDriver, kvmd.PowerDriver, kvmd.TimingsControl)
MEMBERS = {
    f"{kind.__name__}.{name}"
    for kind in DRIVERS
    for name, value in vars(kind).items()
    if not name.startswith("_") and getattr(value, "__doc__", None)
}


@pytest.mark.parametrize("fault", ALL, ids=str)
def test_a_fault_is_found_and_said(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault.hasty:
        for module in (driver, capture, hid, power):
            monkeypatch.setattr(module, "PATIENCE", moment(1.0))
    for _ in range(3):  # a machine that is slow for a moment hides haste
        said = fault.failure()
        if fault.says in said:
            break
    assert fault.says in said
    assert all(where(place) in said for place in fault.places)


def test_every_check_has_a_fault() -> None:
    found = {getattr(fault.suite, fault.check).__qualname__ for fault in ALL}
    assert set(CHECKS) - found == set()


def test_every_check_says_where_the_contract_asks_for_it() -> None:
    assert [name for name, check in CHECKS.items() if not vars(check).get("places")] == []


def test_the_places_are_there() -> None:
    for place in chain.from_iterable(vars(check)["places"] for check in CHECKS.values()):
        thing: object = kvmd
        for name in place.split("."):
            thing = getattr(thing, name, None) or inspect.get_annotations(thing)[name]  # type: ignore[arg-type]


def test_every_member_of_a_driver_is_asked_for() -> None:
    cited = set(chain.from_iterable(vars(check)["places"] for check in CHECKS.values()))
    assert MEMBERS - cited == set()
