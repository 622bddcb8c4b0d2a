"""Make kvmd/input/layouts/: what each key writes, by xkeyboard-config and Compose, as libxkbcommon has them.

``python -m tests.layouts`` (``make layouts``) writes the files; test_layouts.py checks that there is nothing to write.
"""

from __future__ import annotations

import json
import os
import string
import sys
import unicodedata
import xml.etree.ElementTree as ET  # the file is Debian's own
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from kvmd.input.keymap import KEYS
from kvmd.input.layout import LEVELS
from tests import xkb

TARGET = Path(__file__).parents[1] / "kvmd/input/layouts"
DATA = Path(os.environ.get("XKB_CONFIG_ROOT", "/usr/share/X11/xkb"))
"""xkeyboard-config; libxkbcommon reads this variable, too, and XLOCALEDIR for Compose."""
VERSION = DATA.parents[1] / "pkgconfig/xkeyboard-config.pc"

WRITING = [
    *(name for name in KEYS if name.startswith(("Key", "Digit"))),
    *("Space", "Minus", "Equal", "BracketLeft", "BracketRight", "Backslash", "Semicolon", "Quote", "Backquote"),
    *("Comma", "Period", "Slash", "IntlBackslash", "IntlRo", "IntlYen"),
]
"""The keys that write; those of the keypad mean something else on every machine."""
GENERIC = "latin"
"""What most layouts build on; where they have a character elsewhere, too, that is where it is printed."""
_CZECH = dict(zip("{&[]}@#", ["KeyB", "KeyC", "KeyF", "KeyG", "KeyN", "KeyV", "KeyX"], strict=True))
PRINTED = {
    "ch": {"|": "Digit7"},
    "cz": _CZECH,
    "hr": {"|": "KeyW"},
    "hu": {"&": "KeyC", "<": "IntlBackslash", ">": "KeyZ"},
    "latam": {"~": "BracketRight", "\\": "Minus"},
    "si": {"|": "KeyW"},
    "sk": _CZECH,
}
"""Which of several keys has a character with AltGr on keyboards, and on Windows, where no rule tells.

Source: the layouts that Microsoft shows, https://learn.microsoft.com/globalization/windows-keyboard-layouts
"""
NEEDED = {*string.ascii_letters, *string.digits, " "}
"""What a layout has that is called Latin."""

Table = dict[str, list[str]]
"""Of each key what it writes: characters, names of dead keys, or nothing, up to the last level that has any."""
Symbols = dict[str, list[int]]
"""The same, as keysyms."""


def version() -> str:
    """Return the version of xkeyboard-config that is installed; empty if none is."""
    lines = VERSION.read_text().splitlines() if VERSION.exists() else []
    return next((line.removeprefix("Version: ") for line in lines if line.startswith("Version: ")), "")


def kept_version() -> str:
    """Return the version that the files were made with."""
    return str(json.loads((TARGET / "index.json").read_text())["xkeyboard-config"])


def differing() -> list[str]:
    """Name the files that would be others if they were made now."""
    kept = {path.name: path.read_text() for path in TARGET.glob("*.json")}
    now = made()
    return sorted(name for name in kept.keys() | now.keys() if kept.get(name) != now.get(name))


def made() -> dict[str, str]:
    """Make the files: their names, and what is in them."""
    titles, files = {}, {}
    dead: set[int] = set()
    bases: set[int] = set()
    for layout, variants in _layouts():
        tables = {}
        for name, title, symbols in variants:
            titles[name] = title
            tables[name] = _settled(layout, {key: _written(row) for key, row in symbols.items()})
            found = {symbol for row in symbols.values() for symbol in row}
            dead |= {symbol for symbol in found if _is_dead(symbol)}
            bases |= {symbol for symbol in found if _text(symbol)}
        if tables:
            files[f"{layout}.json"] = _json(tables)
    index = {"xkeyboard-config": version(), "layouts": dict(sorted(titles.items()))}
    return {**files, "index.json": _json(index), "compose.json": _json(_composed(dead, bases))}


def _layouts() -> Iterator[tuple[str, list[tuple[str, str, Symbols]]]]:
    """List the layouts, and of each variant that has Latin letters its name, the words for people, and the keys."""
    for entry in ET.parse(DATA / "rules/evdev.xml").getroot().iterfind("layoutList/layout"):
        layout, title = _told(entry)
        every = [("", title), *(_told(variant) for variant in entry.iterfind("variantList/variant"))]
        found = []
        for variant, words in every:
            symbols = _symbols(layout, variant)
            texts = {_text(symbol) for row in symbols.values() for symbol in row}
            if texts >= NEEDED:
                found.append((f"{layout}({variant})" if variant else layout, words, symbols))
        yield layout, found


def _told(entry: ET.Element) -> tuple[str, str]:
    return str(entry.findtext("configItem/name")), str(entry.findtext("configItem/description"))


def _symbols(layout: str, variant: str, options: str = "") -> Symbols:
    """Ask a keyboard what its keys mean; nothing where the layout is a place for one's own, and empty."""
    try:
        keyboard = xkb.Keyboard(layout, variant, options)
    except ValueError:
        return {}
    found: Symbols = {name: [] for name in WRITING}
    for held in LEVELS:
        for name in held:
            keyboard.turn(KEYS[name].evdev, xkb.DOWN)
        for name, row in found.items():
            row.append(keyboard.symbol(KEYS[name].evdev))
        for name in held:
            keyboard.turn(KEYS[name].evdev, xkb.UP)
    keyboard.close()
    return found


def _written(row: Iterable[int]) -> list[str]:
    """Return what a key writes; what it writes with less held already is left out."""
    said: list[str] = []
    for symbol in row:
        what = xkb.name(symbol) if _is_dead(symbol) else _text(symbol)
        said.append("" if what in said else what)
    return _trimmed(said)


def _trimmed(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row = row[:-1]
    return row


def _settled(layout: str, table: Table) -> Table:
    """Leave only the best of the keys that have a character with AltGr, where several do."""
    ways: dict[str, list[tuple[str, int]]] = {}
    for key, row in table.items():
        for level, text in enumerate(row):
            ways.setdefault(text, []).append((key, level))
    for text, places in ways.items():
        if text and min(level for _, level in places) > 1:
            places.sort(key=lambda place: _doubt(layout, text, *place))
            for key, level in places[1:]:
                table[key][level] = ""
    return {key: _trimmed(row) for key, row in table.items()}


def _doubt(layout: str, text: str, key: str, level: int) -> tuple[bool, bool, bool, bool, int]:
    """Tell how little there is for it that a key with AltGr has this character everywhere, the most telling first."""
    row = _generic()[key]
    is_generic = key != "IntlBackslash" and level < len(row) and row[level] == text
    is_letter = key.startswith("Key")
    return PRINTED.get(layout, {}).get(text) != key, is_generic, is_letter, key.startswith("Intl"), level


@cache
def _generic() -> Table:
    return {key: _written(row) for key, row in _symbols(GENERIC, "", "lv3:ralt_switch").items()}


def _is_dead(symbol: int) -> bool:
    return xkb.name(symbol).startswith("dead_")


def _text(symbol: int) -> str:
    """Return the character of a keysym that text has, and nothing of one that is a function's, such as Return."""
    text = xkb.character(symbol)
    return text if text and _is_written(text) else ""


def _is_written(text: str) -> bool:
    """Tell whether this is a character of composed text; a mark that belongs to the one before it is not."""
    is_one = len(text) == 1 and unicodedata.category(text) not in {"Cc", "Cn", "Co", "Cs", "Mn", "Mc", "Me"}
    return is_one and unicodedata.is_normalized("NFC", text)


def _composed(dead: set[int], bases: set[int]) -> dict[str, list[str]]:
    """Return of each dead key what follows it, and what comes of that, as two strings of one length.

    A dead key twice is left out: on Linux that is the bare accent, elsewhere two of them. So is what depends on which
    of several keysyms a character has.
    """
    made: dict[str, dict[str, str]] = {}
    for accent in sorted(dead, key=xkb.name):
        pairs: dict[str, set[str]] = {}
        compose = xkb.Compose()
        for base in bases:
            pairs.setdefault(_text(base), set()).add(compose.pair(accent, base))
        single = {base: texts.pop() for base, texts in pairs.items() if len(texts) == 1}
        made[xkb.name(accent)] = {base: text for base, text in sorted(single.items()) if _is_written(text)}
    return {name: ["".join(pairs), "".join(pairs.values())] for name, pairs in made.items() if pairs}


def _json(value: dict[str, Any]) -> str:
    """Write a line for each entry, so that a change can be read."""
    lines = ",\n".join(f"{json.dumps(name)}: {_entry(entry)}" for name, entry in value.items())
    return f"{{\n{lines}\n}}\n"


def _entry(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    for old in TARGET.glob("*.json"):
        old.unlink()
    for name, content in made().items():
        (TARGET / name).write_text(content)
    sys.stdout.write(f"made {TARGET} from xkeyboard-config {version()}\n")
