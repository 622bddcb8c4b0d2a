"""What plug-ins run beside the daemon: started together, stopped together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from kvmd.errors import Unavailable
from kvmd.plugins.hookspecs import Service
from kvmd.system.bounded import Bounded
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a service has to start; the others are started then, whatever becomes of it."""


class Services:
    """Those of all plug-ins; one that fails or hangs is reported, and nothing else suffers.

    :param services: each with its plug-in's name, in the order in which they are started; they are stopped the other
        way round
    :param failed: told of a plug-in, its service, and why that could not be started
    """

    def __init__(
        self, services: Iterable[tuple[str, Service]], failed: Callable[[str, str, str | Exception], object]
    ) -> None:
        self._services = [(plugin, service, Bounded(_name(service), vital=False)) for plugin, service in services]
        self._failed = failed
        self._running: list[Step] = []
        self._ending = False

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of their starts."""
        return [calls.pulse for _, _, calls in self._services]

    def start(self) -> None:
        """Start each."""
        for plugin, service, calls in self._services:
            if self._ending:
                return
            try:
                calls.call("start()", PATIENCE, partial(self._start, service))
            except Unavailable as error:
                logger.error("%s", error)  # noqa: TRY400  # it says all; no traceback of ours would
                self._failed(plugin, calls.name, str(error).removeprefix(f"{calls.name}: "))
            except Exception as error:  # whatever a stranger's service does must not stop us
                logger.exception("%s cannot be started", calls.name)
                self._failed(plugin, calls.name, error)

    def ending(self) -> list[Step]:
        """List the steps that stop those that run, be it that their start took longer than anybody waited."""
        self._ending = True
        return self._running[::-1]

    def _start(self, service: Service) -> None:
        service.start()
        self._running.append(Step(_name(service), service.stop))


def _name(service: Service) -> str:
    return f"{type(service).__module__}.{type(service).__name__}"
