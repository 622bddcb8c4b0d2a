"""What the lamps say, with a time of the test's own."""

from __future__ import annotations

import pytest

from kvmd.contract.reports import PowerState
from kvmd.power.lamps import AFTERGLOW, CALM, Lamps


def follow(*changes: tuple[float, bool]) -> Lamps:
    """Return lamps whose power lamp changed at these times."""
    lamps = Lamps()
    for now, lit in changes:
        lamps.see(lit, None, changed=True, now=now)
    return lamps


def blink(period: float, times: int, begin: float = 100.0) -> tuple[Lamps, float]:
    """Return lamps whose power lamp blinks, and the time of its last change."""
    changes = [(begin + number * period / 2, number % 2 == 0) for number in range(2 * times)]
    return follow(*changes), changes[-1][0]


def test_without_a_lamp_nothing_is_known() -> None:
    lamps = Lamps()
    assert lamps.power(0) is PowerState.UNKNOWN
    assert lamps.disk_active(0) is None
    lamps.see(None, None, changed=True, now=1)
    assert lamps.power(1) is PowerState.UNKNOWN


@pytest.mark.parametrize(("lit", "state"), [(True, PowerState.ON), (False, PowerState.OFF)])
def test_a_lamp_says_on_or_off(lit: bool, state: PowerState) -> None:
    assert follow((0, lit)).power(0) is state
    assert follow((0, lit)).power(1e6) is state


@pytest.mark.parametrize("period", [0.5, 1, 2, 4])
def test_a_lamp_that_blinks_says_sleeping_until_it_stops(period: float) -> None:
    lamps, last = blink(period, 4)
    assert lamps.power(last) is PowerState.SLEEPING
    assert lamps.power(last + period / 2) is PowerState.SLEEPING
    assert lamps.power(last + CALM) is PowerState.OFF


def test_off_and_on_again_is_no_blinking() -> None:
    lamps = follow((0, True), (1, False), (2, True))
    assert lamps.power(2) is PowerState.ON


def test_changes_far_apart_are_no_blinking() -> None:
    lamps = follow((0, True), (5, False), (10, True), (15, False))
    assert lamps.power(15) is PowerState.OFF


def test_a_disk_works_while_its_lamp_is_lit_and_a_moment_longer() -> None:
    lamps = Lamps()
    lamps.see(True, False, changed=False, now=0)
    assert lamps.disk_active(0) is False
    lamps.see(True, True, changed=True, now=1)
    assert lamps.disk_active(60) is True
    lamps.see(True, False, changed=True, now=61)
    assert lamps.disk_active(61 + AFTERGLOW / 2) is True
    assert lamps.disk_active(61 + 2 * AFTERGLOW) is False


def test_a_flash_between_two_looks_is_seen() -> None:
    lamps = Lamps()
    lamps.see(True, False, changed=False, now=0)
    lamps.see(True, False, changed=True, now=1)
    assert lamps.disk_active(1) is True


def test_a_change_of_the_power_lamp_is_no_work_of_the_disk() -> None:
    lamps = Lamps()
    lamps.see(True, False, changed=False, now=0)
    lamps.see(False, False, changed=True, now=1)
    assert lamps.disk_active(1) is False
