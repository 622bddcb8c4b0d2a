"""What the virtual computer writes on its screen: its console, and what it says when it starts and stops."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from .front_panel import DISK_FOUND, Phase

COLUMNS: Final = 80
LINES: Final = 25

TAB_STOP: Final = 8
MAX_INPUT: Final = COLUMNS * LINES


class Line(NamedTuple):
    """A line of the console.

    :param text: at most 80 characters
    :param accent: how many of them, from the first, are drawn in the accent colour
    """

    text: str = ""
    accent: int = 0


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

    def lines(self, written: tuple[Line, ...] = ()) -> tuple[tuple[Line, ...], tuple[int, int]]:
        """Return the lines that are in view and where the cursor is.

        :param written: what the computer has to say below them; the cursor is at its end
        """
        current = self._current()
        column = len(self.PROMPT + self._input) % COLUMNS
        if written:
            column = len(written[-1].text)
        elif column == 0:
            current.append(Line())
        return in_view((*self._past, *current, *written), column)

    def _current(self) -> list[Line]:
        text = self.PROMPT + self._input
        parts = [text[start : start + COLUMNS] for start in range(0, len(text), COLUMNS)]
        return [Line(part, accent=0 if index else len(self.PROMPT)) for index, part in enumerate(parts)]


def in_view(lines: tuple[Line, ...], column: int = 0) -> tuple[tuple[Line, ...], tuple[int, int]]:
    """Return the last lines that fit on the screen, filled up, and the cursor in the last of them."""
    shown = lines[-LINES:]
    return shown + (Line(),) * (LINES - len(shown)), (max(0, len(shown) - 1), column)


STARTING: Final = (
    (0.0, Line("kvmd-hal virtual firmware", accent=25)),
    (0.0, Line()),
    (0.2, Line("Processor   1 simulated core")),
    (0.4, Line("Memory      {memory} KiB")),
    (1.0, Line("Keyboard    found on USB")),
    (1.0, Line("Mouse       found on USB")),
    (DISK_FOUND, Line("Disk        virtual disk, 8 GiB")),
    (1.5, Line()),
    (1.5, Line("Booting from the virtual disk ...")),
)
"""What the firmware writes, and after how many seconds."""

MEMORY: Final = 65536
"""KiB of memory, which the firmware counts."""

STOPPING: Final = (
    (0.0, Line()),
    (0.0, Line("The power button was pressed. Shutting down ...", accent=29)),
    (0.8, Line("Stopping services ... done")),
    (1.4, Line("Writing to the virtual disk ... done")),
    (1.7, Line("Switching off.")),
)
"""What the operating system writes before it ends, and after how many seconds."""


def announcement(phase: Phase, elapsed: float) -> tuple[Line, ...]:
    """Return what the computer writes of its own accord so many seconds after the start of a phase."""
    if phase is Phase.STARTING:
        counted = min(max(elapsed - 0.4, 0.0) / 0.5, 1.0)
        memory = f"{int(counted * 16) * MEMORY // 16:5}"
        return tuple(Line(line.text.format(memory=memory), line.accent) for at, line in STARTING if at <= elapsed)
    return tuple(line for at, line in STOPPING if at <= elapsed) if phase is Phase.STOPPING else ()
