"""The plug-ins themselves, loaded and called: the only caller of pluggy.

Each is by itself: one that cannot be loaded, was made for a newer kvmd, hangs or raises is reported by its name and
left out, and never keeps the daemon from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from kvmd.contract.reports import Broken
from kvmd.errors import ConfigError, Unavailable
from kvmd.plugins import hookspecs
from kvmd.plugins.checks import contract_problem, hook_problem
from kvmd.plugins.hookspecs import PROJECT
from kvmd.system.bounded import Bounded
from kvmd.system.pulse import Pulse

logger = logging.getLogger(__name__)

T = TypeVar("T")

DISTRIBUTION = "kvmd-hal"
"""The package that we are installed as."""

PATIENCE = 20.0
"""Seconds that a plug-in has to be imported, and to answer a hook; the file system may be slow at the first start."""


def installed(bundled_only: bool = False) -> list[EntryPoint]:
    """Return the entry points of the installed packages.

    :param bundled_only: leave out what strangers' packages bring
    """
    points = entry_points(group=PROJECT)
    return [point for point in points if not bundled_only or _is_bundled(point)]


def _is_bundled(point: EntryPoint) -> bool:
    return bool(point.dist and point.dist.name == DISTRIBUTION)


class Plugins:
    """Those that are installed, and not switched off.

    :param points: their entry points; ours go first, so that no other takes a name of theirs, then by their names
    :param disabled: names of those that are not to be loaded
    """

    def __init__(self, points: Iterable[EntryPoint], disabled: Collection[str] = ()) -> None:
        self.places: dict[str, str] = {}
        """Where each comes from, by its name, be it broken or switched off."""
        self._broken: dict[tuple[str, str], Broken] = {}
        self._calls: dict[str, Bounded] = {}
        self._left: set[str] = set()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        specs = {name: caller.spec for name, caller in vars(self._manager.hook).items()}
        self._hooks = {name: spec.argnames for name, spec in specs.items() if spec}
        for point in sorted(points, key=lambda point: (not _is_bundled(point), point.name)):
            if self._takes_name(point) and point.name not in disabled:
                self._load(point)

    @property
    def broken(self) -> list[Broken]:
        """What went wrong, the latest of each kind."""
        return list(self._broken.values())

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of what they do when they are asked."""
        return [calls.pulse for calls in self._calls.values()]

    def report(self, name: str, what: str, reason: str | BaseException) -> None:
        """Note what a plug-in cannot do, in the log too.

        :param what: the hook, or whatever else of it; empty: all of it
        """
        words = self.note(name, what, reason)
        logger.error("plug-in %s cannot be used: %s", name, words)

    def note(self, name: str, what: str, reason: str | BaseException) -> str:
        """Note what a plug-in cannot do, where the log says so already; return it in words."""
        reason = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else reason
        words = f"{what}: {reason}" if what else reason
        self._broken[name, what] = Broken(name, words)
        return words

    def call(self, name: str, doing: str, seconds: float, function: Callable[[], T]) -> T:
        """Call a function of a plug-in; see ``Bounded.call``."""
        return self._calls[name].call(doing, seconds, function)

    def implementations(self, hook: str, **arguments: object) -> Iterator[tuple[str, Callable[[], Any]]]:
        """List what a hook would call; pluggy calls all of them at once, and one that fails hides the others."""
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            yield impl.plugin_name, partial(impl.function, *(arguments[name] for name in impl.argnames))

    def ask(self, hook: str, problem_of: Callable[[Any], str | None], **arguments: object) -> list[tuple[str, Any]]:
        """Call a hook of every plug-in; return what they answer, each with the plug-in's name; report those that fail.

        :param problem_of: says why something cannot be an answer
        :raises ConfigError: the settings of a plug-in, which it asks the KVM for, cannot be used
        """
        answers: list[tuple[str, Any]] = []
        for name, call in self.implementations(hook, **arguments):
            if name in self._left:
                continue
            try:
                found = self.call(name, f"{hook}()", PATIENCE, partial(_listed, call, problem_of))
            except Exception as error:  # as at import
                if arguments and isinstance(error, ConfigError):  # it is the user's, and told as all others are
                    raise
                self._fail(name, hook, error)
                continue
            for answer, problem in found:
                if problem:
                    self.report(name, hook, problem)
                else:
                    answers.append((name, answer))
        return answers

    def _takes_name(self, point: EntryPoint) -> bool:
        """Give a plug-in its name, unless another has it."""
        if point.name in self.places:
            self.report(point.name, point.value, f"the name is taken by {self.places[point.name]}")
            return False
        self.places[point.name] = point.value
        return True

    def _load(self, point: EntryPoint) -> None:
        self._calls[point.name] = Bounded(f"plug-in {point.name}", vital=False)
        try:
            plugin = self.call(point.name, "its import", PATIENCE, point.load)
            if problem := contract_problem(plugin) or self._hook_problem(plugin):
                self.report(point.name, "", problem)
            else:
                self._manager.register(plugin, point.name)
        except Exception as error:  # whatever a stranger's module does at import must not stop us
            self._fail(point.name, "", error)

    def _hook_problem(self, plugin: object) -> str | None:
        """Look at everything in a plug-in that answers a hook, or should."""
        marked = [name for name in dir(plugin) if hasattr(getattr(plugin, name, None), f"{PROJECT}_impl")]
        bare = [name for name in self._hooks if hasattr(plugin, name)]
        return next(filter(None, (self._problem_of(plugin, name) for name in dict.fromkeys([*marked, *bare]))), None)

    def _problem_of(self, plugin: object, name: str) -> str | None:
        marked = self._manager.parse_hookimpl_opts(plugin, name)
        if marked is None:
            return f"{name} has no @hookimpl" if name in self._hooks else None
        if marked["optionalhook"] and name not in self._hooks:
            return None
        return hook_problem(marked["specname"] or name, getattr(plugin, name), self._hooks)

    def _fail(self, name: str, what: str, error: Exception) -> None:
        """Report what failed; of one that hangs nothing more is asked, as that would cost as long once more."""
        if isinstance(error, Unavailable):
            self._left.add(name)
            self.report(name, what, str(error).removeprefix(f"{self._calls[name].name}: "))
        else:
            self.report(name, what, error)


def _listed(
    call: Callable[[], Iterable[T] | None], problem_of: Callable[[T], str | None]
) -> list[tuple[T, str | None]]:
    """List what a hook returns, and what is wrong with each."""
    return [(answer, problem_of(answer)) for answer in call() or ()]
