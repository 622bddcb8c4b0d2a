"""Who holds which keys: taps, chords, presses and releases become reports.

A key belongs to the client that pressed it. What the host sees is the union of what all clients hold, so that one who
goes releases no key of another.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from kvmd.contract.hid import MAX_KEYS, MAX_MEDIA_KEYS, Capability, ConsumerReport, KeyboardReport, Report, SystemReport
from kvmd.errors import Busy, DriverError, HidOffline, RequestError, Unsupported
from kvmd.input.holders import Holders
from kvmd.input.keymap import Key, Page, find_keys

logger = logging.getLogger(__name__)

_NEEDED = {
    Page.KEYBOARD: Capability.KEYBOARD,
    Page.CONSUMER: Capability.CONSUMER_CONTROL,
    Page.SYSTEM: Capability.SYSTEM_CONTROL,
}


class Keyboard:
    """The keyboard that all clients share.

    :param send: hands a report to the hardware and returns when it was taken; raises DriverError otherwise
    :param able: tells what the hardware can do
    :param holders: who holds which keys
    """

    def __init__(self, send: Callable[[Report], None], able: Callable[[], Capability], holders: Holders[Key]) -> None:
        self._send = send
        self._able = able
        self._holders = holders
        self._owed: set[Page] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._alone: str | None = None
        self._asker = ""

    def tap(self, client: str, codes: Iterable[str]) -> None:
        """Press the keys together, then release them; return when the hardware took both reports.

        :raises RequestError: a key is unknown, or there are too many
        :raises Unsupported: the hardware lacks a key
        :raises Taken: somebody else has the keyboard
        :raises DriverError: a report was not taken
        """
        keys = self._resolve(codes)
        with self._lock:
            self._holders.check(client)
            self._holders.hear(client)
            before = self._holders.of(client)
            self._change(client, _merge(before, keys))
            self._change(client, before)

    def press(self, client: str, codes: Iterable[str]) -> None:
        """Hold the keys until they are released; pressing a key that is held keeps it held for longer.

        :raises RequestError: a key is unknown, or there are too many
        :raises Unsupported: the hardware lacks a key
        :raises Taken: somebody else has the keyboard
        :raises DriverError: the report was not taken, and nothing is held that was not before
        """
        keys = self._resolve(codes)
        with self._lock:
            self._holders.check(client)
            self._holders.hear(client)
            before = self._holders.of(client)
            wanted = _merge(before, keys)
            if wanted != before:
                self._change(client, wanted)

    def release(self, client: str, codes: Iterable[str]) -> None:
        """Let go of the keys that this client holds; others are no error.

        :raises RequestError: a key is unknown
        :raises DriverError: the report was not taken; it is sent when the host is back
        """
        keys = self._resolve(codes)
        with self._lock:
            self._holders.hear(client)
            before = self._holders.of(client)
            wanted = [key for key in before if key not in keys]
            if wanted != before:
                self._change(client, wanted)

    def hold(self, client: str, codes: Iterable[str]) -> None:
        """Hold these keys and no others, which may be none; pressed and released in one report.

        :raises RequestError: a key is unknown, or there are too many
        :raises Taken: somebody else has got the keyboard than who asked to be ``alone``
        :raises DriverError: the report was not taken, and nothing is held that was not before
        """
        keys = [self._choose(code) for code in codes]
        with self._lock:
            if keys:
                self._holders.check(self._asker)
            self._holders.hear(client)
            self._change(client, keys)

    @contextmanager
    def alone(self, client: str, asker: str) -> Iterator[None]:
        """Let nobody else press a key; in the end, this client holds none.

        :param asker: for whom it is; lets go of what it holds itself
        :raises Busy: somebody holds a key
        :raises Taken: somebody else has the keyboard
        :raises DriverError: a report was not taken
        """
        self.release_all(asker)
        with self._lock:
            self._holders.check(asker)
            if held := self._holders.all():
                raise Busy(f"somebody holds {len(held)} keys; release them first", 1.0)
            self._alone, self._asker = client, asker
        self.vouch(client, lambda: self._holders.why_not(asker))
        try:
            yield
        finally:
            with contextlib.suppress(DriverError):  # then it is sent when the host is back
                self.release_all(client)
            self.vouch(client, None)
            self._alone = None

    def hear(self, client: str) -> None:
        """Note that a client is there, so that what it holds stays held."""
        with self._lock:
            self._holders.hear(client)

    def vouch(self, client: str, why_gone: Callable[[], str | None] | None) -> None:
        """Let another tell whether a client is there; see ``Holders.vouch``."""
        self._holders.vouch(client, why_gone)

    def release_all(self, client: str) -> None:
        """Let go of all keys that this client holds.

        :raises DriverError: the report was not taken; it is sent when the host is back
        """
        with self._lock:
            if self._holders.of(client):
                self._change(client, [])

    def expire(self) -> None:
        """Let go of what clients hold that are gone, silent or not in turn, and of what was not let go.

        To be called regularly, and after each hand-over.

        :raises DriverError: the report was not taken
        """
        with self._lock:
            for client, reason in self._holders.gone():
                logger.warning("released %d keys of a client that %s", len(self._holders.of(client)), reason)
                self._change(client, [])
            self._pay(self._owed)

    def reset(self) -> None:
        """Let go of everything, whoever holds it, and tell the host so, whatever it believes.

        :raises DriverError: the keyboard's report was not taken. Firmware may not ask for the other keys at all, so
            for them it is tried again later.
        """
        with self._lock:
            self._owed |= {key.page for key in self._holders.all()}
            self._holders.clear()
            if Capability.KEYBOARD in self._able():
                self._send(KeyboardReport())
            self._owed.discard(Page.KEYBOARD)
            self._pay(self._owed)

    def close(self) -> None:
        """Let go of everything, and refuse whatever comes later.

        :raises DriverError: the report was not taken
        """
        self._closed = True
        self.reset()

    def _pay(self, pages: Iterable[Page]) -> None:
        """Tell the host how things stand on pages of which it may believe otherwise."""
        for page in list(pages):
            with contextlib.suppress(DriverError, Unsupported):
                self._send(_report(page, self._holders.all()))
                self._owed.discard(page)

    def _resolve(self, codes: Iterable[str]) -> list[Key]:
        keys = list(dict.fromkeys(self._choose(code) for code in codes))
        if not keys:
            raise RequestError("no key given; a list of KeyboardEvent.code names is needed, such as KeyA")
        for page in Page:
            _report(page, keys)
        return keys

    def _choose(self, code: str) -> Key:
        """Take the key that the hardware has, of those with this name."""
        keys = find_keys(code)
        able = self._able()
        for key in keys:
            if _NEEDED[key.page] in able:
                return key
        raise Unsupported(f"{code} cannot be pressed: the device in use has no {keys[0].page.value}")

    def _change(self, client: str, keys: list[Key]) -> None:
        """Make these the client's keys. A press that is not taken is undone; a release stays done."""
        if self._closed:
            raise HidOffline("keyboard: the daemon is stopping")
        before = self._holders.of(client)
        if self._alone not in (None, client) and set(keys) - set(before):
            raise Busy("a text is being typed; cancel it, or wait", 1.0)
        pages = _order(before, keys)
        taken = []
        self._holders.hold(client, keys)
        try:
            for page in pages:
                self._send(_report(page, self._holders.all()))
                taken.append(page)
        except Exception:
            self._holders.hold(client, [key for key in keys if key in before])
            self._owed |= set(pages)
            self._pay(taken)
            raise


def _order(before: Iterable[Key], after: Iterable[Key]) -> list[Page]:
    """List the pages on which something changes: modifiers go down before other keys, and up after them."""
    changed = {key.page for key in set(before) ^ set(after)}
    pages = [page for page in Page if page in changed]
    return pages if set(after) - set(before) else pages[::-1]


def _report(page: Page, keys: Iterable[Key]) -> Report:
    """Make a page's report of the keys that are down.

    :raises RequestError: there are too many
    """
    down = [key for key in keys if key.page is page]
    usages = tuple(key.usage for key in down if not key.modifier)
    if page is Page.CONSUMER:
        return ConsumerReport(_at_most(MAX_MEDIA_KEYS, usages, "media keys", "media report"))
    if page is Page.SYSTEM:
        return SystemReport(*_at_most(1, usages, "power keys", "power report"))
    modifiers = sum(key.modifier for key in down)
    return KeyboardReport(modifiers, _at_most(MAX_KEYS, usages, "ordinary keys", "keyboard report"))


def _at_most(limit: int, usages: tuple[int, ...], what: str, report: str) -> tuple[int, ...]:
    if len(usages) > limit:
        raise RequestError(f"{len(usages)} {what} at once; a {report} holds {limit}")
    return usages


def _merge(held: list[Key], keys: list[Key]) -> list[Key]:
    return list(dict.fromkeys([*held, *keys]))
