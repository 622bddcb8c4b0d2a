"""Signs of life: what is silent is named once, with its stack, and what only seems so is not."""

import logging
import threading
from collections.abc import Iterator

import pytest

from kvmd.system.pulse import PACE, Hang, Pulse, Watch


@pytest.fixture
def watch() -> Watch:
    return Watch(limit=10)


def look(watch: Watch, times: int, passed: float = PACE) -> tuple[Hang, ...]:
    for _ in range(times):
        watch.look(passed)
    return watch.hung


@pytest.fixture
def hanging() -> Iterator[Pulse]:
    """A pulse whose thread waits in here."""
    pulse, gate, begun = Pulse("capture"), threading.Event(), threading.Event()

    def wait_in_here() -> None:
        with pulse.busy("open()"):
            begun.set()
            gate.wait()

    thread = threading.Thread(target=wait_in_here)
    thread.start()
    begun.wait()
    yield pulse
    gate.set()
    thread.join()
    assert pulse.last is None, "it rests"


def test_what_is_silent_for_too_long_is_named_once_with_its_stack(
    watch: Watch, hanging: Pulse, caplog: pytest.LogCaptureFixture
) -> None:
    watch.add(hanging)
    assert look(watch, 10) == ()
    assert look(watch, 1) == (Hang("capture", "open()", 10),)
    assert look(watch, 5) == (Hang("capture", "open()", 15),)
    assert not watch.is_well
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    first, *stack = record.getMessage().splitlines()
    assert first == "capture hangs: open() for 10 s"
    assert any("in wait_in_here" in line for line in stack)


def test_what_comes_back_is_told(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    pulse = Pulse("hid")
    watch.add(pulse)
    pulse.beat("watch()")
    assert look(watch, 12) != ()
    pulse.beat("watch()")
    assert look(watch, 1) == ()
    assert watch.is_well
    assert caplog.messages[-1] == "hid is back after 11 s"


@pytest.mark.parametrize("act", [Pulse.rest, lambda pulse: pulse.beat("again")], ids=["rests", "beats"])
def test_who_rests_or_beats_does_not_hang(watch: Watch, act: object) -> None:
    pulse = Pulse("hid")
    watch.add(pulse)
    pulse.beat("send()")
    for _ in range(50):
        act(pulse)  # type: ignore[operator]
        assert look(watch, 1) == ()


def test_a_machine_that_stood_still_makes_nothing_hang(watch: Watch) -> None:
    pulse = Pulse("hid")
    watch.add(pulse)
    pulse.beat("watch()")
    assert look(watch, 3, passed=3600.0) == ()
    pulse.beat("watch()")
    assert look(watch, 1) == ()


def test_what_may_take_long_is_given_its_time(watch: Watch) -> None:
    pulse = Pulse("power driver")
    watch.add(pulse)
    with pulse.busy("press()"):
        assert pulse.last is not None
        pulse.last = pulse.last._replace(seconds=20.0)
        assert look(watch, 20) == ()
        assert look(watch, 1) != ()


def test_a_thread_that_has_died_is_named(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    pulse = Pulse("capture")
    watch.add(pulse)
    thread = threading.Thread(target=pulse.beat, args=("frames()",))
    thread.start()
    thread.join()
    assert look(watch, 11) != ()
    assert caplog.messages == ["capture hangs: frames() for 10 s\n(the thread has ended)"]


def test_what_is_not_vital_leaves_the_daemon_well(watch: Watch) -> None:
    pulse = Pulse("plug-in acme", vital=False)
    watch.add(pulse)
    pulse.beat("kvmd_event()")
    assert look(watch, 11) != ()
    assert watch.is_well
