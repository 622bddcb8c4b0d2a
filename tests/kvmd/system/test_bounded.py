"""Calls of what may hang: nobody waits for ever, and what hangs costs no more than some threads."""

import contextvars
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kvmd.errors import Unavailable
from kvmd.system import bounded
from kvmd.system.bounded import PLACES, Bounded
from tests.shadow import shadow
from tests.waiting import eventually, patience


@pytest.fixture
def calls() -> Bounded:
    return Bounded("acme")


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], object]]:
    """A function that hangs as long as the test."""
    monkeypatch.setattr(bounded, "KEPT", 0.01)
    gate = threading.Event()
    yield gate.wait
    gate.set()
    eventually(lambda: not threads(), "all to come back")


def threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("kvmd-call acme")


def test_what_comes_back_comes_back(calls: Bounded) -> None:
    assert calls.call("status()", patience(), lambda: 7) == 7
    assert calls.pulse.last is None


@pytest.mark.parametrize(
    ("raised", "seen", "message"),
    [
        (OSError("no foot pedal"), OSError, "no foot pedal"),
        (TimeoutError("its own"), TimeoutError, "its own"),
        (SystemExit(1), RuntimeError, "it raised SystemExit: 1"),
        (KeyboardInterrupt(), RuntimeError, "it raised KeyboardInterrupt: "),
    ],
)
def test_what_it_raises_is_raised_and_ends_nobodys_thread(
    calls: Bounded, raised: BaseException, seen: type[Exception], message: str
) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(seen, match=f"^{message}$"):
        calls.call("status()", patience(), fail)
    assert calls.pulse.last is None


def test_what_hangs_is_given_up_and_seen_in_the_pulse(calls: Bounded, hang: Callable[[], object]) -> None:
    with pytest.raises(Unavailable, match=r"^acme: status\(\) did not come back within 0.01 s$"):
        calls.call("status()", 0.01, hang)
    assert calls.pulse.last is not None
    assert (calls.pulse.last.doing, calls.pulse.last.seconds) == ("status()", 0.01)
    assert calls.call("edid()", patience(), lambda: b"") == b"", "others go on"


def test_what_hangs_costs_some_threads_and_then_nobody_waits(calls: Bounded, hang: Callable[[], object]) -> None:
    for _ in range(PLACES):
        with pytest.raises(Unavailable, match="did not come back"):
            calls.call("status()", 0.01, hang)
    for _ in range(20):
        with pytest.raises(Unavailable, match="is not tried: 4 calls before it have not come back"):
            calls.call("status()", 3600, lambda: None)
    assert threads() == PLACES


def test_many_healthy_calls_wait_for_a_place(calls: Bounded) -> None:
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: calls.call("status()", patience(), lambda: number), range(400)))
    assert answers == list(range(400))
    assert calls.pulse.last is None


def test_one_call_after_the_other_has_the_same_thread_which_ends_by_itself(
    calls: Bounded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len({calls.call("status()", patience(), threading.get_ident) for _ in range(20)}) == 1
    monkeypatch.setattr(bounded, "KEPT", 0.01)
    assert calls.call("status()", patience(), lambda: 7) == 7
    eventually(lambda: not threads(), "the thread's end")
    assert calls.call("status()", patience(), lambda: 7) == 7, "in a new one"


def test_threads_that_end_and_calls_that_come_do_not_miss_each_other(
    calls: Bounded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "KEPT", 0.0001)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: calls.call("status()", patience(), lambda: number), range(2000)))
    assert answers == list(range(2000))


def test_what_came_of_a_call_is_not_kept(calls: Bounded) -> None:
    class Picture:
        pass

    seen = weakref.ref(calls.call("status()", patience(), Picture))
    eventually(lambda: seen() is None, "it to be forgotten")


def test_one_that_comes_back_late_makes_room(calls: Bounded) -> None:
    gate = threading.Event()
    for _ in range(PLACES):
        with pytest.raises(Unavailable):
            calls.call("status()", 0.01, gate.wait)
    gate.set()
    eventually(lambda: calls.pulse.last is None, "all to come back")
    assert calls.call("status()", patience(), lambda: 7) == 7


def test_without_a_thread_it_is_refused_and_the_place_is_free(calls: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    class Thread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        shadow(patch, bounded, "threading", Thread=Thread)
        for _ in range(2 * PLACES):
            with pytest.raises(Unavailable, match="can't start new thread"):
                calls.call("status()", 1, lambda: 7)
    assert calls.call("status()", patience(), lambda: 7) == 7


def test_it_sees_the_request_that_it_is_part_of(calls: Bounded) -> None:
    request = contextvars.ContextVar("request", default="none")
    request.set("a login")
    assert calls.call("kvmd_verify_password()", patience(), request.get) == "a login"
