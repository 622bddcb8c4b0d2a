"""The keys: BliKVM's document, the kernel's header and the USB tables agree with ours."""

import re
from pathlib import Path

import pytest

from kvmd.errors import RequestError
from kvmd.input.keymap import ALIASES, KEYS, MEDIA_KEYS, POWER_KEYS, Page, find_keys, keys_of

DOCUMENT = Path(__file__).parents[2] / "data/blikvm-api-v1.4.0.txt"
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
    "MediaPause": "PAUSE",
    "MediaPlay": "PLAY",
    "MediaRecord": "RECORD",
    "MediaFastForward": "FASTFORWARD",
    "MediaRewind": "REWIND",
    "MediaTrackNext": "NEXTSONG",
    "MediaTrackPrevious": "PREVIOUSSONG",
    "MediaStop": "STOPCD",
    "MediaPlayPause": "PLAYPAUSE",
    "MediaSelect": "CONFIG",
    "Eject": "EJECTCD",
    "LaunchMail": "MAIL",
    "LaunchApp1": "FILE",
    "LaunchApp2": "CALC",
    "BrowserSearch": "SEARCH",
    "BrowserHome": "HOMEPAGE",
    "BrowserBack": "BACK",
    "BrowserForward": "FORWARD",
    "BrowserStop": "STOP",
    "BrowserRefresh": "REFRESH",
    "BrowserFavorites": "BOOKMARKS",
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


def test_the_document_has_95_names() -> None:
    assert len(DOCUMENTED) == 95


@pytest.mark.parametrize(("name", "usage"), DOCUMENTED.items())
def test_names_of_the_document(name: str, usage: int) -> None:
    assert [key.usage for key in find_keys(name)] == [usage]


def test_names_beyond_the_document() -> None:
    expected = {name: first + offset for first, names in PAGE.items() for offset, name in enumerate(names.split())}
    ours = {name: key.usage for name, key in KEYS.items() if name not in {*DOCUMENTED, "PrintScreen"}}
    assert ours == expected


def kernel_name(name: str) -> str:
    """Return what the kernel calls a key of W3C's name."""
    if name in NAMES:
        return NAMES[name]
    if side := re.fullmatch("(Control|Shift|Alt|Meta)(Left|Right)", name):
        return side[2].upper() + {"Control": "CTRL"}.get(side[1], side[1].upper())
    name = re.sub("^(Key|Digit|Arrow)", "", name)
    return re.sub("^NUMPAD", "KP", name.upper())


@pytest.mark.parametrize(("page", "name"), [(page, name) for page in Page for name in keys_of(page)])
def test_evdev_codes_are_those_of_the_kernel(page: Page, name: str) -> None:
    codes = {key: int(code) for key, code in re.findall(r"#define KEY_(\w+)\s+(\d+)\b", HEADER.read_text())}
    assert keys_of(page)[name].evdev == codes[kernel_name(name)]


@pytest.mark.parametrize("page", Page)
def test_no_usage_twice(page: Page) -> None:
    keys = keys_of(page).values()
    assert {key.page for key in keys} == {page}
    assert len({key.usage for key in keys}) == len(keys)


# HUT 1.5 section 15, as the kernel's hid-input.c has it, and section 4.5.
CONSUMER = {
    0xB0: "MediaPlay MediaPause MediaRecord MediaFastForward MediaRewind",
    0xB5: "MediaTrackNext MediaTrackPrevious MediaStop Eject",
    0xCD: "MediaPlayPause",
    0xE2: "AudioVolumeMute",
    0xE9: "AudioVolumeUp AudioVolumeDown",
    0x183: "MediaSelect",
    0x18A: "LaunchMail",
    0x192: "LaunchApp2",
    0x194: "LaunchApp1",
    0x221: "BrowserSearch",
    0x223: "BrowserHome BrowserBack BrowserForward BrowserStop BrowserRefresh",
    0x22A: "BrowserFavorites",
}


def test_media_and_power_keys() -> None:
    expected = {name: first + offset for first, names in CONSUMER.items() for offset, name in enumerate(names.split())}
    assert {name: key.usage for name, key in MEDIA_KEYS.items()} == expected
    assert {name: key.usage for name, key in POWER_KEYS.items()} == {"Power": 0x81, "Sleep": 0x82, "WakeUp": 0x83}


def test_the_preferred_page_of_a_name_comes_first() -> None:
    assert [key.page for key in find_keys("VolumeMute")] == [Page.CONSUMER, Page.KEYBOARD]
    assert [key.page for key in find_keys("Power")] == [Page.SYSTEM, Page.KEYBOARD]
    assert [key.page for key in find_keys("KeyA")] == [Page.KEYBOARD]


def test_modifiers_have_the_bits_of_the_report() -> None:
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
def test_aliases(alias: str, name: str) -> None:
    assert find_keys(alias) == find_keys(name)
    assert not any(alias in keys_of(page) for page in Page)


@pytest.mark.parametrize("name", ["", "keya", "A", "Fn", "KeyÄ", "Snooze"])
def test_unknown_keys_are_named(name: str) -> None:
    with pytest.raises(RequestError) as raised:
        find_keys(name)
    assert str(raised.value).startswith(f'"{name}" is not a key; ')
