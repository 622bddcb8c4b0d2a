"""What plug-ins run beside the daemon: started together, stopped together."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kvmd.plugins.hookspecs import Service

logger = logging.getLogger(__name__)


class Services:
    """Those of all plug-ins; one that fails is reported, and nothing else suffers.

    :param services: in the order in which they are started; they are stopped the other way round
    """

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = list(services)
        self._running: list[Service] = []

    def start(self) -> None:
        """Start each."""
        for service in self._services:
            try:
                service.start()
            except Exception:  # whatever a stranger's service does must not stop us
                logger.exception("%s cannot be started", _name(service))
            else:
                self._running.append(service)

    def stop(self) -> None:
        """Stop those that run."""
        while self._running:
            service = self._running.pop()
            try:
                service.stop()
            except Exception:  # as at the start
                logger.exception("%s failed while it was stopped", _name(service))


def _name(service: Service) -> str:
    return f"{type(service).__module__}.{type(service).__name__}"
