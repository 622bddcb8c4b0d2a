"""Events of local input devices -> what the target's keyboard and mouse are to do, as pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kvmd import Button, MouseEvent, Page, keys_of

# linux/input-event-codes.h
EV_SYN, EV_KEY, EV_REL = 0x00, 0x01, 0x02
SYN_REPORT, SYN_DROPPED = 0, 3
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0x00, 0x01, 0x06, 0x08
UP, DOWN, AUTOREPEAT = 0, 1, 2
KEY_UNKNOWN: Final = 240

BUTTONS: Final = dict(zip((0x110, 0x111, 0x112, 0x113, 0x114), Button, strict=True))
"""BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE and BTN_EXTRA."""

# Where Linux has one key for several usages (KEY_DELETE is also the keypad's Clear), the first is the common one.
KEYS: Final = {
    key.evdev: name
    for page in reversed(Page)
    for name, key in reversed(list(keys_of(page).items()))
    if key.evdev != KEY_UNKNOWN
}
"""The names of the keys, by evdev's codes."""


class Event(NamedTuple):
    """An event of an input device.

    :param type: EV_KEY and its like
    :param code: which key or axis
    :param value: of a key 1 down, 0 up, 2 autorepeat; of an axis steps
    :param time: in seconds, of the kernel's clock
    """

    type: int
    code: int
    value: int
    time: float


class Press(NamedTuple):
    """A key goes down or up, by its KeyboardEvent.code."""

    key: str
    down: bool


def actions(events: Iterable[Event], held: set[Button]) -> Iterator[Press | MouseEvent]:
    """Turn events into actions, in their order; moves in a row become one, autorepeat and unknown keys none.

    :param held: the buttons that are down; kept up to date
    """
    steps: Counter[int] = Counter()
    for event in events:
        if event.type == EV_REL:
            steps[event.code] += event.value
        elif event.type == EV_KEY and event.value != AUTOREPEAT:
            yield from _move(steps)
            steps.clear()
            yield from _press(event, held)
    yield from _move(steps)


def _move(steps: Counter[int]) -> Iterator[MouseEvent]:
    moved = steps[REL_X] or steps[REL_Y]
    dx, dy = (steps[REL_X], steps[REL_Y]) if moved else (None, None)
    if moved or steps[REL_WHEEL] or steps[REL_HWHEEL]:
        yield MouseEvent(dx=dx, dy=dy, wheel=steps[REL_WHEEL], hwheel=steps[REL_HWHEEL])


def _press(event: Event, held: set[Button]) -> Iterator[Press | MouseEvent]:
    if button := BUTTONS.get(event.code):
        (held.add if event.value else held.discard)(button)
        yield MouseEvent(buttons=[each for each in Button if each in held])
    elif name := KEYS.get(event.code):
        yield Press(name, bool(event.value))


def made_good(down: Iterable[int], active: Iterable[int], time: float) -> list[Event]:
    """List the events by which the keys that were down become those that are, after the kernel has dropped some."""
    were, are = set(down), set(active)
    up = [Event(EV_KEY, code, UP, time) for code in sorted(were - are)]
    return up + [Event(EV_KEY, code, DOWN, time) for code in sorted(are - were)]
