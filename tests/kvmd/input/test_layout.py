"""The tables of text: made anew, and read as a Linux desktop reads keys."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator

import pytest

from kvmd.errors import RequestError
from kvmd.input.keymap import KEYS
from kvmd.input.layout import CONTROLS, Chord, Chords, labels, load, titles
from tests import layouts, xkb

ASCII = {*string.printable} - {*string.whitespace} | {" "}
LACKING = {
    "cz(rus)": "#@^_{}",
    "de(neo)": "!#%&()<=>?@[\\]_{|}",
    "fr(dvorak)": "$`{}",
    "gh(ewe)": "[]",
    "ie(ogam_is434)": "':;@[]{}",
    "iq(ku_ara)": ";",
    "ir(ku_ara)": ";",
    "lv(ergonomic)": "|",
    "no(mac)": "$[\\]{}~",
    "no(mac_nodeadkeys)": "$'[\\]{}~",
    "ru(ruchey_en)": "#$&'<>@[]^`{|}~",
    "sn": "*",
    "uz(latin)": "'",
}
"""What of ASCII some layouts do not have at all, or on their fifth level and beyond."""

BROKEN_OFF = {("de(neo)", "⁺"), ("de(neo)", "⁻"), ("de(T3)", "⫰")}
"""Their AltGr is ISO_Level5_Shift there, which for libxkbcommon ends a sequence that a dead key has begun."""

same_version = pytest.mark.skipif(
    layouts.version() != layouts.kept_version(),
    reason=f"xkeyboard-config here is {layouts.version() or 'none'}, not {layouts.kept_version()}",
)
"""The tables are of Debian 13; tests/test_layouts.py compares them wherever there are kernel tests."""


def presses(chords: Iterable[Chord]) -> Iterator[tuple[int, int]]:
    """List the key events that type this."""
    for chord in chords:
        keys = [KEYS[name].evdev for name in (*chord.held, chord.key)]
        yield from [(key, xkb.DOWN) for key in keys] + [(key, xkb.UP) for key in reversed(keys)]


def characters(name: str) -> dict[str, Chords]:
    """Return what types each character of a layout, but for Enter and Tab."""
    return {text: chords for text, chords in load(name).chords.items() if text not in CONTROLS}


@same_version
def test_the_tables_are_those_that_are_made() -> None:
    assert layouts.differing() == [], "run: make layouts"


@same_version
@pytest.mark.parametrize("layout", sorted({name.partition("(")[0] for name in titles()}))
def test_a_desktop_reads_each_character_as_what_it_is(layout: str) -> None:
    wrong: dict[tuple[str, str], str] = {}
    for name in (name for name in titles() if name.partition("(")[0] == layout):
        keyboard = xkb.Keyboard(*name.removesuffix(")").split("("))
        read = {text: keyboard.text(presses(chords)) for text, chords in characters(name).items()}
        wrong |= {(name, text): found for text, found in read.items() if found != text}
        whole = [text for text in read if read[text] == text]
        assert keyboard.text(presses(chord for text in whole for chord in characters(name)[text])) == "".join(whole)
        keyboard.close()
    assert wrong.keys() <= BROKEN_OFF, wrong


def test_every_layout_has_latin_letters_and_most_have_all_of_ascii() -> None:
    lacking = {name: "".join(sorted(ASCII - load(name).chords.keys())) for name in titles()}
    assert {name: these for name, these in lacking.items() if these} == LACKING
    assert all(not {*string.ascii_letters, *string.digits, "\n", "\t"} & {*these} for these in lacking.values())


def test_there_are_those_that_people_ask_for() -> None:
    wanted = {"us", "us(intl)", "us(dvorak)", "us(colemak)", "gb", "de", "fr", "ch", "ch(fr)", "es", "it", "jp", "br"}
    assert wanted | {"tr", "se", "no", "dk", "fi", "pt", "pl", "cz", "hu", "nl", "be", "ca"} <= titles().keys()
    macs = {f"{country}(mac)" for country in ("us", "gb", "de", "fr", "it", "pt")} | {"ch(de_mac)", "ch(fr_mac)"}
    assert macs <= titles().keys()
    assert not {"ru", "gr", "il"} & titles().keys()
    assert titles()["de(mac)"] == "German (Macintosh)"


@pytest.mark.parametrize(
    ("layout", "text", "chords"),
    [
        ("us", "a", [((), "KeyA")]),
        ("us", "<", [(("ShiftLeft",), "Comma")]),
        ("de", "z", [((), "KeyY")]),
        ("de", "@", [(("AltRight",), "KeyQ")]),
        ("de", "|", [(("AltRight",), "IntlBackslash")]),
        ("de", "^", [((), "Backquote"), ((), "Space")]),
        ("de", "é", [((), "Equal"), ((), "KeyE")]),
        ("gb", "\\", [((), "IntlBackslash")]),
        ("us(intl)", "'", [((), "Quote"), ((), "Space")]),
        ("es", "@", [(("AltRight",), "Digit2")]),
        ("es", "{", [(("AltRight",), "Quote")]),
        ("it", "{", [(("AltRight", "ShiftLeft"), "BracketLeft")]),
        ("ch", "|", [(("AltRight",), "Digit7")]),
        ("cz", "@", [(("AltRight",), "KeyV")]),
        ("de(mac)", "@", [(("AltRight",), "KeyL")]),
        ("de(mac)", "~", [(("AltRight",), "KeyN"), ((), "Space")]),
        ("jp", "\\", [((), "IntlRo")]),
        ("us", "\n", [((), "Enter")]),
        ("us", "\t", [((), "Tab")]),
    ],
)
def test_the_way_to_a_character(layout: str, text: str, chords: list[tuple[tuple[str, ...], str]]) -> None:
    assert load(layout).chords[text] == tuple(Chord(*chord) for chord in chords)


@pytest.mark.parametrize("name", ["", "xx", "DE", "ru", "../index", "index", "compose", "de(", "de(nonsense)"])
def test_what_is_no_layout(name: str) -> None:
    with pytest.raises(RequestError, match="there is no layout"):
        load(name)


def test_all_keys_have_labels_and_no_name_of_a_dead_key_is_one() -> None:
    for name in titles():
        texts = {text for row in labels(name).values() for text in row}
        assert not [text for text in texts if text.startswith("dead_")], name
        assert {*string.ascii_lowercase, *string.digits} <= texts, name
