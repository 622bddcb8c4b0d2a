"""The daemon: the one place that wires the KVM, the web servers and the system's signals together."""

from __future__ import annotations

import signal
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType

from kvmd.contract.settings import Settings
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd.plugins.services import Services
from kvmd.system.notify import notify, watchdog_interval
from kvmd.web import make_server

PACE = 1.0
"""Seconds after which a signal is heeded at the latest: one that comes just before the wait, or to another thread,
does not interrupt it (signal(7); Python runs handlers in the main thread alone, once that does something)."""


def run(
    settings: Settings,
    registry: Registry,
    source: str,
    way_out: Callable[[str], str],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT comes, and leave nothing behind: no key held, no device open.

    :param source: where the settings come from, for messages
    :param way_out: says what to do where an address cannot be used, by its setting's name in ``web``
    :param ready: called once everything answers
    :raises ConfigError: the settings cannot be used
    """
    kvm = Kvm(settings, registry, source)
    services = Services(registry.services(kvm))
    kvm.auth.credentials.make_first_password()
    # Its put() may interrupt its get(); an Event's set() would wait for ever for the lock that wait() has just taken.
    ended: SimpleQueue[int] = SimpleQueue()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what signal.signal calls
        ended.put(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server = make_server(kvm, way_out)
    kvm.start()
    try:
        server.start()
        services.start()
        ready()
        notify("READY=1")
        _watch(kvm, ended)
    finally:
        notify("STOPPING=1")
        services.stop()
        kvm.stop()
        server.stop()


def _watch(kvm: Kvm, ended: SimpleQueue[int]) -> None:
    """Wait for the end; as long as all threads live, systemd is told so."""
    interval = watchdog_interval()
    while True:
        try:
            ended.get(timeout=min(interval or PACE, PACE))
        except Empty:
            if interval and kvm.is_alive():
                notify("WATCHDOG=1")
        else:
            return
