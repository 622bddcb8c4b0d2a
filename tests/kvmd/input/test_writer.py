"""One writer: everything in order, moves merged behind a slow device, and each error to whom it belongs."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kvmd.contract.hid import AbsoluteMouseReport, KeyboardReport, RelativeMouseReport, Report
from kvmd.errors import HidOffline
from kvmd.input import writer as writing
from kvmd.input.writer import Entry, Writer
from tests.waiting import eventually, patience

A, B = KeyboardReport(0, (4,)), KeyboardReport(0, (5,))


class Device:
    """Takes a report only when it is told to."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.gate = threading.Semaphore(0)
        self.busy = threading.Event()

    def send(self, report: Report) -> None:
        self.busy.set()
        assert self.gate.acquire(timeout=patience())
        self.taken.append(report)
        if report == B:
            raise HidOffline("it does not take B")


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def writer(device: Device) -> Iterator[Writer]:
    writer = Writer(device.send)
    writer.start()
    yield writer
    device.gate.release(10_000)
    writer.close()


@pytest.fixture
def held_up(device: Device, writer: Writer) -> Iterator[Device]:
    """A device that is busy with A, until the test lets it go on."""
    thread = threading.Thread(target=writer.send, args=(A,))
    thread.start()
    assert device.busy.wait(patience())
    yield device
    thread.join()


def go_on(device: Device, writer: Writer, entries: list[Entry]) -> None:
    device.gate.release(100)
    for entry in entries:
        writer.finish(entry)


def test_reports_keep_their_order(held_up: Device, writer: Writer) -> None:
    reports = [KeyboardReport(0, (usage,)) for usage in range(10, 30)]
    go_on(held_up, writer, [writer.submit(report) for report in reports])
    assert held_up.taken == [A, *reports]


def test_of_places_the_latest_counts(held_up: Device, writer: Writer) -> None:
    moves = [AbsoluteMouseReport(1, place, place) for place in range(5)]
    go_on(held_up, writer, [writer.submit(move, is_move=True) for move in moves])
    assert held_up.taken == [A, moves[-1]]


def test_of_steps_the_sum_counts(held_up: Device, writer: Writer) -> None:
    go_on(held_up, writer, [writer.submit(RelativeMouseReport(0, 50, -1), is_move=True) for _ in range(5)])
    assert held_up.taken == [A, *[RelativeMouseReport(0, 100, -2)] * 2, RelativeMouseReport(0, 50, -1)]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((AbsoluteMouseReport(1, 5, 5), False), (AbsoluteMouseReport(1, 6, 6), True)),
        ((AbsoluteMouseReport(0, 5, 5), True), (AbsoluteMouseReport(1, 5, 5), False)),
        ((AbsoluteMouseReport(0, 5, 5), True), (RelativeMouseReport(0, 1, 1), True)),
        ((RelativeMouseReport(0, 1, 1), True), (KeyboardReport(), False)),
        ((KeyboardReport(), False), (KeyboardReport(), False)),
    ],
)
def test_all_else_stays_as_it_is(
    held_up: Device,
    writer: Writer,
    first: tuple[Report, bool],
    then: tuple[Report, bool],
) -> None:
    go_on(held_up, writer, [writer.submit(*first), writer.submit(*then)])
    assert held_up.taken == [A, first[0], then[0]]


def test_a_button_between_two_moves_keeps_them_apart(held_up: Device, writer: Writer) -> None:
    moves = [AbsoluteMouseReport(0, 1, 1), AbsoluteMouseReport(1, 1, 1), AbsoluteMouseReport(1, 2, 2)]
    go_on(held_up, writer, [writer.submit(move, is_move=not index % 2) for index, move in enumerate(moves)])
    assert held_up.taken == [A, *moves]


def test_an_error_goes_to_the_one_whose_report_it_was(held_up: Device, writer: Writer) -> None:
    bad, good = writer.submit(B), writer.submit(A)
    held_up.gate.release(3)
    writer.finish(good)
    with pytest.raises(HidOffline, match="it does not take B"):
        writer.finish(bad)
    assert held_up.taken == [A, B, A]


def test_many_threads_lose_nothing(device: Device, writer: Writer) -> None:
    device.gate.release(10_000)

    def work(number: int) -> None:
        for count in range(50):
            writer.send(KeyboardReport(1 + number, (count,)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: len(device.taken) == 400, "all reports")
    for number in range(8):
        assert [report.keys[0] for report in device.taken if report.modifiers == 1 + number] == list(range(50))


def test_a_driver_that_hangs_is_told_to_everybody_at_once_and_nothing_is_typed_later(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LIMIT", 0.05)
    told: list[HidOffline] = []
    writer = Writer(device.send, told.append)
    writer.start()
    with pytest.raises(HidOffline, match="the driver hangs: it has not taken a report for more than"):
        writer.send(A)
    assert "send()" in str(writer.pulse.last)
    monkeypatch.setattr(writing, "LIMIT", 0.0)  # from here on nobody waits at all
    for _ in range(5):
        with pytest.raises(HidOffline):
            writer.send(B)
    assert len(told) == 6
    monkeypatch.setattr(writing, "LIMIT", patience())
    device.gate.release(100)
    writer.send(KeyboardReport())
    assert device.taken == [A, KeyboardReport()]
    assert writer.pulse.last is None
    writer.close()


def test_what_a_driver_raises_ends_no_thread() -> None:
    def leave(_: Report) -> None:
        raise SystemExit(1)

    writer = Writer(leave)
    writer.start()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the driver raised SystemExit: 1"):
            writer.send(A)
    writer.close()


def test_one_that_does_not_run_says_so(device: Device) -> None:
    writer = Writer(device.send)
    writer.close()
    with pytest.raises(HidOffline, match="the daemon is not running"):
        writer.send(A)


def test_what_is_queued_is_written_before_the_end(device: Device, writer: Writer) -> None:
    device.gate.release(100)
    entries = [writer.submit(A), writer.submit(KeyboardReport())]
    writer.close()
    for entry in entries:
        writer.finish(entry)
    assert device.taken == [A, KeyboardReport()]
