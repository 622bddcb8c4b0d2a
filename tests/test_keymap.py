"""The keys: BliKVM's document, the kernel's header and the USB tables agree with ours."""

import re
from pathlib import Path

import pytest

from kvmd.errors import RequestError
from kvmd.keymap import ALIASES, KEYS, find_key

DOCUMENT = Path(__file__).parent / "data/blikvm-api-v1.4.0.txt"
HEADER = Path("/usr/include/linux/input-event-codes.h")

DOCUMENTED = {name: int(usage) for name, usage in re.findall(r'^"(\w+)"=> (\d+)', DOCUMENT.read_text(), re.MULTILINE)}

NAMES = {
    "Backquote": "GRAVE",
    "Period": "DOT",
    "Quote": "APOSTROPHE",
    "BracketLeft": "LEFTBRACE",
    "BracketRight": "RIGHTBRACE",
    "Escape": "ESC",
    "PrintScreen": "SYSRQ",
    "IntlBackslash": "102ND",
    "IntlRo": "RO",
    "IntlYen": "YEN",
    "KanaMode": "KATAKANAHIRAGANA",
    "Convert": "HENKAN",
    "NonConvert": "MUHENKAN",
    "Lang1": "HANGEUL",
    "Lang2": "HANJA",
    "Lang3": "KATAKANA",
    "Lang4": "HIRAGANA",
    "Lang5": "ZENKAKUHANKAKU",
    "ContextMenu": "COMPOSE",
    "Select": "FRONT",
    "AudioVolumeMute": "MUTE",
    "AudioVolumeUp": "VOLUMEUP",
    "AudioVolumeDown": "VOLUMEDOWN",
    "NumpadMultiply": "KPASTERISK",
    "NumpadDivide": "KPSLASH",
    "NumpadSubtract": "KPMINUS",
    "NumpadAdd": "KPPLUS",
    "NumpadDecimal": "KPDOT",
    "NumpadParenLeft": "KPLEFTPAREN",
    "NumpadParenRight": "KPRIGHTPAREN",
    # hid-input.c has no keypad keys for these: it gives 0xD8 KEY_DELETE, and the rest KEY_UNKNOWN.
    "NumpadClear": "DELETE",
    **dict.fromkeys(
        ["Abort", "NumpadBackspace", "NumpadClearEntry"]
        + [f"NumpadMemory{word}" for word in ("Store", "Recall", "Clear", "Add", "Subtract")],
        "UNKNOWN",
    ),
}
"""W3C's names that are not the kernel's with another prefix."""

# HUT 1.5 section 10, each group at its first usage. 0x76 is Menu there; Sun's keyboards and Linux have Props at it.
PAGE = {
    0x64: "IntlBackslash ContextMenu Power NumpadEqual F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24 Open Help Props "
    "Select",
    0x79: "Again Undo Cut Copy Paste Find AudioVolumeMute AudioVolumeUp AudioVolumeDown",
    0x85: "NumpadComma",
    0x87: "IntlRo KanaMode IntlYen Convert NonConvert",
    0x90: "Lang1 Lang2 Lang3 Lang4 Lang5",
    0x9B: "Abort",
    0xB6: "NumpadParenLeft NumpadParenRight",
    0xBB: "NumpadBackspace",
    0xD0: "NumpadMemoryStore NumpadMemoryRecall NumpadMemoryClear NumpadMemoryAdd NumpadMemorySubtract",
    0xD8: "NumpadClear NumpadClearEntry",
    0xE0: "ControlLeft ShiftLeft AltLeft MetaLeft ControlRight ShiftRight AltRight MetaRight",
}
"""What the keyboard page has beyond the document's names."""


def test_the_document_has_95_names():
    assert len(DOCUMENTED) == 95


@pytest.mark.parametrize(("name", "usage"), DOCUMENTED.items())
def test_names_of_the_document(name, usage):
    assert find_key(name).usage == usage


def test_names_beyond_the_document():
    expected = {name: first + offset for first, names in PAGE.items() for offset, name in enumerate(names.split())}
    ours = {name: key.usage for name, key in KEYS.items() if name not in {*DOCUMENTED, "PrintScreen"}}
    assert ours == expected


def kernel_name(name):
    """Return what the kernel calls a key of W3C's name."""
    if name in NAMES:
        return NAMES[name]
    if side := re.fullmatch("(Control|Shift|Alt|Meta)(Left|Right)", name):
        return side[2].upper() + {"Control": "CTRL"}.get(side[1], side[1].upper())
    name = re.sub("^(Key|Digit|Arrow)", "", name)
    return re.sub("^NUMPAD", "KP", name.upper())


@pytest.mark.parametrize("name", KEYS)
def test_evdev_codes_are_those_of_the_kernel(name):
    codes = {key: int(code) for key, code in re.findall(r"#define KEY_(\w+)\s+(\d+)\b", HEADER.read_text())}
    assert KEYS[name].evdev == codes[kernel_name(name)]


def test_no_usage_twice():
    usages = [key.usage for key in KEYS.values()]
    assert len(set(usages)) == len(usages)


def test_modifiers_have_the_bits_of_the_report():
    bits = {name: key.modifier for name, key in KEYS.items() if key.modifier}
    assert bits == {
        "ControlLeft": 0x01,
        "ShiftLeft": 0x02,
        "AltLeft": 0x04,
        "MetaLeft": 0x08,
        "ControlRight": 0x10,
        "ShiftRight": 0x20,
        "AltRight": 0x40,
        "MetaRight": 0x80,
    }


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_aliases(alias, name):
    assert find_key(alias) == KEYS[name]
    assert alias not in KEYS


@pytest.mark.parametrize("name", ["", "keya", "A", "Fn", "KeyÄ", "Sleep"])
def test_unknown_keys_are_named(name):
    with pytest.raises(RequestError) as raised:
        find_key(name)
    assert str(raised.value).startswith(f'"{name}" is not a key; ')
