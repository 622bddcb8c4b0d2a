"""Which guest runs which tests: each takes the next module when it is free."""

import threading
from collections.abc import Mapping, Sequence


def by_module(nodeids: Sequence[str], seconds: Mapping[str, float]) -> list[list[str]]:
    """Put tests of a module together, and the module that takes longest first, so that the last ones are short.

    :param seconds: what modules took the last time; one that is not known is taken to be as quick as others a test
    """
    modules: dict[str, list[str]] = {}
    for nodeid in nodeids:
        modules.setdefault(module_of(nodeid), []).append(nodeid)
    known = [module for module in modules if module in seconds]
    tests = sum(len(modules[module]) for module in known)
    each = sum(seconds[module] for module in known) / tests if tests else 1.0
    return sorted(modules.values(), key=lambda share: seconds.get(module_of(share[0]), each * len(share)), reverse=True)


def module_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


class Shares:
    """Tests that wait for a guest.

    :param shares: what a guest takes at once, in order
    """

    def __init__(self, shares: Sequence[Sequence[str]]) -> None:
        self._waiting = [list(share) for share in shares]
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self) -> list[str]:
        """Wait for the next share; empty when none will come any more, since all that were taken have been run."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._taken or self._closed)
            if self._closed or not self._waiting:
                return []
            self._taken += 1
            return self._waiting.pop(0)

    def give_back(self, rest: Sequence[str]) -> None:
        """Say that a share has been run, but for this rest of it, which is next."""
        with self._changed:
            self._taken -= 1
            if rest:
                self._waiting.insert(0, list(rest))
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
