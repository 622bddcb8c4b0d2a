"""What the virtual computer has in mind while it runs: its console, and what keyboard and mouse last reported."""

from __future__ import annotations

from collections import deque
from typing import Final

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
from .console import Console, Line, announcement, in_view
from .front_panel import FrontPanel, Phase

WIDTH: Final = 1280
HEIGHT: Final = 720

LAST_KEYS: Final = 8
ABSOLUTE_MAX: Final = 32767
"""The far edge in an absolute mouse report."""

POWER_DOWN: Final = 0x81
SLEEP: Final = 0x82
"""Power keys (HUT 1.5, section 4.5)."""


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


class Session:
    """What keyboard and mouse did since the computer was switched on. It has no lock; the computer does.

    :param front: says in which phase the computer is; the power keys change that
    """

    def __init__(self, front: FrontPanel) -> None:
        self._front = front
        self._keys: deque[str] = deque(maxlen=LAST_KEYS)
        self.forget()

    def forget(self) -> None:
        """Lose what is lost without power; the last keys stay, for people."""
        self._console = Console()
        self.leds = Leds()
        self._pointer = Pointer()
        self._written: tuple[Line, ...] = ()
        self.release()

    def release(self) -> None:
        """Let go of all that is held: nobody is there any more to say that it was released."""
        self.down = KeyboardReport()
        self._media: dict[Page, tuple[int, ...]] = {Page.CONSUMER: (), Page.SYSTEM: ()}
        self._pointer = msgspec.structs.replace(self._pointer, buttons=0)
        self._state: State | None = None

    def take(self, report: Report, now: float) -> None:
        """Act on a report."""
        if isinstance(report, KeyboardReport):
            self._take_keyboard(report, now)
        elif isinstance(report, ConsumerReport | SystemReport):
            self._take_media(report, now)
        else:
            self._take_mouse(report)
        self._state = None

    def state(self, now: float) -> State:
        """Return what there is to see; the same object until something changes."""
        written = announcement(self._front.phase, self._front.elapsed(now))
        if self._state is None or written != self._written:
            lines, cursor = self._lines(written)
            self._state = State(lines, cursor, self.leds, tuple(self._keys), self._pointer)
            self._written = written
        return self._state

    def _lines(self, written: tuple[Line, ...]) -> tuple[tuple[Line, ...], tuple[int, int]]:
        """Return the text on the screen, and where the cursor is; nothing of the console before it is there."""
        if self._front.phase is Phase.OFF:
            return in_view(())
        if self._front.phase is Phase.STARTING:
            return in_view(written, len(written[-1].text))
        return self._console.lines(written)

    def _take_keyboard(self, report: KeyboardReport, now: float) -> None:
        if keys.ROLLOVER.intersection(report.keys):
            return
        before, self.down = self.down, report
        pressed = [key for key in report.keys if key and key not in before.keys]
        if pressed or report.modifiers & ~before.modifiers:
            self._note_chord(before, pressed)
        if self._front.phase is Phase.ASLEEP and (pressed or report.modifiers & ~before.modifiers):
            self._front.wake(now)
        elif self._front.phase is Phase.RUNNING:
            for key in pressed:
                self._press(key)

    def _take_media(self, report: ConsumerReport | SystemReport, now: float) -> None:
        down = report.usages if isinstance(report, ConsumerReport) else (report.usage,) if report.usage else ()
        page = Page.CONSUMER if isinstance(report, ConsumerReport) else Page.SYSTEM
        before, self._media[page] = self._media[page], down
        pressed = [usage for usage in down if usage not in before]
        self._keys += (keys.media_name(page, usage) for usage in pressed)
        if pressed and self._front.phase is Phase.ASLEEP:
            self._front.wake(now)
        elif page is Page.SYSTEM and SLEEP in pressed:
            self._front.sleep(now)
        elif page is Page.SYSTEM and POWER_DOWN in pressed:
            self._front.shut_down(now)

    def _note_chord(self, before: KeyboardReport, pressed: list[int]) -> None:
        """Add to the last keys; the modifiers of a chord are pressed first, and then give way to the whole of it."""
        held = keys.modifier_names(before.modifiers & self.down.modifiers)
        if held and self._keys and self._keys[-1] == "+".join(held):
            self._keys.pop()
        self._keys.append("+".join(keys.modifier_names(self.down.modifiers) + [keys.key_name(key) for key in pressed]))

    def _press(self, key: int) -> None:
        toggle = {keys.CAPS_LOCK: "caps", keys.NUM_LOCK: "num", keys.SCROLL_LOCK: "scroll"}.get(key)
        if toggle:
            self.leds = msgspec.structs.replace(self.leds, **{toggle: not getattr(self.leds, toggle)})
        elif self.down.modifiers & ~keys.SHIFT:
            return
        elif key in {keys.ENTER, keys.KEYPAD_ENTER}:
            self._console.enter()
        elif key == keys.BACKSPACE:
            self._console.backspace()
        elif key == keys.TAB:
            self._console.tab()
        else:
            shift = bool(self.down.modifiers & keys.SHIFT)
            self._console.type(keys.typed(key, shift=shift, caps=self.leds.caps, num=self.leds.num))

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
