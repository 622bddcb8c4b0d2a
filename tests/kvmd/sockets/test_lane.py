"""What waits for the device: in order, bounded, and never late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kvmd.sockets.lane import Entry, Lane, Outcome, Refusal
from kvmd.sockets.messages import Message, Point, Press, Release, ReleaseAll, Tap, Why
from tests.loop import Loop
from tests.waiting import eventually, patience


class Device:
    """Takes what is asked when it is let."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.told: list[tuple[int | None, str]] = []
        self.lets = threading.Event()
        self.lets.set()

    def work(self, entry: Entry) -> str:
        self.lets.wait(patience())
        entry.check()
        self.taken.append(entry.order)
        return "done"

    def tell(self, entry: Entry, outcome: Outcome) -> None:
        word = outcome.reason.value if isinstance(outcome, Refusal) else str(outcome)
        numbers: list[int | None] = [*entry.ids] or [None]
        self.told += [(each, word) for each in numbers]


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def ask(loop: Loop, lane: Lane, *orders: Message) -> None:
    async def add() -> None:
        for order in orders:
            lane.add(order)  # type: ignore[arg-type]  # whichever a lane takes

    asyncio.run_coroutine_threadsafe(add(), loop.loop).result(patience())


def test_order_is_kept(loop: Loop, pool: ThreadPoolExecutor, device: Device) -> None:
    lane = Lane(pool, device.work, device.tell, 64)
    orders = [Tap(keys=[f"Key{number}"], id=number) for number in range(50)]
    ask(loop, lane, *orders)
    eventually(lambda: len(device.told) == 50, "all")
    assert device.taken == orders
    assert device.told == [(number, "done") for number in range(50)]


def test_moves_merge_and_nothing_else_does(loop: Loop, pool: ThreadPoolExecutor, device: Device) -> None:
    lane = Lane(pool, device.work, device.tell, 64)
    device.lets.clear()
    ask(
        loop,
        lane,
        Tap(keys=["KeyA"]),
        Point(x=0.1, y=0.1, id=1),
        Point(x=0.2, y=0.2, id=2, at=5e9),
        Point(dx=3, id=3),
        Point(dx=4, dy=-1),
        Point(dx=1, buttons=[]),
        Point(dx=1, wheel=1),
        Point(dx=1),
    )
    device.lets.set()
    eventually(lambda: len(device.told) == 7, "all")
    moves = [Point(dx=7, dy=-1), Point(dx=1, buttons=[]), Point(dx=1, wheel=1), Point(dx=1)]
    assert device.taken == [Tap(keys=["KeyA"]), *moves]
    assert device.told[:4] == [(None, "done"), (1, "early"), (2, "early"), (3, "done")]


def test_too_much_is_refused(loop: Loop, pool: ThreadPoolExecutor, device: Device) -> None:
    lane = Lane(pool, device.work, device.tell, 2)
    device.lets.clear()
    ask(loop, lane, *(Tap(keys=["KeyA"], id=number) for number in range(5)))
    assert device.told == [(3, "full"), (4, "full")]
    device.lets.set()
    eventually(lambda: len(device.told) == 5, "the others")
    assert device.told[2:] == [(0, "done"), (1, "done"), (2, "done")]


@pytest.mark.parametrize("order", [Release(keys=["KeyA"], id=9), ReleaseAll(id=9)])
def test_letting_go_is_never_refused(
    loop: Loop, pool: ThreadPoolExecutor, device: Device, order: Release | ReleaseAll
) -> None:
    """It takes the place of all that waits, and lets go of everything."""
    lane = Lane(pool, device.work, device.tell, 2)
    device.lets.clear()
    ask(loop, lane, *(Press(keys=["KeyA"], id=number) for number in range(3)), order)
    assert device.told == [(1, "full"), (2, "full")]
    device.lets.set()
    eventually(lambda: len(device.told) == 4, "the others")
    assert device.told[2:] == [(0, "done"), (9, "done")]
    assert device.taken[-1] == ReleaseAll(id=9)


def test_what_waited_for_too_long_is_late(loop: Loop, pool: ThreadPoolExecutor, device: Device) -> None:
    lane = Lane(pool, device.work, device.tell, 64)
    device.lets.clear()
    ask(loop, lane, Tap(keys=["KeyA"], id=1), Tap(keys=["KeyB"], id=2), Release(keys=["KeyC"], id=3))
    threading.Timer(2.5, device.lets.set).start()
    eventually(lambda: len(device.told) == 3, "all")
    assert device.told == [(1, "late"), (2, "late"), (3, "done")]
    assert Why("late") is Why.LATE


def test_several_at_once_where_that_is_wanted(loop: Loop, pool: ThreadPoolExecutor, device: Device) -> None:
    lane = Lane(pool, device.work, device.tell, 2, 2)
    device.lets.clear()
    ask(loop, lane, *(Tap(keys=["KeyA"], id=number) for number in range(5)))
    assert device.told == [(4, "full")]
    device.lets.set()
    eventually(lambda: len(device.told) == 5, "the others")
