"""Keyboard layouts: which keys type which character on a computer that is set to one of them.

layouts/ has a file for each layout of xkeyboard-config that has Latin letters, with its variants (``make layouts``
makes them); layouts/LICENSE says whose work they are. Keys are named as in ``keymap``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from itertools import chain
from typing import NamedTuple, TypeVar

import msgspec

from kvmd.errors import NotFound, RequestError
from kvmd.system.decoding import decode_json

T = TypeVar("T")

LEVELS = ((), ("ShiftLeft",), ("AltRight",), ("AltRight", "ShiftLeft"))
"""What is held for the first, second, third and fourth of the characters that a key writes, in this order: with Shift,
AltGr is another key in some layouts, such as Compose."""
CONTROLS = {"\n": "Enter", "\t": "Tab"}

ACCENTS = {
    "dead_abovecomma": "\N{GREEK PSILI}",
    "dead_abovedot": "\N{DOT ABOVE}",
    "dead_abovering": "\N{RING ABOVE}",
    "dead_acute": "\N{ACUTE ACCENT}",
    "dead_belowbreve": "\N{DOTTED CIRCLE}\N{COMBINING BREVE BELOW}",
    "dead_belowcircumflex": "\N{DOTTED CIRCLE}\N{COMBINING CIRCUMFLEX ACCENT BELOW}",
    "dead_belowcomma": "\N{DOTTED CIRCLE}\N{COMBINING COMMA BELOW}",
    "dead_belowdot": "\N{DOTTED CIRCLE}\N{COMBINING DOT BELOW}",
    "dead_belowmacron": "\N{DOTTED CIRCLE}\N{COMBINING MACRON BELOW}",
    "dead_belowring": "\N{DOTTED CIRCLE}\N{COMBINING RING BELOW}",
    "dead_breve": "\N{BREVE}",
    "dead_caron": "\N{CARON}",
    "dead_cedilla": "\N{CEDILLA}",
    "dead_circumflex": "^",
    "dead_currency": "\N{CURRENCY SIGN}",
    "dead_diaeresis": "\N{DIAERESIS}",
    "dead_doubleacute": "\N{DOUBLE ACUTE ACCENT}",
    "dead_doublegrave": "\N{DOTTED CIRCLE}\N{COMBINING DOUBLE GRAVE ACCENT}",
    "dead_grave": "`",
    "dead_greek": "\N{MICRO SIGN}",
    "dead_hook": "\N{DOTTED CIRCLE}\N{COMBINING HOOK ABOVE}",
    "dead_horn": "\N{DOTTED CIRCLE}\N{COMBINING HORN}",
    "dead_invertedbreve": "\N{DOTTED CIRCLE}\N{COMBINING INVERTED BREVE}",
    "dead_macron": "\N{MACRON}",
    "dead_ogonek": "\N{OGONEK}",
    "dead_stroke": "/",
    "dead_tilde": "~",
}
"""What is printed on dead keys; where Unicode has no such accent by itself, it stands on a dotted circle."""

_DEAD = "dead_"
_Table = dict[str, list[str]]
"""Of each key what it writes by level: a character, the name of a dead key, or nothing."""


class Chord(NamedTuple):
    """A key, and what is held meanwhile."""

    held: tuple[str, ...]
    key: str


Chords = tuple[Chord, ...]
"""What types one character: one chord, or a dead key's and the one after it."""


class Layout(NamedTuple):
    """A layout.

    :param name: as xkeyboard-config has it: ``de``, or with a variant ``de(nodeadkeys)``
    :param chords: what types each character
    """

    name: str
    chords: Mapping[str, Chords]


class _Index(msgspec.Struct, frozen=True):
    version: str = msgspec.field(name="xkeyboard-config")
    layouts: dict[str, str]


def titles() -> dict[str, str]:
    """Return the names of all layouts, with words for people, such as ``German``."""
    return _read("index", _Index).layouts


@lru_cache(maxsize=4)
def load(name: str) -> Layout:
    """Return a layout.

    :raises RequestError: there is none of this name
    """
    if name not in titles():
        raise RequestError(f'there is no layout "{name}"; GET /api/layouts and `kvmd type --layouts` list them')
    direct = _cheapest(_written(_table(name)))
    every = _cheapest(chain(direct.items(), _composed(direct)))
    texts = {text: chords for text, chords in every.items() if not text.startswith(_DEAD)}
    return Layout(name, {**texts, **{text: (Chord((), key),) for text, key in CONTROLS.items()}})


def labels(name: str) -> dict[str, list[str]]:
    """Return what is printed on the keys of a layout, by level; nothing for a level on which a key types nothing.

    :raises NotFound: there is none of this name
    """
    if name not in titles():
        raise NotFound(f'there is no layout "{name[:64]}"; GET /api/layouts lists them')
    return {key: [ACCENTS.get(text, text) for text in row] for key, row in _table(name).items() if row}


def _table(name: str) -> _Table:
    return _read(name.partition("(")[0], dict[str, _Table])[name]


def _written(table: _Table) -> Iterator[tuple[str, Chords]]:
    """List what the keys write, and how."""
    for key, row in table.items():
        for held, text in zip(LEVELS, row, strict=False):
            if text:
                yield text, (Chord(held, key),)


def _composed(direct: Mapping[str, Chords]) -> Iterator[tuple[str, Chords]]:
    """List what the dead keys make of the others, and how."""
    for dead, (bases, results) in _read("compose", dict[str, tuple[str, str]]).items():
        for base, text in zip(bases, results, strict=True):
            if dead in direct and base in direct:
                yield text, (*direct[dead], *direct[base])


def _cheapest(ways: Iterable[tuple[str, Chords]]) -> dict[str, Chords]:
    """Keep the best way to each character."""
    found: dict[str, Chords] = {}
    for text, chords in ways:
        if text not in found or _cost(chords) < _cost(found[text]):
            found[text] = chords
    return found


def _cost(chords: Chords) -> tuple[int, int, int, int]:
    """Tell how much may go wrong, the worst first.

    Systems do not agree on what AltGr makes of a key, and not all keyboards have the keys beside the usual ones. A dead
    key is printed on the keyboard, and the same everywhere: us(intl) has an apostrophe with AltGr on Linux alone.
    """
    altgr = sum("AltRight" in chord.held for chord in chords)
    rare = sum(chord.key.startswith("Intl") for chord in chords)
    return altgr, len(chords), rare, sum(len(chord.held) for chord in chords)


def _read(name: str, shape: type[T]) -> T:
    return decode_json(resources.files("kvmd.input").joinpath("layouts", f"{name}.json").read_bytes(), shape)
