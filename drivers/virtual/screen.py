"""The virtual computer's screen: its state as a picture of 1280x720 pixels, RGB24.

A console of 80x25 cells of 16x28 pixels, and below it a bar of 20 pixels with the lock lamps, the last keys, the
pointer and the clock. Only what changed is drawn again, and a picture that did not change is the same object.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .console import COLUMNS, LINES, Line
from .session import HEIGHT, WIDTH, Pointer, State

CELL_WIDTH: Final = WIDTH // COLUMNS
CELL_HEIGHT: Final = 28
BAR_TOP: Final = LINES * CELL_HEIGHT
BAR_HEIGHT: Final = HEIGHT - BAR_TOP

BACKGROUND: Final = (24, 27, 34)
FOREGROUND: Final = (208, 214, 224)
ACCENT: Final = (122, 200, 160)
BAR: Final = (40, 45, 56)
BAR_TEXT: Final = (150, 158, 172)
BAR_DARK: Final = (84, 91, 105)
LAMP_LIT: Final = (126, 231, 135)
POINTER_EDGE: Final = (0, 0, 0)
POINTER_FILL: Final = (255, 255, 255)

CONSOLE_SIZE: Final = 25.5
CONSOLE_BASELINE: Final = 21
BAR_SIZE: Final = 13
BAR_MIDDLE: Final = BAR_HEIGHT // 2

ARROW: Final = (
    "#           ",
    "##          ",
    "#.#         ",
    "#..#        ",
    "#...#       ",
    "#....#      ",
    "#.....#     ",
    "#......#    ",
    "#.......#   ",
    "#........#  ",
    "#.........# ",
    "#......#####",
    "#...#..#    ",
    "#..# #..#   ",
    "#.#  #..#   ",
    "##    #..#  ",
    "#     #..#  ",
    "       ##   ",
)
"""The pointer: its tip is the upper left corner."""

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]
Cell = tuple[str, Colour, Colour]
"""A character with its colour and the one behind it."""


class Screen:
    """Draws states; keeps the last picture, so that the next costs only what differs.

    Not for several threads at once.
    """

    def __init__(self) -> None:
        self._canvas: Pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        self._canvas[:] = BACKGROUND
        self._cells: dict[tuple[int, int], Cell] = {}
        self._bar: tuple[object, ...] = ()
        self._shown: tuple[State, str, bool] | None = None
        self._picture = b""

    def draw(self, state: State, clock: str, cursor: bool) -> bytes:
        """Draw a state.

        :param clock: the time, as it is to be read in the bar
        :param cursor: whether the blinking cursor is to be seen
        :return: the pixels, line by line; the same object as before if nothing changed
        """
        wanted = (state, clock, cursor)
        if self._shown is None or self._shown[0] is not state or self._shown[1:] != wanted[1:]:
            self._draw_console(state, cursor)
            self._draw_bar(state, clock)
            self._picture = self._with_pointer(state.pointer)
            self._shown = wanted
        return self._picture

    def _draw_console(self, state: State, cursor: bool) -> None:
        cells = {
            (row, column): cell for row, line in enumerate(state.lines) for column, cell in enumerate(_cells_of(line))
        }
        if cursor:
            character, _, _ = cells.get(state.cursor, (" ", FOREGROUND, BACKGROUND))
            cells[state.cursor] = (character, BACKGROUND, ACCENT)
        blank = (" ", FOREGROUND, BACKGROUND)
        changed = {place for place, _ in cells.items() ^ self._cells.items()}
        for row, column in changed:
            top, left = row * CELL_HEIGHT, column * CELL_WIDTH
            tile = _tile(cells.get((row, column), blank))
            self._canvas[top : top + CELL_HEIGHT, left : left + CELL_WIDTH] = tile
        self._cells = cells

    def _draw_bar(self, state: State, clock: str) -> None:
        shown = (state.leds, state.keys, state.pointer, clock)
        if shown != self._bar:
            self._canvas[BAR_TOP:] = np.asarray(_bar(state, clock))
            self._bar = shown

    def _with_pointer(self, pointer: Pointer) -> bytes:
        """Return the picture with the pointer in it; the canvas stays without."""
        edge, fill = _arrow()
        place = self._canvas[pointer.y : pointer.y + edge.shape[0], pointer.x : pointer.x + edge.shape[1]]
        under = place.copy()
        height, width = place.shape[:2]
        place[edge[:height, :width]] = POINTER_EDGE
        place[fill[:height, :width]] = POINTER_FILL
        picture = self._canvas.tobytes()
        place[:] = under
        return picture


def _cells_of(line: Line) -> list[Cell]:
    return [
        (character, ACCENT if column < line.accent else FOREGROUND, BACKGROUND)
        for column, character in enumerate(line.text)
    ]


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BytesIO((files(__package__) / "DejaVuSansMono.ttf").read_bytes()), size)


@cache
def _tile(cell: Cell) -> Pixels:
    """Draw a cell; there are only so many, and each is drawn once."""
    character, colour, behind = cell
    image = Image.new("RGB", (CELL_WIDTH, CELL_HEIGHT), behind)
    draw = ImageDraw.Draw(image)
    draw.text((CELL_WIDTH / 2, CONSOLE_BASELINE), character, colour, _font(CONSOLE_SIZE), anchor="ms")
    return np.asarray(image)


@cache
def _arrow() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pointer's edge and inside as masks."""
    shape = np.array([list(row) for row in ARROW])
    return shape == "#", shape == "."


def _bar(state: State, clock: str) -> Image.Image:
    """Draw the bar, each part from its left end but the clock, which ends at the right."""
    image = Image.new("RGB", (WIDTH, BAR_HEIGHT), BAR)
    draw = ImageDraw.Draw(image)
    font = _font(BAR_SIZE)
    leds, pointer = state.leds, state.pointer
    for left, name, lit in ((12, "Num", leds.num), (80, "Caps", leds.caps), (156, "Scroll", leds.scroll)):
        draw.ellipse((left, BAR_MIDDLE - 4, left + 8, BAR_MIDDLE + 4), fill=LAMP_LIT if lit else BAR_DARK)
        draw.text((left + 16, BAR_MIDDLE), name, FOREGROUND if lit else BAR_TEXT, font, anchor="lm")
    draw.text((256, BAR_MIDDLE), "keys", BAR_TEXT, font, anchor="lm")
    draw.text((300, BAR_MIDDLE), _fitting(state.keys, 68), FOREGROUND, font, anchor="lm")
    draw.text((868, BAR_MIDDLE), "mouse", BAR_TEXT, font, anchor="lm")
    draw.text((920, BAR_MIDDLE), _describe(pointer), FOREGROUND, font, anchor="lm")
    draw.text((WIDTH - 12, BAR_MIDDLE), clock, ACCENT, font, anchor="rm")
    return image


def _fitting(chords: tuple[str, ...], width: int) -> str:
    """Write the newest chords that fit into so many characters."""
    text = "  ".join(chords)
    if len(text) <= width:
        return text
    return _fitting(chords[1:], width) if len(chords) > 1 else text[: width - 1] + "…"


def _describe(pointer: Pointer) -> str:
    buttons = [
        name for bit, name in enumerate(("left", "right", "middle", "back", "forward")) if pointer.buttons >> bit & 1
    ]
    wheels = f"wheel {pointer.wheel:+d}" if pointer.wheel else ""
    across = f"hwheel {pointer.hwheel:+d}" if pointer.hwheel else ""
    return "  ".join(filter(None, (f"{pointer.x},{pointer.y}", "+".join(buttons), wheels, across)))
