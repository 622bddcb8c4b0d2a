"""The newest picture -> every viewer.

One thread serves all of them from one epoll loop with non-blocking sends of one shared buffer. A viewer that is slow
skips whole pictures and holds up nobody.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections import deque

from kvmd.contract.capture import Frame

logger = logging.getLogger(__name__)

BOUNDARY = "kvmd"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
HEAD = (
    "HTTP/1.1 200 OK\r\n"
    f"Content-Type: {CONTENT_TYPE}\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "\r\n"
    f"--{BOUNDARY}\r\n"
).encode()

REFRESH = 1.0
"""Seconds after which an unchanged picture is sent again, so that both ends know that the other is there."""

STALLED = 30.0
"""Seconds without progress after which a viewer is given up."""

UNSENT = 128 * 1024
"""Bytes that may wait in the kernel for a slow network; more would only be stale pictures."""


class Rate:
    """Counts events and tells how many there were a second, over the last two seconds."""

    WINDOW = 2.0

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def count(self) -> None:
        """Note an event."""
        self._times.append(time.monotonic())

    def per_second(self) -> float:
        """Return the events a second, to one decimal."""
        since = time.monotonic() - self.WINDOW
        return round(sum(stamp > since for stamp in tuple(self._times)) / self.WINDOW, 1)


class _Viewer:
    """A connected socket, what is left to be sent on it, and when it may have the next picture."""

    def __init__(self, sock: socket.socket, fps: float | None) -> None:
        self.sock = sock
        self.interval = 1 / fps if fps else 0.0
        self.due = 0.0
        self.shown = 0
        self.rest = memoryview(HEAD)
        self.progress = time.monotonic()
        self.polled = 0

    def begin(self, part: bytes, number: int, now: float) -> None:
        """Take the next picture."""
        self.rest = memoryview(part)
        self.shown = number
        self.progress = now
        # From the last due time rather than from now, so that 30 captured limited to 10 gives 10 and not 9.
        self.due = max(self.due + self.interval, now - self.interval)

    def send(self) -> None:
        """Send what the kernel takes.

        :raises OSError: the viewer is gone
        """
        while self.rest:
            try:
                sent = self.sock.send(self.rest)
            except BlockingIOError:
                return
            self.progress = time.monotonic()
            self.rest = self.rest[sent:]


class Broadcaster:
    """Serves the newest picture to all viewers, and to those who wait for a single one."""

    def __init__(self) -> None:
        self.sent = Rate()
        self._viewers: dict[int, _Viewer] = {}
        self._joining: list[_Viewer] = []
        self._waiting = 0
        self._frame: Frame | None = None
        self._live = False
        self._number = 0
        self._part = b""
        self._part_number = 0
        self._made = 0.0
        self._changed = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="kvmd-broadcast")

    @property
    def viewers(self) -> int:
        """How many watch the stream."""
        return len(self._viewers) + len(self._joining)

    @property
    def watched(self) -> bool:
        """Whether anybody wants pictures; if not, none needs to be encoded."""
        return bool(self._viewers or self._joining or self._waiting)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and wait for the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def publish(self, frame: Frame, live: bool = True) -> None:
        """Show this picture from now on.

        :param frame: a frame of MJPEG whose data nobody changes; the very object of the last one means: unchanged
        :param live: whether it shows the computer's screen, else it is a slate
        """
        with self._changed:
            if self._stopping or (live and not self.watched):
                return  # It was in work when the last viewer left, and would be old for the next.
            unchanged = self._frame is not None and self._frame.data is frame.data
            self._frame = frame
            self._live = live
            self._changed.notify_all()
            if unchanged:
                return
            self._number += 1
            self.sent.count()
            os.eventfd_write(self._wake, 1)

    def clear(self) -> None:
        """Show nothing until the next picture comes."""
        with self._changed:
            self._frame = None

    def add(self, sock: socket.socket, fps: float | None) -> None:
        """Take over a connected socket, on which no answer was sent yet.

        :param fps: pictures a second at most; None for all
        """
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        with self._changed:
            if self._stopping:
                sock.close()
                return
            self._joining.append(_Viewer(sock, fps))
            os.eventfd_write(self._wake, 1)

    def wait_fresh(self, timeout: float) -> Frame | None:
        """Wait for a picture of the screen that was taken after this call; None if there is none in time.

        :param timeout: in seconds
        """
        since = time.monotonic()
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._stopping or self._fresh(since), timeout)
                return self._frame if self._fresh(since) else None
            finally:
                self._waiting -= 1
                self._forget_if_unwatched()

    def _fresh(self, since: float) -> bool:
        return self._live and self._frame is not None and self._frame.timestamp >= since

    def _forget_if_unwatched(self) -> None:
        """Nobody watches, so no new pictures come: the next viewer must not see this old one."""
        if self._live and not self.watched:
            self._frame = None

    def _serve(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except Exception:
            logger.exception("the broadcaster failed")
            raise
        finally:
            for viewer in [*self._viewers.values(), *self._joining]:
                viewer.sock.close()
            self._epoll.close()

    def _turn(self) -> None:
        for fd, events in self._epoll.poll(self._patience()):
            if fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif events & ~select.EPOLLOUT:
                self._drop(self._viewers[fd])
            else:
                self._push(self._viewers[fd])
        self._join()
        now = time.monotonic()
        self._refresh(now)
        for viewer in list(self._viewers.values()):
            if self._part and not viewer.rest and viewer.shown != self._part_number and viewer.due <= now:
                viewer.begin(self._part, self._part_number, now)
                self._push(viewer)
            elif viewer.rest and now - viewer.progress > STALLED:
                logger.info("a viewer took nothing for %d s and is given up", STALLED)
                self._drop(viewer)

    def _patience(self) -> float:
        """Return the seconds until something is due even if nothing happens."""
        now = time.monotonic()
        waiting = [viewer for viewer in self._viewers.values() if not viewer.rest] if self._part else []
        due = [viewer.due for viewer in waiting if viewer.shown != self._part_number]
        return min([REFRESH, *(max(0.0, moment - now) for moment in due)]) if self._viewers else -1

    def _join(self) -> None:
        with self._changed:
            joining, self._joining = self._joining, []
            for viewer in joining:
                self._viewers[viewer.sock.fileno()] = viewer
        for viewer in joining:
            self._epoll.register(viewer.sock, select.EPOLLRDHUP)
            self._push(viewer)

    def _refresh(self, now: float) -> None:
        """Build the part that everybody gets, once for each picture; also when it has not changed for a while."""
        with self._changed:
            if self._frame is None:
                self._part = b""
                return
            if self._number == self._part_number and now - self._made < REFRESH:
                return
            if self._number == self._part_number:
                self._number += 1
            frame, self._part_number = self._frame, self._number
        self._made = now
        self._part = _part(frame, time.time() - (now - frame.timestamp))

    def _push(self, viewer: _Viewer) -> None:
        try:
            viewer.send()
        except OSError:
            self._drop(viewer)
            return
        polled = select.EPOLLRDHUP | (select.EPOLLOUT if viewer.rest else 0)
        if polled != viewer.polled:
            viewer.polled = polled
            self._epoll.modify(viewer.sock, polled)

    def _drop(self, viewer: _Viewer) -> None:
        with self._changed:
            self._viewers.pop(viewer.sock.fileno(), None)
            self._forget_if_unwatched()
        self._epoll.unregister(viewer.sock)
        viewer.sock.close()


def _part(frame: Frame, stamp: float) -> bytes:
    """Build a part of the multipart answer; the boundary at its end lets a browser show it at once."""
    head = (
        "Content-Type: image/jpeg\r\n"
        f"Content-Length: {len(frame.data)}\r\n"
        f"X-Timestamp: {stamp:.6f}\r\n"
        f"X-Sequence: {frame.sequence}\r\n"
        "\r\n"
    )
    return b"".join((head.encode(), frame.data, f"\r\n--{BOUNDARY}\r\n".encode()))
