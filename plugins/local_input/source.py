"""The edge to evdev: input devices of this machine, and one thread that reads all of them as events come.

The kernel keeps only the last 64 events of a keyboard, so nothing but reading is done in that thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import threading
from collections.abc import Callable

from kvmd import Device, DeviceLost, DriverError

from .actions import AUTOREPEAT, EV_KEY, EV_REL, EV_SYN, REL_X, SYN_DROPPED, Event, made_good

logger = logging.getLogger(__name__)


class Source:
    """An input device, open, and grabbed when it is to be: then its events come to us alone.

    :param device: what udev knows of it
    :raises DriverError: it cannot be opened
    """

    def __init__(self, device: Device) -> None:
        from evdev import InputDevice  # noqa: PLC0415  # it may not be installed

        self.node = device.node or ""
        try:
            self._input = InputDevice(self.node)
        except OSError as error:
            raise DriverError(
                f"{self.node} cannot be opened: {error.strerror}; kvmd has to be in the group input"
            ) from error
        self.fd: int = self._input.fd
        self.name: str = self._input.name
        self.phys: str = self._input.phys
        self.client = f"local:{device.name}"
        self.grabbed = False
        self.lost = False
        self._down: set[int] = set()
        self._refused = False

    def __str__(self) -> str:
        return f"{self.name} ({self.node})"

    @property
    def moves(self) -> bool:
        """Whether it is a mouse that says how far it goes."""
        return REL_X in self._input.capabilities(absinfo=False).get(EV_REL, ())

    def read(self) -> list[Event]:
        """Read what has come; what the kernel has dropped of keys is made good.

        :raises DeviceLost: it was pulled
        """
        try:
            events = [Event(raw.type, raw.code, raw.value, raw.timestamp()) for raw in self._input.read()]
            lost = next((at for at, event in enumerate(events) if event[:2] == (EV_SYN, SYN_DROPPED)), None)
            if lost is not None:
                logger.warning("%s sends faster than this machine reads: moves were lost", self)
                time, events = events[lost].time, events[:lost]
                self._note(events)
                # Asking for the keys' state also takes from the queue what of keys is left in it.
                events += made_good(self._down, self._held(), time)
        except OSError as error:
            self.lost = True
            raise DeviceLost(f"{self} is gone") from error
        self._note(events)
        return events

    def settle(self, wanted: bool) -> None:
        """Be grabbed, or not; grabbing waits until no key is down, of which whoever saw it pressed is to see the end.

        To be called again after each event.
        """
        with contextlib.suppress(OSError):  # it was pulled, as reading will tell
            if wanted and not self.grabbed and not self._held():
                self._grab()
            elif self.grabbed and not wanted:
                self._input.ungrab()
                self.grabbed = False
                logger.info("%s works on the local console", self)

    def close(self) -> None:
        """Let go of the device."""
        self.settle(wanted=False)
        self._input.close()

    def _held(self) -> list[int]:
        """Return the codes of the keys that are down.

        :raises OSError: it was pulled
        """
        try:
            held: list[int] = self._input.active_keys()
        except SystemError as error:  # what Python makes of evdev's failure that sets no exception (docs/upstream.md)
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error
        return held

    def _grab(self) -> None:
        try:
            self._input.grab()
        except OSError as error:
            if not self._refused:
                logger.warning("%s is not passed on: another program has grabbed it (%s)", self, error.strerror)
            self._refused = True
        else:
            self.grabbed, self._refused = True, False
            logger.info("%s works on the target", self)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if event.type == EV_KEY and event.value != AUTOREPEAT:
                (self._down.add if event.value else self._down.discard)(event.code)


class Reader:
    """Reads sources in a thread of its own.

    :param received: called in the thread, with a source and its events, or None once it is gone; in the end with no
        source, whatever the end's reason
    """

    def __init__(self, received: Callable[[Source | None, list[Event] | None], None]) -> None:
        self._received = received
        self._sources: dict[int, Source] = {}
        self._epoll = select.epoll()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._stop, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="kvmd-local-read")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, source: Source) -> None:
        """Read this source, too, until it is gone; from any thread."""
        self._sources[source.fd] = source
        self._epoll.register(source.fd, select.EPOLLIN)

    def stop(self) -> None:
        """End, and wait for the thread."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._stop)

    def _run(self) -> None:
        try:
            while self._stop not in (ready := [fd for fd, _ in self._epoll.poll()]):
                for fd in ready:
                    self._read(self._sources[fd])
        finally:
            self._received(None, None)

    def _read(self, source: Source) -> None:
        try:
            events = source.read()
        except DeviceLost:
            self._epoll.unregister(source.fd)
            del self._sources[source.fd]
            self._received(source, None)
        else:
            self._received(source, events)
