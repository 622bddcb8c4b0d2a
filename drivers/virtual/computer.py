"""The pretended computer: what its keyboard, its mouse and its two cables do to it.

Pure logic behind one lock: no pixels, no threads, no clock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from kvmd import (
    AbsoluteMouseReport,
    ConsumerReport,
    KeyboardReport,
    Leds,
    Page,
    RelativeMouseReport,
    Report,
    SystemReport,
)

from . import keys

COLUMNS: Final = 80
LINES: Final = 25
WIDTH: Final = 1280
HEIGHT: Final = 720

TAB_STOP: Final = 8
LAST_KEYS: Final = 8
MAX_INPUT: Final = COLUMNS * LINES
ABSOLUTE_MAX: Final = 32767
"""The far edge in an absolute mouse report."""


class Line(NamedTuple):
    """A line of the console.

    :param text: at most 80 characters
    :param accent: how many of them, from the first, are drawn in the accent colour
    """

    text: str = ""
    accent: int = 0


class Pointer(msgspec.Struct, frozen=True):
    """The mouse: its place in pixels, the buttons that are down (bit 0 left), and how far its wheels were turned."""

    x: int = WIDTH // 2
    y: int = HEIGHT // 2
    buttons: int = 0
    wheel: int = 0
    hwheel: int = 0


class State(msgspec.Struct, frozen=True):
    """What there is to see, at one moment.

    :param lines: the console's 25 lines
    :param cursor: its line and column, from 0
    :param keys: the chords that were pressed last, the newest at the end
    """

    lines: tuple[Line, ...]
    cursor: tuple[int, int]
    leds: Leds
    keys: tuple[str, ...]
    pointer: Pointer


class Console:
    """25 lines of 80 characters: what was entered, and below it the line that is being typed."""

    PROMPT: Final = "> "

    def __init__(self) -> None:
        greeting = "kvmd-hal virtual computer"
        self._past: deque[Line] = deque(maxlen=LINES)
        self._past += (
            Line(greeting, accent=len(greeting)),
            Line("It shows what its keyboard and mouse do, and nothing else."),
            Line(),
        )
        self._input = ""

    def type(self, text: str) -> None:
        """Add to the line that is being typed, up to a screen full."""
        self._input = (self._input + text)[:MAX_INPUT]

    def tab(self) -> None:
        """Go on at the next tab stop."""
        self.type(" " * (TAB_STOP - len(self.PROMPT + self._input) % TAB_STOP))

    def backspace(self) -> None:
        """Take back the character that was typed last, not the prompt."""
        self._input = self._input[:-1]

    def enter(self) -> None:
        """End the line and begin another."""
        self._past += self._current()
        self._input = ""

    def lines(self) -> tuple[tuple[Line, ...], tuple[int, int]]:
        """Return the lines that are in view and where the cursor is."""
        current = self._current()
        column = len(self.PROMPT + self._input) % COLUMNS
        if column == 0:
            current.append(Line())
        shown = [*self._past, *current][-LINES:]
        cursor = (len(shown) - 1, column)
        return tuple(shown + [Line()] * (LINES - len(shown))), cursor

    def _current(self) -> list[Line]:
        text = self.PROMPT + self._input
        parts = [text[start : start + COLUMNS] for start in range(0, len(text), COLUMNS)]
        return [Line(part, accent=0 if index else len(self.PROMPT)) for index, part in enumerate(parts)]


class Computer:
    """A computer with a keyboard, a mouse and a screen, each at the end of a cable that can be pulled.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._console = Console()
        self._keys: deque[str] = deque(maxlen=LAST_KEYS)
        self._down = KeyboardReport()
        self._media: dict[Page, tuple[int, ...]] = {Page.CONSUMER: (), Page.SYSTEM: ()}
        self._leds = Leds()
        self._pointer = Pointer()
        self._signal = True
        self._host = True
        self._state: State | None = None

    @property
    def signal(self) -> bool:
        """Whether the video cable is plugged in."""
        return self._signal

    @property
    def host(self) -> bool:
        """Whether the USB cable is plugged in."""
        return self._host

    @property
    def leds(self) -> Leds:
        """The lock lamps."""
        return self._leds

    def plug_video(self, plugged: bool) -> None:
        """Plug the video cable in, or pull it."""
        with self._changed:
            self._signal = plugged
            self._changed.notify_all()

    def plug_host(self, plugged: bool) -> None:
        """Plug the USB cable in, or pull it; what was held is released by that."""
        with self._changed:
            if plugged == self._host:
                return
            self._host = plugged
            self._down = KeyboardReport()
            self._media = dict.fromkeys(self._media, ())
            self._pointer = msgspec.structs.replace(self._pointer, buttons=0)
            self._touch()

    def take(self, report: Report) -> bool:
        """Act on a report; tell whether there was a cable for it to come through."""
        with self._changed:
            if not self._host:
                return False
            if isinstance(report, KeyboardReport):
                self._take_keyboard(report)
            elif isinstance(report, ConsumerReport | SystemReport):
                self._take_media(report)
            else:
                self._take_mouse(report)
            self._touch()
            return True

    def state(self) -> State:
        """Return what there is to see; the same object until something changes."""
        with self._changed:
            if self._state is None:
                lines, cursor = self._console.lines()
                self._state = State(lines, cursor, self._leds, tuple(self._keys), self._pointer)
            return self._state

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until the condition holds, at most ``timeout`` seconds, and tell whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wake(self) -> None:
        """Have those who wait look at their condition again."""
        with self._changed:
            self._changed.notify_all()

    def _touch(self) -> None:
        self._state = None
        self._changed.notify_all()

    def _take_keyboard(self, report: KeyboardReport) -> None:
        if keys.ROLLOVER.intersection(report.keys):
            return
        before, self._down = self._down, report
        pressed = [key for key in report.keys if key and key not in before.keys]
        if pressed or report.modifiers & ~before.modifiers:
            self._note_chord(before, pressed)
        for key in pressed:
            self._press(key)

    def _take_media(self, report: ConsumerReport | SystemReport) -> None:
        down = report.usages if isinstance(report, ConsumerReport) else (report.usage,) if report.usage else ()
        page = Page.CONSUMER if isinstance(report, ConsumerReport) else Page.SYSTEM
        before, self._media[page] = self._media[page], down
        self._keys += (keys.media_name(page, usage) for usage in down if usage not in before)

    def _note_chord(self, before: KeyboardReport, pressed: list[int]) -> None:
        """Add to the last keys; the modifiers of a chord are pressed first, and then give way to the whole of it."""
        held = keys.modifier_names(before.modifiers & self._down.modifiers)
        if held and self._keys and self._keys[-1] == "+".join(held):
            self._keys.pop()
        self._keys.append("+".join(keys.modifier_names(self._down.modifiers) + [keys.key_name(key) for key in pressed]))

    def _press(self, key: int) -> None:
        toggle = {keys.CAPS_LOCK: "caps", keys.NUM_LOCK: "num", keys.SCROLL_LOCK: "scroll"}.get(key)
        if toggle:
            self._leds = msgspec.structs.replace(self._leds, **{toggle: not getattr(self._leds, toggle)})
        elif self._down.modifiers & ~keys.SHIFT:
            return
        elif key in {keys.ENTER, keys.KEYPAD_ENTER}:
            self._console.enter()
        elif key == keys.BACKSPACE:
            self._console.backspace()
        elif key == keys.TAB:
            self._console.tab()
        else:
            shift = bool(self._down.modifiers & keys.SHIFT)
            self._console.type(keys.typed(key, shift=shift, caps=self._leds.caps, num=self._leds.num))

    def _take_mouse(self, report: AbsoluteMouseReport | RelativeMouseReport) -> None:
        last = self._pointer
        if isinstance(report, AbsoluteMouseReport):
            x, y = (round(at * (size - 1) / ABSOLUTE_MAX) for at, size in ((report.x, WIDTH), (report.y, HEIGHT)))
        else:
            x, y = last.x + report.dx, last.y + report.dy
        self._pointer = Pointer(
            x=min(max(x, 0), WIDTH - 1),
            y=min(max(y, 0), HEIGHT - 1),
            buttons=report.buttons,
            wheel=last.wheel + report.wheel,
            hwheel=last.hwheel + report.hwheel,
        )


_computers: dict[str, Computer] = {}
_guard = threading.Lock()


def shared(name: str) -> Computer:
    """Return the computer of this name, the same for all drivers of a process."""
    with _guard:
        return _computers.setdefault(name, Computer())


def find(name: str) -> Computer | None:
    """Return the computer of this name if a driver has asked for it."""
    with _guard:
        return _computers.get(name)
