"""Who holds what: keys or buttons belong to the client that pressed them, until it lets go, or is gone, or silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from kvmd.input.turn import Turn

T = TypeVar("T")


class Holders(Generic[T]):
    """What each client holds; to be used under a lock.

    :param alive: tells whether a client still exists
    :param timeout: seconds after which a silent client counts as gone
    :param turn: tells who may hold something now
    """

    def __init__(self, alive: Callable[[str], bool], timeout: float, turn: Turn) -> None:
        self._alive = alive
        self._turn = turn
        self._timeout = timeout
        self._held: dict[str, list[T]] = {}
        self._heard: dict[str, float] = {}
        self._vouched: dict[str, Callable[[], str | None]] = {}

    def of(self, client: str) -> list[T]:
        """Return what a client holds, in the order in which it was pressed."""
        return self._held.get(client, [])

    def hold(self, client: str, things: Sequence[T]) -> None:
        """Note what a client holds from now on."""
        if things:
            self._held[client] = list(dict.fromkeys(things))
        else:
            self._held.pop(client, None)

    def check(self, client: str) -> None:
        """Refuse who may not press anything now.

        :raises Taken: somebody else has the keyboard
        """
        self._turn.check(client)

    def why_not(self, client: str) -> str | None:
        """Return why a client may not press anything now; None if it may."""
        return self._turn.why_not(client)

    def hear(self, client: str) -> None:
        """Note that a client is there."""
        self._heard[client] = time.monotonic()

    def vouch(self, client: str, why_gone: Callable[[], str | None] | None) -> None:
        """Let this tell, in place of the time-out, why a client is gone; None while it is there.

        It needs no lock, so that it never waits for the hardware.

        :param why_gone: asked under the lock; None: the time-out counts again
        """
        if why_gone:
            self._vouched[client] = why_gone
        else:
            self._vouched.pop(client, None)

    def all(self) -> list[T]:
        """Return what anybody holds, each once."""
        return list(dict.fromkeys(thing for held in self._held.values() for thing in held))

    def clear(self) -> None:
        """Note that nobody holds anything."""
        self._held.clear()
        self._heard.clear()

    def gone(self) -> Iterator[tuple[str, str]]:
        """Name each client that holds something and is not there any more, or not in turn; and why."""
        now = time.monotonic()
        self._heard = {client: self._heard[client] for client in self._held}
        for client in list(self._held):
            if why := self._why_gone(client, now):
                yield client, why

    def _why_gone(self, client: str, now: float) -> str | None:
        vouched = self._vouched.get(client)
        if vouched:
            return vouched()
        if why := self._turn.why_not(client):
            return f"may not type now: {why}"
        if now - self._heard[client] > self._timeout:
            return "went silent"
        return None if self._alive(client) else "is logged out"
