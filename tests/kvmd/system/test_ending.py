"""The steps of the stop: all are taken, whatever the others do. That the process ends is shown by test_hangs.py."""

import threading
from collections.abc import Iterator

import pytest

from kvmd.system import ending
from kvmd.system.ending import Step, take
from tests.shadow import shadow
from tests.waiting import patience


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging steps wait for, for as long as the test runs."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_all_are_taken_in_their_order() -> None:
    taken: list[int] = []
    assert take([Step(str(number), lambda number=number: taken.append(number)) for number in range(5)]) == {}  # type: ignore[misc]
    assert taken == list(range(5))


@pytest.mark.parametrize("error", [OSError("gone"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_one_that_raises_holds_up_none(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    taken: list[str] = []

    def fail() -> None:
        raise error

    assert take([Step("hid", fail), Step("capture", lambda: taken.append("capture"))]) == {}
    assert taken == ["capture"]
    assert caplog.messages == ["hid failed while it was stopped"]


def test_those_that_hang_are_named_and_leave_time_to_the_others(gate: threading.Event) -> None:
    taken: list[str] = []
    steps = [
        Step("acme", gate.wait),
        Step("hid", lambda: taken.append("hid")),
        Step("capture", gate.wait),
        Step("web", lambda: taken.append("web")),
    ]
    hung = take(steps, 0.2)
    assert taken == ["hid", "web"]
    assert list(hung) == ["acme", "capture"]
    threads = {thread.ident: thread.name for thread in threading.enumerate()}
    assert [threads[ident] for ident in hung.values()] == ["kvmd-stop acme", "kvmd-stop capture"]


def test_one_that_takes_longer_than_its_share_is_waited_for_in_the_end(gate: threading.Event) -> None:
    """It gets a quarter of the time, and then until the deadline: what the last step sets is what it waits for."""
    steps = [Step("slow", gate.wait), *[Step("quick", lambda: None)] * 2, Step("last", gate.set)]
    assert take(steps, patience() / 100) == {}


def test_without_threads_they_are_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Thread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    shadow(monkeypatch, ending, "threading", Thread=Thread)
    taken: list[str] = []
    assert take([Step("hid", lambda: taken.append("hid"))]) == {}
    assert taken == ["hid"]
