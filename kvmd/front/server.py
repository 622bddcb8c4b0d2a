"""The loop and its thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kvmd.contract.addresses import address_of
from kvmd.errors import ConfigError
from kvmd.front.admission import Admission
from kvmd.front.binding import bind, reason
from kvmd.front.connection import Hub
from kvmd.front.listener import Listener
from kvmd.front.site import Site
from kvmd.system.pulse import Pulse

logger = logging.getLogger(__name__)

TURN = 1.0
"""Seconds between two looks at what is overdue."""
RENEW = 10.0
"""Seconds between two looks at the files of certificates."""
GRACE = 2.0
"""Seconds for which requests in work may go on when the end comes."""
LAST = 2.0
"""Seconds after that for the loop to end."""


class Server:
    """Sites on their addresses, served by one loop in a thread of its own.

    :param sites: what is served
    :param files: how many files may be open, which bounds connections; None: what the system says
    :param inherited: sockets that listen already, for the sites that have their addresses
    """

    def __init__(
        self, sites: Sequence[Site], files: int | None = None, inherited: Iterable[socket.socket] = ()
    ) -> None:
        self._sites = sites
        self._inherited = list(inherited)
        self._certificates = {site.certificate for site in sites if site.certificate}
        self._listeners: list[Listener] = []
        self._hub = Hub(Admission(files))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event
        self._beat = 0.0
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kvmd-web", daemon=True)

    @property
    def listeners(self) -> Sequence[Listener]:
        """The addresses that are listened on, in the order of the sites; none before the start."""
        return self._listeners

    @property
    def pulses(self) -> list[Pulse]:
        """The signs of life of the threads that ask the app; the loop's are the answers that listeners give."""
        return self._hub.pools.pulses

    def start(self) -> None:
        """Bind the addresses and begin to serve.

        :raises ConfigError: an address cannot be bound
        """
        try:
            for site in self._sites:
                self._listeners += self._listening(site)
            self._close_others()
            self._beat = time.monotonic()
            self._thread.start()
        except BaseException:
            for listener in self._listeners:
                listener.close()
            raise
        self._running.wait()
        for listener in self._listeners:
            logger.info("listening on %s", listener)

    def _listening(self, site: Site) -> Iterator[Listener]:
        for address in site.addresses:
            try:
                yield Listener(self._hub, site, bind(address, site.socket_mode, self._inherited))
            except OSError as error:
                problem = f"cannot listen on {address}: {reason(error)}; {site.way_out}"
                if site.is_needed:
                    raise ConfigError(problem) from error
                logger.warning("%s", problem)

    def _close_others(self) -> None:
        """Say of which sockets that listen already nobody serves, and close them, as far as they are ours."""
        for sock in self._inherited:
            logger.warning(
                "systemd listens on %s, where nobody answers: no setting in [web] has that address; set it there, or "
                "take it out of kvmd.socket",
                address_of(sock.getsockname()),
            )
            sock.close()

    def stop(self) -> None:
        """End; requests in work have a moment to finish. Comes back within GRACE and LAST seconds, whatever hangs."""
        if not self._loop:
            return
        with contextlib.suppress(RuntimeError):  # it has just ended by itself
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(GRACE + LAST)
        if self._thread.is_alive():
            logger.error("the web server's loop hangs, and is left behind")
        self._hub.pools.close()

    def beat(self) -> float:
        """Return when the loop took its last turn, in seconds of ``time.monotonic()``; it takes one each second."""
        return self._beat

    def is_alive(self) -> bool:
        """Tell whether the loop's thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            logger.exception("the web server failed")
            raise
        finally:
            self._running.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._complain)
        self._end = asyncio.Event()
        for listener in self._listeners:
            listener.listen()
        renewing = self._loop.create_task(self._renew())
        self._running.set()
        while not self._end.is_set():
            self._turn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), TURN)
        renewing.cancel()
        await self._finish()

    def _turn(self) -> None:
        """Look for what is overdue."""
        now = self._beat = time.monotonic()
        for connection in list(self._hub.connections):
            connection.check(now)
        self._hub.tally.flush(now)

    async def _renew(self) -> None:
        """Look for new certificates, which may take a moment, beside the loop."""
        while True:
            await asyncio.sleep(RENEW)
            for certificate in self._certificates:
                await asyncio.to_thread(certificate.refresh)

    async def _finish(self) -> None:
        """Let requests in work come to their end, and close everything."""
        self._hub.closing = True
        for listener in self._listeners:
            listener.stop()
        for connection in list(self._hub.connections):
            connection.close()
        until = time.monotonic() + GRACE
        while self._hub.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(self._hub.connections):
            connection.abort()
        await asyncio.sleep(0)

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what went wrong in the loop, once of each kind."""
        self._hub.tally.note(f"web server: {context['message']}", context.get("exception", ""))
