"""Make kvmd/input/layouts/: what each key writes, by xkeyboard-config and Compose, as libxkbcommon has them.

``python -m tests.layouts`` (``make layouts``) writes the files; test_layout.py checks that there is nothing to write.
"""

from __future__ import annotations

import json
import string
import sys
import unicodedata
import xml.etree.ElementTree as ET  # the file is Debian's own
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kvmd.input.keymap import KEYS
from kvmd.input.layout import LEVELS
from tests import xkb

TARGET = Path(__file__).parents[1] / "kvmd/input/layouts"
RULES = Path("/usr/share/X11/xkb/rules/evdev.xml")
VERSION = Path("/usr/share/pkgconfig/xkeyboard-config.pc")

WRITING = [
    *(name for name in KEYS if name.startswith(("Key", "Digit"))),
    *("Space", "Minus", "Equal", "BracketLeft", "BracketRight", "Backslash", "Semicolon", "Quote", "Backquote"),
    *("Comma", "Period", "Slash", "IntlBackslash", "IntlRo", "IntlYen"),
]
"""The keys that write; those of the keypad mean something else on every machine."""
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


def made() -> dict[str, str]:
    """Make the files: their names, and what is in them."""
    titles, files = {}, {}
    dead: set[int] = set()
    bases: set[int] = set()
    for layout, variants in _layouts():
        tables = {}
        for name, title, symbols in variants:
            titles[name] = title
            tables[name] = {key: _written(row) for key, row in symbols.items()}
            found = {symbol for row in symbols.values() for symbol in row}
            dead |= {symbol for symbol in found if _is_dead(symbol)}
            bases |= {symbol for symbol in found if _text(symbol)}
        if tables:
            files[f"{layout}.json"] = _json(tables)
    index = {"xkeyboard-config": version(), "layouts": dict(sorted(titles.items()))}
    return {**files, "index.json": _json(index), "compose.json": _json(_composed(dead, bases))}


def _layouts() -> Iterator[tuple[str, list[tuple[str, str, Symbols]]]]:
    """List the layouts, and of each variant that has Latin letters its name, the words for people, and the keys."""
    for entry in ET.parse(RULES).getroot().iterfind("layoutList/layout"):
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


def _symbols(layout: str, variant: str) -> Symbols:
    """Ask a keyboard what its keys mean; nothing where the layout is a place for one's own, and empty."""
    try:
        keyboard = xkb.Keyboard(layout, variant)
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
    while said and not said[-1]:
        said.pop()
    return said


def _is_dead(symbol: int) -> bool:
    return xkb.name(symbol).startswith("dead_")


def _text(symbol: int) -> str:
    """Return the character of a keysym that text has, and nothing of one that is a function's, such as Return."""
    text = xkb.character(symbol)
    return text if text and unicodedata.category(text) not in {"Cc", "Cn", "Co", "Cs"} and _is_nfc(text) else ""


def _is_nfc(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text)


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
        made[xkb.name(accent)] = {
            base: text for base, text in sorted(single.items()) if len(text) == 1 and _is_nfc(text)
        }
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
