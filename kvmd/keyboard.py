"""Who holds which keys: taps, chords, presses and releases become reports.

A key belongs to the client that pressed it. What the host sees is the union of what all clients hold, so that one who
goes releases no key of another.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from kvmd.errors import HidOffline, RequestError
from kvmd.hid import MAX_KEYS, KeyboardReport
from kvmd.keymap import Key, find_key

logger = logging.getLogger(__name__)


class Keyboard:
    """The keyboard that all clients share.

    :param send: hands a report to the hardware and returns when it was taken; raises DriverError otherwise
    :param alive: tells whether a client still exists
    :param hold_timeout: seconds after which the keys of a silent client are released
    """

    def __init__(
        self, send: Callable[[KeyboardReport], None], alive: Callable[[str], bool], hold_timeout: float
    ) -> None:
        self._send = send
        self._alive = alive
        self._hold_timeout = hold_timeout
        self._held: dict[str, list[Key]] = {}
        self._heard: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closed = False

    def tap(self, client: str, codes: Iterable[str]) -> None:
        """Press the keys together, then release them; return when the hardware took both reports.

        :raises RequestError: a key is unknown, or there are too many
        :raises DriverError: a report was not taken
        """
        keys = _resolve(codes)
        with self._lock:
            self._heard[client] = time.monotonic()
            before = self._held.get(client, [])
            self._change(client, _merge(before, keys))
            self._change(client, before)

    def press(self, client: str, codes: Iterable[str]) -> None:
        """Hold the keys until they are released; pressing a key that is held keeps it held for longer.

        :raises RequestError: a key is unknown, or there are too many
        :raises DriverError: the report was not taken, and nothing is held that was not before
        """
        keys = _resolve(codes)
        with self._lock:
            self._heard[client] = time.monotonic()
            before = self._held.get(client, [])
            wanted = _merge(before, keys)
            if wanted != before:
                self._change(client, wanted)

    def release(self, client: str, codes: Iterable[str]) -> None:
        """Let go of the keys that this client holds; others are no error.

        :raises RequestError: a key is unknown
        :raises DriverError: the report was not taken; it is sent when the host is back
        """
        keys = _resolve(codes)
        with self._lock:
            self._heard[client] = time.monotonic()
            before = self._held.get(client, [])
            wanted = [key for key in before if key not in keys]
            if wanted != before:
                self._change(client, wanted)

    def release_all(self, client: str) -> None:
        """Let go of all keys that this client holds.

        :raises DriverError: the report was not taken; it is sent when the host is back
        """
        with self._lock:
            if client in self._held:
                self._change(client, [])

    def expire(self) -> None:
        """Let go of what clients hold that are gone or silent; to be called regularly.

        :raises DriverError: the report was not taken
        """
        now = time.monotonic()
        with self._lock:
            self._heard = {client: self._heard[client] for client in self._held}
            for client in list(self._held):
                silent = now - self._heard[client] > self._hold_timeout
                if silent or not self._alive(client):
                    logger.warning("released %d keys of a client that %s", len(self._held[client]), _gone(silent))
                    self._change(client, [])

    def reset(self) -> None:
        """Let go of everything, whoever holds it, and tell the host so, whatever it believes.

        :raises DriverError: the report was not taken
        """
        with self._lock:
            self._held.clear()
            self._heard.clear()
            self._send(KeyboardReport())

    def close(self) -> None:
        """Let go of everything, and refuse whatever comes later.

        :raises DriverError: the report was not taken
        """
        self._closed = True
        self.reset()

    def _change(self, client: str, keys: list[Key]) -> None:
        """Make these the client's keys. A press that is not taken is undone; a release stays done."""
        if self._closed:
            raise HidOffline("keyboard: the daemon is stopping")
        before = self._held.get(client, [])
        self._set(client, keys)
        try:
            self._send(self._report())
        except Exception:
            self._set(client, [key for key in keys if key in before])
            raise

    def _set(self, client: str, keys: list[Key]) -> None:
        if keys:
            self._held[client] = keys
        else:
            self._held.pop(client, None)

    def _report(self) -> KeyboardReport:
        keys = dict.fromkeys(key for held in self._held.values() for key in held)
        ordinary = tuple(key.usage for key in keys if not key.modifier)
        if len(ordinary) > MAX_KEYS:
            raise RequestError(f"{len(ordinary)} ordinary keys at once; a keyboard report holds {MAX_KEYS}")
        return KeyboardReport(sum(key.modifier for key in keys), ordinary)


def _resolve(codes: Iterable[str]) -> list[Key]:
    keys = list(dict.fromkeys(find_key(code) for code in codes))
    if not keys:
        raise RequestError("no key given; a list of KeyboardEvent.code names is needed, such as KeyA")
    ordinary = sum(not key.modifier for key in keys)
    if ordinary > MAX_KEYS:
        raise RequestError(f"{ordinary} ordinary keys at once; a keyboard report holds {MAX_KEYS}")
    return keys


def _merge(held: list[Key], keys: list[Key]) -> list[Key]:
    return list(dict.fromkeys([*held, *keys]))


def _gone(silent: bool) -> str:
    return "went silent" if silent else "is logged out"
