"""The daemon: the one place that wires the KVM, the web servers, the watchdog and the system's signals together."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from types import FrameType

from kvmd.contract.settings import Settings
from kvmd.front.server import Server
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd.plugins.services import Services
from kvmd.system import starting
from kvmd.system.ending import Ending, Step
from kvmd.system.inherited import inherited_sockets
from kvmd.system.notify import Systemd, watchdog_interval
from kvmd.system.probe import Listener, Probe
from kvmd.system.pulse import LIMIT, PACE
from kvmd.web import make_server

logger = logging.getLogger(__name__)


class _News(Enum):
    """What the main thread waits for."""

    READY = "everything answers"
    END = "a signal has come"


Inbox = SimpleQueue[_News]
"""Its put() may interrupt its get(); an Event's set() would wait for ever for the lock that wait() has just taken."""


def run(
    settings: Settings,
    registry: Registry,
    source: str,
    way_out: Callable[[str], str],
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT comes, and leave nothing behind: no key held, no device open.

    What hangs then does not hold it up: the process ends with ``EXIT_HUNG``.

    :param source: where the settings come from, for messages
    :param way_out: says what to do where an address cannot be used, by its setting's name in ``web``
    :param ready: called once everything answers
    :raises ConfigError: the settings cannot be used
    """
    systemd = Systemd()
    ending = Ending(systemd.show)
    kvm = Kvm(settings, registry, source)
    services = Services(registry.services(kvm), registry.note)
    kvm.auth.credentials.make_first_password()
    server = make_server(kvm, way_out, inherited_sockets())
    inbox: Inbox = SimpleQueue()
    _heed_signals(inbox)
    kvm.watch.limit = watchdog_interval() or LIMIT
    kvm.watch.add(*services.pulses, *server.pulses)
    steps: list[Step] = []
    try:
        steps[:0] = kvm.ending()
        kvm.start()
        server.start()
        steps.append(Step("web", server.stop))
        steps += _probe(kvm, server)
        _start_services(services, inbox)
        starting.end()
        _serve(kvm, systemd, inbox, ready)
    finally:
        systemd.tell("STOPPING=1")
        ending.end([*services.ending(), *steps], kvm.watch.pulses)


def _heed_signals(inbox: Inbox) -> None:
    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what signal.signal calls
        inbox.put(_News.END)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _probe(kvm: Kvm, server: Server) -> list[Step]:
    """Let every listener be asked whether it answers; return how that ends."""
    steps = []
    for listener in server.listeners:
        probe = Probe(Listener(listener.address, listener.is_tls), kvm.watch.limit)
        kvm.watch.add(probe.pulse)
        probe.start()
        steps.append(Step(probe.pulse.name, probe.stop))
    return steps


def _start_services(services: Services, inbox: Inbox) -> None:
    """Start what may hang, while signals are heeded."""

    def start() -> None:
        services.start()
        inbox.put(_News.READY)

    threading.Thread(target=start, name="kvmd-services", daemon=True).start()


def _serve(kvm: Kvm, systemd: Systemd, inbox: Inbox, ready: Callable[[], None]) -> None:
    """Wait for the end; meanwhile look at what could hang, and tell systemd."""
    interval = watchdog_interval()
    pace = min(PACE, kvm.watch.limit / 4)
    looked, shown = time.monotonic(), kvm.watch.hung
    while True:
        try:
            news = inbox.get(timeout=pace)
        except Empty:
            now = time.monotonic()
            kvm.watch.look(now - looked)
            looked = now
        else:
            if news is _News.END:
                return
            ready()
            systemd.tell("READY=1")
        if [hang.name for hang in kvm.watch.hung] != [hang.name for hang in shown]:
            shown = kvm.watch.hung
            systemd.show("; ".join(map(str, shown)) or "everything answers")
        if interval and kvm.watch.is_well and kvm.is_alive():
            systemd.tell("WATCHDOG=1")
