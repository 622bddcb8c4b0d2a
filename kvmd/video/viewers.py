"""The newest picture -> every viewer's transport, in the loop that has the transports.

All get one shared buffer. A part is written only where nothing waits to be sent, so a viewer that is slow skips whole
pictures and holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Protocol

from kvmd.video.broadcast import Broadcaster
from kvmd.video.forms import FIRST

logger = logging.getLogger(__name__)

STALLED = 30.0
"""Seconds without progress after which a viewer is given up."""

LOOK = 0.5
"""Seconds between two looks at who may watch still, and who takes nothing."""

GOODBYE = 1.0
"""Seconds for the last picture of somebody who may watch no more."""

UNSENT = 128 * 1024
"""Bytes that may wait in the kernel for a slow network; more would only be stale pictures."""

_MOMENT = 0.001
"""Seconds by which a loop's timers may be early."""


class Watching(Protocol):
    """Somebody who watches.

    ``due`` is when the next picture may be shown, ``shown`` the number of the last one.
    """

    due: float
    shown: int

    def take(self, part: bytes, number: int, now: float) -> None:
        """Send a picture, if that makes sense now."""

    def check(self, now: float) -> None:
        """Look whether this one may and does watch still."""

    def end(self) -> None:
        """Show nothing any more."""


class Viewers:
    """All who watch one screen in one form; its methods run in the loop.

    :param broadcaster: has the pictures
    :param farewell: makes the last part of a stream that is ended, which shows why; slow
    :param newest: returns the newest picture in that form, and its number; None: a part of a stream
    """

    def __init__(
        self,
        broadcaster: Broadcaster,
        farewell: Callable[[str], bytes],
        newest: Callable[[float], tuple[bytes, int]] | None = None,
    ) -> None:
        self._broadcaster = broadcaster
        self._farewell = farewell
        self._newest = newest or broadcaster.part
        self._loop: asyncio.AbstractEventLoop | None = None
        self._viewers: set[Watching] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looked = 0.0
        self._drawing: set[asyncio.Task[bytes]] = set()
        broadcaster.on_change(self._changed)

    def join(self, viewer: Watching) -> None:
        """Show the pictures to somebody else, too."""
        self._loop = asyncio.get_running_loop()
        self._viewers.add(viewer)
        self._broadcaster.join()
        self._turn()

    def leave(self, viewer: Watching) -> None:
        """Forget somebody."""
        if viewer in self._viewers:
            self._viewers.discard(viewer)
            self._broadcaster.leave()

    def offer(self, viewer: Watching) -> None:
        """Let a viewer have the newest picture that has taken the last one."""
        now = time.monotonic()
        part, number = self._newest(now)
        viewer.take(part, number, now)

    def dismiss(self, viewer: Viewer, why: str) -> None:
        """End a viewer's stream with a picture that says why."""
        self.leave(viewer)
        drawing = asyncio.get_running_loop().create_task(asyncio.to_thread(self._farewell, why))
        self._drawing.add(drawing)
        drawing.add_done_callback(self._drawing.discard)
        drawing.add_done_callback(lambda _: viewer.dismiss(b"" if drawing.cancelled() else drawing.result()))

    def _changed(self) -> None:
        """Note in whichever thread that there is something new."""
        loop = self._loop
        if loop and self._viewers:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        """Offer the newest picture to all, and come back when something is due."""
        if self._broadcaster.stopped:
            for viewer in tuple(self._viewers):
                viewer.end()
            return
        now = time.monotonic()
        part, number = self._newest(now)
        for viewer in self._viewers:
            viewer.take(part, number, now)
        if now - self._looked >= LOOK:
            self._looked = now
            for viewer in tuple(self._viewers):
                viewer.check(now)
        self._come_back(part, number, now)

    def _come_back(self, part: bytes, number: int, now: float) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._viewers and self._loop:
            due = [viewer.due for viewer in self._viewers if part and viewer.due > now and viewer.shown != number]
            wait = min([LOOK, *(moment - now for moment in due)])
            self._timer = self._loop.call_later(wait + _MOMENT, self._turn)


class Viewer(asyncio.Protocol):
    """Somebody who watches; takes over a connection on which the answer's head was sent.

    :param viewers: those among whom this one is
    :param fps: pictures a second at most; None for all
    :param why_not: tells why this one may watch no more; None while it may
    """

    def __init__(self, viewers: Viewers, fps: float | None, why_not: Callable[[], str | None] = lambda: None) -> None:
        self.due = 0.0
        self.shown = 0
        self._viewers = viewers
        self._interval = 1 / fps if fps else 0.0
        self._why_not = why_not
        self._transport: asyncio.Transport
        self._unsent = 0
        self._progress = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        self._transport = transport
        transport.set_write_buffer_limits(0)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        transport.write(FIRST)
        self._viewers.join(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # what asyncio calls
        """Watch no more."""
        self._viewers.leave(self)

    def resume_writing(self) -> None:
        """Take the newest picture, as all that waited is sent."""
        self._viewers.offer(self)

    def take(self, part: bytes, number: int, now: float) -> None:
        """Send a picture, unless it was sent, is not due, or another one still waits to be sent."""
        if not part or number == self.shown or now < self.due or self._transport.get_write_buffer_size():
            return
        self.shown = number
        # From the last due time rather than from now, so that 30 captured limited to 10 gives 10 and not 9.
        self.due = max(self.due + self._interval, now - self._interval)
        self._transport.write(part)

    def check(self, now: float) -> None:
        """End where nothing is taken for long, and where the right to watch has ended."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._progress = unsent, now
        if now - self._progress > STALLED:
            logger.info("a viewer took nothing for %d s and is given up", STALLED)
            self._transport.abort()
        elif (why := self._why_not()) is not None:
            self._viewers.dismiss(self, why)

    def end(self) -> None:
        """Close the connection; what is not sent of a picture never will be."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def dismiss(self, last: bytes) -> None:
        """Close the connection with a last part, if it is taken at once."""
        if not self._transport.get_write_buffer_size():
            self._transport.write(last)
            asyncio.get_running_loop().call_later(GOODBYE, self._transport.abort)
            self._transport.close()
        else:
            self._transport.abort()
