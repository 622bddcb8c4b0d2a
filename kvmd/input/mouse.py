"""The mouse that all clients share: what they ask for becomes reports.

A button belongs to the client that pressed it, as keys do. An event is carried out in this order: the pointer moves,
the buttons become those that are to be held, then they click, then the wheels turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from kvmd.contract.hid import (
    COORDINATE_MAX,
    STEP_MAX,
    AbsoluteMouseReport,
    Button,
    Capability,
    MouseEvent,
    RelativeMouseReport,
)
from kvmd.errors import DriverError, HidOffline, Unsupported
from kvmd.input.holders import Holders
from kvmd.input.writer import Entry, Writer

logger = logging.getLogger(__name__)


class _Absolute:
    """Writes reports that say where the pointer is."""

    capability = Capability.ABSOLUTE_MOUSE
    title = "absolute mouse"

    def __init__(self) -> None:
        self._x = self._y = COORDINATE_MAX // 2

    def aim(self, event: MouseEvent) -> None:
        if event.x is not None and event.y is not None:
            self._x, self._y = round(event.x * COORDINATE_MAX), round(event.y * COORDINATE_MAX)

    def move(self, event: MouseEvent, buttons: int) -> Iterator[AbsoluteMouseReport]:
        if event.is_absolute:
            yield self.report(buttons)

    def report(self, buttons: int, wheel: int = 0, hwheel: int = 0) -> AbsoluteMouseReport:
        return AbsoluteMouseReport(buttons, self._x, self._y, wheel, hwheel)


class _Relative:
    """Writes reports that say how far the pointer goes."""

    capability = Capability.RELATIVE_MOUSE
    title = "relative mouse"

    def aim(self, event: MouseEvent) -> None:
        """Do nothing: steps begin wherever the pointer is."""

    def move(self, event: MouseEvent, buttons: int) -> Iterator[RelativeMouseReport]:
        for dx, dy in _pairs(event.dx or 0, event.dy or 0):
            yield RelativeMouseReport(buttons, dx, dy)

    def report(self, buttons: int, wheel: int = 0, hwheel: int = 0) -> RelativeMouseReport:
        return RelativeMouseReport(buttons, 0, 0, wheel, hwheel)


class Mouse:
    """The mouse.

    :param writer: carries the reports to the hardware
    :param able: tells what the hardware can do
    :param holders: who holds which buttons
    """

    def __init__(self, writer: Writer, able: Callable[[], Capability], holders: Holders[Button]) -> None:
        self._writer = writer
        self._able = able
        self._holders = holders
        self._absolute = _Absolute()
        self._relative = _Relative()
        self._used: _Absolute | _Relative | None = None
        self._owed = False
        self._lock = threading.Lock()
        self._closed = False

    def act(self, client: str, event: MouseEvent) -> None:
        """Carry out an event; return when the hardware took all of it.

        :raises RequestError: it makes no sense; nothing is done
        :raises Unsupported: the hardware has no such mouse; nothing is done
        :raises Taken: somebody else has the keyboard, and the mouse with it; letting go of buttons is done all the same
        :raises DriverError: a report was not taken; buttons that it would have pressed are not held
        """
        event.check()
        with self._lock:
            if self._closed:
                raise HidOffline("mouse: the daemon is stopping")
            before = self._holders.of(client)
            if not _lets_go(event, before):
                self._holders.check(client)
            self._holders.hear(client)
            # Their places in the order are taken under the lock, and waited for outside it, so that moves can merge.
            entries = self._submit(client, event)
        try:
            self._finish(entries)
        except Exception:
            with self._lock:
                self._holders.hold(client, [button for button in self._holders.of(client) if button in before])
                self._owed = True
            raise

    def hear(self, client: str) -> None:
        """Note that a client is there, so that what it holds stays held."""
        with self._lock:
            self._holders.hear(client)

    def vouch(self, client: str, why_gone: Callable[[], str | None] | None) -> None:
        """Let another tell whether a client is there; see ``Holders.vouch``."""
        self._holders.vouch(client, why_gone)

    def release_all(self, client: str) -> None:
        """Let go of all buttons that this client holds.

        :raises DriverError: the report was not taken
        """
        if self._holders.of(client):
            self.act(client, MouseEvent(buttons=[]))

    def expire(self) -> None:
        """Let go of what clients hold that are gone, silent or not in turn, and of what was not let go.

        To be called regularly, and after each hand-over.
        """
        with self._lock:
            for client, reason in self._holders.gone():
                logger.warning("released the mouse buttons of a client that %s", reason)
                self._holders.hold(client, [])
                self._owed = True
        self._pay()

    def reset(self) -> None:
        """Let go of everything, whoever holds it, and tell the host; if it does not listen now, later."""
        with self._lock:
            self._owed = self._owed or bool(self._holders.all())
            self._holders.clear()
        self._pay()

    def close(self) -> None:
        """Let go of everything, and refuse whatever comes later."""
        self._closed = True
        self.reset()

    def _pay(self) -> None:
        """Tell the host which buttons are down, where it may believe otherwise; firmware may not listen at all."""
        with self._lock:
            used = self._used
            if not self._owed or used is None:
                return
            entry = self._writer.submit(used.report(self._mask()))
            self._owed = False
        try:
            self._writer.finish(entry)
        except (DriverError, Unsupported):
            self._owed = True

    def _submit(self, client: str, event: MouseEvent) -> list[Entry]:
        """Turn an event into reports and give them their places."""
        using = self._choose(event)
        before, held = self._used, self._mask()
        self._used = using
        using.aim(event)
        submit = self._writer.submit
        entries = []
        if before and before is not using and held:
            # The host sees two mice, and a button as down while either holds it.
            entries += [submit(using.report(held)), submit(before.report(0))]
        entries += [submit(report, is_move=True) for report in using.move(event, held)]
        if event.buttons is not None:
            self._holders.hold(client, event.buttons)
        masks = [*([self._mask()] if self._mask() != held else []), *_clicks(event, self._mask())]
        entries += [submit(using.report(mask)) for mask in masks]
        entries += [submit(using.report(self._mask(), *turn)) for turn in _pairs(event.wheel, event.hwheel)]
        return entries

    def _choose(self, event: MouseEvent) -> _Absolute | _Relative:
        """Choose the mouse that an event is for; one that does not move is for the one that moved last."""
        able = self._able()
        if event.is_absolute:
            wanted: list[_Absolute | _Relative] = [self._absolute]
        elif event.is_relative:
            wanted = [self._relative]
        else:
            # At first the relative one, which does not make the pointer jump.
            wanted = [*([self._used] if self._used else []), self._relative, self._absolute]
        for mouse in wanted:
            if mouse.capability in able:
                return mouse
        raise Unsupported(f"the device in use has no {wanted[0].title}; it has: {_listed(able)}")

    def _finish(self, entries: Iterable[Entry]) -> None:
        """Wait for all; the first that failed tells why."""
        errors = []
        for entry in entries:
            try:
                self._writer.finish(entry)
            except Exception as error:  # each report has a fate of its own
                errors.append(error)
        if errors:
            raise errors[0]

    def _mask(self) -> int:
        return sum(button.mask for button in self._holders.all())


def _lets_go(event: MouseEvent, held: Sequence[Button]) -> bool:
    """Tell whether all that an event does is to let go of buttons."""
    return event.buttons is not None and event == MouseEvent(buttons=event.buttons) and set(event.buttons) <= set(held)


def _clicks(event: MouseEvent, held: int) -> Iterator[int]:
    """List the buttons that are down, one report after the other."""
    button = event.click or event.double_click
    if button:
        for _ in range(2 if event.double_click else 1):
            yield held | button.mask
            yield held & ~button.mask
        if held & button.mask:
            yield held


def _pairs(one: int, other: int) -> Iterator[tuple[int, int]]:
    """Split two distances into pairs of steps that reports can hold; none where both are 0."""
    while one or other:
        steps = tuple(max(-STEP_MAX, min(STEP_MAX, distance)) for distance in (one, other))
        yield steps[0], steps[1]
        one, other = one - steps[0], other - steps[1]


def _listed(able: Capability) -> str:
    return ", ".join(str(flag.name).lower().replace("_", " ") for flag in able) or "nothing"
