"""Waits end when the event comes, and are given up the later the slower the machine is.

They are tried on a copy of the module: the guests of the kernel tests wait in threads of this very process.
"""

import importlib.util
from types import ModuleType, SimpleNamespace

import pytest

from tests.waiting import LIMIT
from tests.waiting import __file__ as path


class Clock:
    """Stands for the module ``time``: sleeping is how time passes.

    :ivar factor: how slow the machine is
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.factor = 1.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def waiting() -> ModuleType:
    spec = importlib.util.spec_from_file_location("waiting_of_its_own", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clock(waiting: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(waiting, "patience", lambda: LIMIT)
    monkeypatch.setattr(waiting, "slowness", lambda: clock.factor)
    return clock


def test_wait_ends_with_its_event(waiting: ModuleType, clock: Clock) -> None:
    assert waiting.eventually(lambda: clock.now >= 3 and "it", "three seconds to pass", pause=1) == "it"
    assert clock.now == 3


def test_wait_for_what_does_not_come_is_given_up_and_says_what_it_was(waiting: ModuleType, clock: Clock) -> None:
    with pytest.raises(TimeoutError, match=r"^waited 300 s for godot; the last answer was None$"):
        waiting.eventually(lambda: None, "godot", pause=1)
    assert clock.now == pytest.approx(LIMIT, abs=1.5)


def test_machine_that_has_become_slower_is_given_more_time(waiting: ModuleType, clock: Clock) -> None:
    deadline = waiting.Deadline(60)
    clock.now, clock.factor = 61, 3
    assert not deadline.passed()
    clock.now, clock.factor = 179, 1
    assert not deadline.passed()
    clock.now = 181
    assert deadline.passed()


def test_slowness_is_measured_against_the_usual_speed(waiting: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10**6))
    # each look at the clock is a thousandth of a second: so much work is done in between
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 1000))
    for rounds, factor in ((500, 1.0), (1000, 1.0), (4000, 4.0), (10**6, waiting.SLOWEST)):
        monkeypatch.setattr(waiting, "ROUNDS", rounds)
        assert waiting.slowness() == pytest.approx(factor, rel=0.05)
