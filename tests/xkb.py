"""libxkbcommon (MIT, https://xkbcommon.org), as far as it takes: a layout, its keys held down, what they make of it.

It is what a Linux desktop asks which text its keyboard means. Debian: libxkbcommon0, with the data of xkb-data
(layouts) and libx11-data (Compose).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p, create_string_buffer
from functools import cache
from typing import Any

LOCALE = b"en_US.UTF-8"
"""Its Compose file is that of most languages."""
OFFSET = 8
"""What is added to evdev's code of a key."""
UP, DOWN = 0, 1
COMPOSING, COMPOSED, CANCELLED = 1, 2, 3
"""States of a Compose sequence; 0 is none."""


class _Names(Structure):
    _fields_ = [(name, c_char_p) for name in ("rules", "model", "layout", "variant", "options")]


_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "xkb_context_new": (c_void_p, [c_int]),
    "xkb_context_set_log_level": (None, [c_void_p, c_int]),
    "xkb_keymap_new_from_names": (c_void_p, [c_void_p, POINTER(_Names), c_int]),
    "xkb_keymap_unref": (None, [c_void_p]),
    "xkb_state_new": (c_void_p, [c_void_p]),
    "xkb_state_unref": (None, [c_void_p]),
    "xkb_state_update_key": (c_int, [c_void_p, c_uint32, c_int]),
    "xkb_state_key_get_one_sym": (c_uint32, [c_void_p, c_uint32]),
    "xkb_keysym_to_utf32": (c_uint32, [c_uint32]),
    "xkb_keysym_get_name": (c_int, [c_uint32, c_char_p, c_size_t]),
    "xkb_compose_table_new_from_locale": (c_void_p, [c_void_p, c_char_p, c_int]),
    "xkb_compose_state_new": (c_void_p, [c_void_p, c_int]),
    "xkb_compose_state_reset": (None, [c_void_p]),
    "xkb_compose_state_feed": (c_int, [c_void_p, c_uint32]),
    "xkb_compose_state_get_status": (c_int, [c_void_p]),
    "xkb_compose_state_get_utf8": (c_int, [c_void_p, c_char_p, c_size_t]),
}


@cache
def _library() -> Any:
    library = ctypes.CDLL("libxkbcommon.so.0")
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _context() -> int:
    context: int = _library().xkb_context_new(0)
    _library().xkb_context_set_log_level(context, 10)  # XKB_LOG_LEVEL_CRITICAL: a layout that is none is no news
    return context


def character(symbol: int) -> str:
    """Return the character of a keysym, and nothing of one that has none, such as a dead key."""
    code: int = _library().xkb_keysym_to_utf32(symbol)
    return chr(code) if code else ""


def name(symbol: int) -> str:
    """Return the name of a keysym, such as ``dead_acute``."""
    buffer = create_string_buffer(64)
    _library().xkb_keysym_get_name(symbol, buffer, len(buffer))
    return buffer.value.decode()


class Keyboard:
    """A keyboard with a layout, nothing held.

    :param layout: as xkeyboard-config names it, such as ``de``
    :param variant: likewise, such as ``nodeadkeys``; empty for the layout itself
    :param options: likewise, such as ``lv3:ralt_switch``
    :raises ValueError: there is none, or it does not compile
    """

    def __init__(self, layout: str, variant: str = "", options: str = "") -> None:
        names = _Names(b"evdev", b"pc105", layout.encode(), variant.encode(), options.encode())
        self._library = _library()
        self._keymap = self._library.xkb_keymap_new_from_names(_context(), byref(names), 0)
        if not self._keymap:
            raise ValueError(f"{layout}({variant}) does not compile")
        self._state = self._library.xkb_state_new(self._keymap)

    def close(self) -> None:
        """Forget it."""
        self._library.xkb_state_unref(self._state)
        self._library.xkb_keymap_unref(self._keymap)

    def symbol(self, key: int) -> int:
        """Return the keysym that a key means as things are held.

        :param key: evdev's code of it
        """
        symbol: int = self._library.xkb_state_key_get_one_sym(self._state, key + OFFSET)
        return symbol

    def turn(self, key: int, value: int) -> None:
        """Press or release a key."""
        self._library.xkb_state_update_key(self._state, key + OFFSET, value)

    def text(self, presses: Iterable[tuple[int, int]]) -> str:
        """Return the text that key events mean, with its dead keys: what an editor would show.

        :param presses: evdev's codes, with 1 for down and 0 for up
        """
        compose, text = Compose(), ""
        for key, value in presses:
            if value == DOWN:
                text += compose.feed(self.symbol(key))
            self.turn(key, value)
        return text


class Compose:
    """What dead keys make of what follows them."""

    def __init__(self) -> None:
        self._library = _library()
        self._state = self._library.xkb_compose_state_new(_compose_table(), 0)

    def feed(self, symbol: int) -> str:
        """Take a keysym, and return the text that it ends, if it ends any."""
        if not self._library.xkb_compose_state_feed(self._state, symbol):
            return ""  # it is a modifier, after which all is as it was
        status = self._library.xkb_compose_state_get_status(self._state)
        if status == COMPOSED:
            buffer = create_string_buffer(64)
            self._library.xkb_compose_state_get_utf8(self._state, buffer, len(buffer))
            return buffer.value.decode()
        return "" if status in (COMPOSING, CANCELLED) else character(symbol)

    def pair(self, dead: int, base: int) -> str:
        """Return what a dead key makes of another; empty if nothing."""
        self._library.xkb_compose_state_reset(self._state)
        self.feed(dead)
        if self._library.xkb_compose_state_get_status(self._state) != COMPOSING:
            return ""
        text = self.feed(base)
        return text if self._library.xkb_compose_state_get_status(self._state) == COMPOSED else ""


@cache
def _compose_table() -> int:
    table: int = _library().xkb_compose_table_new_from_locale(_context(), LOCALE, 0)
    if not table:
        raise OSError(f"there is no Compose file for {LOCALE.decode()}: it is in Debian's libx11-data")
    return table
