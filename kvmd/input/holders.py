"""Who holds what: keys or buttons belong to the client that pressed them, until it lets go, or is gone, or silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Holders(Generic[T]):
    """What each client holds; to be used under a lock.

    :param alive: tells whether a client still exists
    :param timeout: seconds after which a silent client counts as gone
    """

    def __init__(self, alive: Callable[[str], bool], timeout: float) -> None:
        self._alive = alive
        self._timeout = timeout
        self._held: dict[str, list[T]] = {}
        self._heard: dict[str, float] = {}

    def of(self, client: str) -> list[T]:
        """Return what a client holds, in the order in which it was pressed."""
        return self._held.get(client, [])

    def hold(self, client: str, things: Sequence[T]) -> None:
        """Note what a client holds from now on."""
        if things:
            self._held[client] = list(dict.fromkeys(things))
        else:
            self._held.pop(client, None)

    def hear(self, client: str) -> None:
        """Note that a client is there."""
        self._heard[client] = time.monotonic()

    def all(self) -> list[T]:
        """Return what anybody holds, each once."""
        return list(dict.fromkeys(thing for held in self._held.values() for thing in held))

    def clear(self) -> None:
        """Note that nobody holds anything."""
        self._held.clear()
        self._heard.clear()

    def gone(self) -> Iterator[tuple[str, str]]:
        """Name each client that holds something and is not there any more, and why."""
        now = time.monotonic()
        self._heard = {client: self._heard[client] for client in self._held}
        for client in list(self._held):
            if now - self._heard[client] > self._timeout:
                yield client, "went silent"
            elif not self._alive(client):
                yield client, "is logged out"
