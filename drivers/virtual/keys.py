"""Keyboard usages as the virtual computer reads them: names, and what they type on a US layout.

The usages are those of the keyboard page (HUT 1.5, section 10).
"""

from __future__ import annotations

from typing import Final

from kvmd import Page, keys_of

MODIFIERS: Final = ("Ctrl", "Shift", "Alt", "Meta", "RightCtrl", "RightShift", "RightAlt", "RightMeta")
"""Names of the modifier byte's bits, from bit 0 (HID 1.11, section 8.3)."""

SHIFT: Final = 0x22
"""Either Shift in the modifier byte."""

ROLLOVER: Final = frozenset({0x01, 0x02, 0x03})
"""Not keys: the keyboard says that it cannot tell which keys are down."""

ENTER: Final = 0x28
BACKSPACE: Final = 0x2A
TAB: Final = 0x2B
CAPS_LOCK: Final = 0x39
SCROLL_LOCK: Final = 0x47
NUM_LOCK: Final = 0x53
KEYPAD_ENTER: Final = 0x58

_LETTERS = {usage: chr(ord("a") + usage - 0x04) for usage in range(0x04, 0x1E)}

_SHIFTED = {
    **dict(enumerate(("1!", "2@", "3#", "4$", "5%", "6^", "7&", "8*", "9(", "0)"), 0x1E)),
    **dict(enumerate(("  ", "-_", "=+", "[{", "]}", "\\|", "\\|", ";:", "'\"", "`~"), 0x2C)),
    **dict(enumerate((",<", ".>", "/?"), 0x36)),
    0x64: "<>",
}
"""What a key types alone and with Shift."""

_KEYPAD = dict(enumerate("/*-+", 0x54)) | {0x67: "=", 0x85: ","}
"""What the keypad types at all times."""

_KEYPAD_NUM = dict(enumerate("1234567890.", 0x59))
"""What the keypad types while Num Lock is on."""

_NAMES = {
    ENTER: "Enter",
    0x29: "Escape",
    BACKSPACE: "Backspace",
    TAB: "Tab",
    0x2C: "Space",
    CAPS_LOCK: "CapsLock",
    **{usage: f"F{number}" for number, usage in enumerate((*range(0x3A, 0x46), *range(0x68, 0x74)), 1)},
    0x46: "PrintScreen",
    SCROLL_LOCK: "ScrollLock",
    0x48: "Pause",
    0x49: "Insert",
    0x4A: "Home",
    0x4B: "PageUp",
    0x4C: "Delete",
    0x4D: "End",
    0x4E: "PageDown",
    0x4F: "Right",
    0x50: "Left",
    0x51: "Down",
    0x52: "Up",
    NUM_LOCK: "NumLock",
    KEYPAD_ENTER: "KeypadEnter",
    0x65: "Menu",
    0x66: "Power",
    0x7F: "Mute",
    0x80: "VolumeUp",
    0x81: "VolumeDown",
}


def typed(usage: int, *, shift: bool, caps: bool, num: bool) -> str:
    """Return the character that a key types; nothing for a key that types none.

    :param shift: whether a Shift key is down
    :param caps: whether Caps Lock is on
    :param num: whether Num Lock is on
    """
    if letter := _LETTERS.get(usage):
        return letter.upper() if shift != caps else letter
    if pair := _SHIFTED.get(usage):
        return pair[shift]
    if num and not shift and usage in _KEYPAD_NUM:
        return _KEYPAD_NUM[usage]
    return _KEYPAD.get(usage, "")


def key_name(usage: int) -> str:
    """Name a key as its cap does; one that has no name here by its number."""
    if name := _NAMES.get(usage):
        return name
    if usage in _LETTERS or usage in _SHIFTED:
        return typed(usage, shift=False, caps=False, num=False).upper()
    keypad = _KEYPAD | _KEYPAD_NUM
    return f"Keypad{keypad[usage]}" if usage in keypad else f"0x{usage:02X}"


def media_name(page: Page, usage: int) -> str:
    """Name a media or power key; one that has no name by its number."""
    return next((name for name, key in keys_of(page).items() if key.usage == usage), f"0x{usage:02X}")


def modifier_names(modifiers: int) -> list[str]:
    """Name the modifiers of a report, in the order of their bits."""
    return [name for bit, name in enumerate(MODIFIERS) if modifiers >> bit & 1]
