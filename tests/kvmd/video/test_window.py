"""How many pictures may be on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kvmd.video.window import LEAST, MOST, Window


def run(window: Window, seconds: float, fps: float, takes: Callable[[int], float]) -> Iterator[tuple[float, int]]:
    """Offer pictures to a viewer at the other end of a line, and yield how many are on their way after each.

    :param takes: seconds for a picture and its confirmation, by how many are on their way before it
    """
    coming: list[tuple[float, int]] = []
    for number in range(round(seconds * fps)):
        now = number / fps
        while coming and coming[0][0] <= now:
            window.seen(coming[0][1], coming.pop(0)[0])
        if window.is_open:
            window.sent(number, now)
            begin = max([now, *(arrival for arrival, _ in coming[-1:])]) if takes(1) != takes(2) else now
            coming.append((begin + takes(1), number))
        yield now, len(coming)


def test_who_confirms_nothing_gets_two() -> None:
    window = Window()
    for number in range(LEAST):
        assert window.is_open
        window.sent(number, 0.0)
    assert not window.is_open
    window.seen(99, 1.0)
    assert not window.is_open, "no such picture was sent"
    window.seen(1, 1.0)
    assert window.is_open, "a picture is confirmed with those before it"


def test_who_is_far_away_gets_every_picture() -> None:
    """0.3 s there and back at 30 a second: nine are on their way."""
    seen = list(run(Window(), 5, 30, lambda _: 0.3))
    assert seen[-1][1] >= 9
    assert all(count <= MOST for _, count in seen)


@pytest.mark.parametrize("each", [0.1, 0.5, 2.0])
def test_a_narrow_line_never_lags_by_much_more_than_two(each: float) -> None:
    """Every picture waits for those before it, as in a proxy's buffer: what is on its way is lag."""
    seen = list(run(Window(), 60, 30, lambda before: each * before))
    assert max(count for _, count in seen) * each <= (LEAST + 1) * each + 0.3


def test_a_line_that_becomes_narrow_is_noticed() -> None:
    window = Window()
    for number in range(20):
        window.sent(number, number * 0.1)
        window.seen(number, number * 0.1 + 0.02)
    for number in range(20, 26):
        window.sent(number, 2.0)
    for number in range(20, 26):
        window.seen(number, 2.0 + (number - 19) * 0.5)
    window.sent(100, 6.0)
    window.sent(101, 6.0)
    assert not window.is_open


def test_a_way_that_has_become_longer_is_learnt() -> None:
    window = Window()
    window.sent(0, 0.0)
    window.seen(0, 0.01)
    for number in range(1, 500):
        window.sent(number, number * 0.5)
        window.seen(number, number * 0.5 + 0.4)
    for number in range(500, 500 + MOST):
        assert window.is_open
        window.sent(number, 300.0)
