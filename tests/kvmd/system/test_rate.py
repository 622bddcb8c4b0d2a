"""At most so many in so much time, by a clock that the test turns."""

from types import SimpleNamespace

import pytest

from kvmd.system import rate as module
from kvmd.system.rate import Rate
from tests.shadow import shadow


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    shadow(monkeypatch, module, "time", monotonic=lambda: clock.now)
    return clock


def test_the_window_slides(clock: SimpleNamespace) -> None:
    rate = Rate(2, 60)
    assert rate.take("a") == 0
    clock.now += 40
    assert (rate.take("a"), rate.wait("a"), rate.take("a")) == (0, 20, 20)
    assert (rate.take("b"), rate.wait("c")) == (0, 0), "each kind by itself"
    clock.now += 19
    assert rate.wait("a") == 1
    clock.now += 1
    assert (rate.take("a"), rate.wait("a")) == (0, 40)


def test_what_is_refused_does_not_count(clock: SimpleNamespace) -> None:
    rate = Rate(1, 60)
    rate.take("a")
    clock.now += 59
    assert rate.take("a") == 1
    clock.now += 1
    assert rate.take("a") == 0


def test_what_is_given_back_did_not_count(clock: SimpleNamespace) -> None:
    rate = Rate(1, 60)
    rate.take("a")
    rate.give_back("a")
    rate.give_back("a")
    assert rate.take("a") == 0
    assert not Rate(1, 60)._times
    assert clock.now == 1000.0


def test_what_is_quiet_is_forgotten(clock: SimpleNamespace) -> None:
    rate = Rate(1, 60)
    for kind in range(100):
        rate.take(kind)
    clock.now += 61
    rate.take("a")
    assert list(rate._times) == ["a"]


def test_memory_is_bounded_and_the_quietest_goes_first(clock: SimpleNamespace) -> None:
    rate = Rate(2, 60, kinds=3)
    for kind in ("a", "b", "c", "a", "d"):
        clock.now += 1
        rate.take(kind)
    assert list(rate._times) == ["c", "a", "d"]
    assert rate.wait("a") > 0, "its count is whole"
