"""The keys: W3C's KeyboardEvent.code -> USB HID usage and evdev code.

Sources: UI Events KeyboardEvent code Values (W3C; for MediaPlay and the like its editor's draft), HID Usage Tables 1.5
sections 4.5 (system control), 10 (keyboard page) and 15 (consumer page), and Linux's input-event-codes.h with the
usages that its HID driver gives them. A usage for which Linux has no key stands with evdev code 240, KEY_UNKNOWN.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from kvmd.errors import RequestError


class Page(enum.Enum):
    """Where a key is found, which is also what report carries it."""

    KEYBOARD = "keyboard"
    CONSUMER = "media keys"
    SYSTEM = "power keys"


class Key(NamedTuple):
    """A key.

    :param usage: on its page
    :param evdev: what evdev calls it on a Linux host (input-event-codes.h)
    :param page: where it is found
    """

    usage: int
    evdev: int
    page: Page = Page.KEYBOARD

    @property
    def modifier(self) -> int:
        """The key's bit in a report's modifier byte; 0 for an ordinary key (HID 1.11, section 8.3)."""
        return 1 << (self.usage - 0xE0) if self.page is Page.KEYBOARD and 0xE0 <= self.usage <= 0xE7 else 0


def _run(first: int, names: str, codes: str, page: Page = Page.KEYBOARD) -> dict[str, Key]:
    """Give consecutive usages to names."""
    pairs = zip(names.split(), codes.split(), strict=True)
    return {name: Key(first + offset, int(code), page) for offset, (name, code) in enumerate(pairs)}


KEYS: dict[str, Key] = {
    **_run(
        0x04,
        "KeyA KeyB KeyC KeyD KeyE KeyF KeyG KeyH KeyI KeyJ KeyK KeyL KeyM "
        "KeyN KeyO KeyP KeyQ KeyR KeyS KeyT KeyU KeyV KeyW KeyX KeyY KeyZ",
        "30 48 46 32 18 33 34 35 23 36 37 38 50 49 24 25 16 19 31 20 22 47 17 45 21 44",
    ),
    **_run(
        0x1E,
        "Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0",
        "2 3 4 5 6 7 8 9 10 11",
    ),
    **_run(
        0x28,
        "Enter Escape Backspace Tab Space Minus Equal BracketLeft BracketRight Backslash",
        "28 1 14 15 57 12 13 26 27 43",
    ),
    **_run(0x33, "Semicolon Quote Backquote Comma Period Slash CapsLock", "39 40 41 51 52 53 58"),
    **_run(0x3A, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12", "59 60 61 62 63 64 65 66 67 68 87 88"),
    **_run(
        0x46,
        "PrintScreen ScrollLock Pause Insert Home PageUp Delete End PageDown ArrowRight ArrowLeft ArrowDown ArrowUp",
        "99 70 119 110 102 104 111 107 109 106 105 108 103",
    ),
    **_run(
        0x53,
        "NumLock NumpadDivide NumpadMultiply NumpadSubtract NumpadAdd NumpadEnter Numpad1 Numpad2 Numpad3 Numpad4 "
        "Numpad5 Numpad6 Numpad7 Numpad8 Numpad9 Numpad0 NumpadDecimal",
        "69 98 55 74 78 96 79 80 81 75 76 77 71 72 73 82 83",
    ),
    **_run(0x64, "IntlBackslash ContextMenu Power NumpadEqual", "86 127 116 117"),
    **_run(0x68, "F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24", "183 184 185 186 187 188 189 190 191 192 193 194"),
    **_run(0x74, "Open Help Props Select", "134 138 130 132"),
    **_run(
        0x79,
        "Again Undo Cut Copy Paste Find AudioVolumeMute AudioVolumeUp AudioVolumeDown",
        "129 131 137 133 135 136 113 115 114",
    ),
    **_run(0x85, "NumpadComma", "121"),
    **_run(0x87, "IntlRo KanaMode IntlYen Convert NonConvert", "89 93 124 92 94"),
    **_run(0x90, "Lang1 Lang2 Lang3 Lang4 Lang5", "122 123 90 91 85"),
    **_run(0x9B, "Abort", "240"),
    **_run(0xB6, "NumpadParenLeft NumpadParenRight", "179 180"),
    **_run(0xBB, "NumpadBackspace", "240"),
    **_run(
        0xD0, "NumpadMemoryStore NumpadMemoryRecall NumpadMemoryClear NumpadMemoryAdd NumpadMemorySubtract", "240 " * 5
    ),
    **_run(0xD8, "NumpadClear NumpadClearEntry", "111 240"),
    **_run(
        0xE0,
        "ControlLeft ShiftLeft AltLeft MetaLeft ControlRight ShiftRight AltRight MetaRight",
        "29 42 56 125 97 54 100 126",
    ),
}
"""Every KeyboardEvent.code that the keyboard page has, under the name that W3C gives it."""

MEDIA_KEYS: dict[str, Key] = {
    **_run(
        0xB0,
        "MediaPlay MediaPause MediaRecord MediaFastForward MediaRewind "
        "MediaTrackNext MediaTrackPrevious MediaStop Eject",
        "207 119 167 208 168 163 165 166 161",
        Page.CONSUMER,
    ),
    **_run(0xCD, "MediaPlayPause", "164", Page.CONSUMER),
    **_run(0xE2, "AudioVolumeMute", "113", Page.CONSUMER),
    **_run(0xE9, "AudioVolumeUp AudioVolumeDown", "115 114", Page.CONSUMER),
    **_run(0x183, "MediaSelect", "171", Page.CONSUMER),
    **_run(0x18A, "LaunchMail", "155", Page.CONSUMER),
    **_run(0x192, "LaunchApp2", "140", Page.CONSUMER),
    **_run(0x194, "LaunchApp1", "144", Page.CONSUMER),
    **_run(0x221, "BrowserSearch", "217", Page.CONSUMER),
    **_run(
        0x223,
        "BrowserHome BrowserBack BrowserForward BrowserStop BrowserRefresh",
        "172 158 159 128 173",
        Page.CONSUMER,
    ),
    **_run(0x22A, "BrowserFavorites", "156", Page.CONSUMER),
}
"""What media keyboards have beyond; LaunchApp1 is "my computer", LaunchApp2 the calculator."""

POWER_KEYS: dict[str, Key] = _run(0x81, "Power Sleep WakeUp", "116 142 143", Page.SYSTEM)
"""System Power Down, Sleep and Wake Up."""

ALIASES = {
    "PrtSc": "PrintScreen",
    "OSLeft": "MetaLeft",
    "OSRight": "MetaRight",
    "VolumeMute": "AudioVolumeMute",
    "VolumeUp": "AudioVolumeUp",
    "VolumeDown": "AudioVolumeDown",
    "Katakana": "Lang3",
    "Hiragana": "Lang4",
    "LaunchMediaPlayer": "MediaSelect",
}
"""Other names: BliKVM's document has PrtSc, Firefox has or had OS… and Volume…, the last three are W3C's own."""

_PAGES = {Page.SYSTEM: POWER_KEYS, Page.CONSUMER: MEDIA_KEYS, Page.KEYBOARD: KEYS}
"""The preferred first: hosts act on Power and on the volume there, and many do not on the keyboard page."""


def keys_of(page: Page) -> Mapping[str, Key]:
    """Return the keys of a page by their names."""
    return _PAGES[page]


def find_keys(code: str) -> list[Key]:
    """Return the keys of this name: one, or where several pages have it one of each, the preferred first.

    :raises RequestError: there is none
    """
    name = ALIASES.get(code, code)
    found = [keys[name] for keys in _PAGES.values() if name in keys]
    if not found:
        raise RequestError(f'"{code}" is not a key; keys have the names of KeyboardEvent.code, such as KeyA or Enter')
    return found
