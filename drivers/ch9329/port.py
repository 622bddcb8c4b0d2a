"""The serial port behind which a CH9329 is: one frame in flight, and each reply matched to its command.

The chip answers one frame after the other, in order. So a reply also tells that what was asked before it will get none
any more, and after a silence GET_INFO finds out what became of a frame: if its reply comes before that to GET_INFO, it
was late, else the frame, or its reply, was lost on the way.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kvmd import DeviceAbsent, DeviceLost, DriverError

from .payloads import Info
from .protocol import FROM_TARGET, MANGLED, MAX_DATA, OVERHEAD, Command, Frame, Parser, Status, in_words

logger = logging.getLogger(__name__)

KVM_GO, CH340 = "1a86:fe0c", "1a86:7523"
ADAPTERS = {KVM_GO: 80, CH340: 20}
"""USB ids of ports that may carry the chip, with their scores; a CH340 may carry anything, and is not asked by a board
that has a USB device port."""

REPLY_TIME = 0.5
"""Seconds that the chip has to reply, beside the time on the line."""

ATTEMPTS = 3
"""How often something is sent before a silence is taken for good."""

QUIET = 0.05
"""Seconds without a byte after which half a frame will not be completed."""

SETTLE = 0.01
"""Seconds of rest after a change of speed: after 3 ms the chip forgets half a frame."""

_LONG_REPLIES = frozenset({Command.GET_CONFIG, Command.GET_STRING})


class Refused(DriverError):
    """The chip answered that it did not do what it was asked, or answers this command alone with silence."""

    def __init__(self, command: int, status: int | None) -> None:
        said = "nothing, though it answers others" if status is None else in_words(status)
        super().__init__(f"to command {command:02X} the chip answered {said}")
        self.status = status


class Silent(DeviceLost):
    """Nothing answers, or nothing any more."""


def note_custom(data: bytes) -> None:
    """Log custom HID data from the target."""
    logger.debug("custom HID data from the target: %s", data.hex(" "))


class _Request:
    """A frame that was sent, by when its reply has to be there, and the reply once it is."""

    def __init__(self, command: int, until: float) -> None:
        self.command = command
        self.until = until
        self.reply: Frame | None = None
        self.unreadable = False  # something came in its place


class Port:
    """A serial port with a chip; any thread may ask, one after the other.

    :param path: its node in /dev
    :param address: the chip's address, 0 for one that answers to any
    :param unsolicited: told about custom HID data from the target
    """

    def __init__(self, path: str, address: int = 0, unsolicited: Callable[[bytes], None] = note_custom) -> None:
        self.path = path
        self.address = address
        self._unsolicited = unsolicited
        self._serial: Any = None
        self._parser = Parser()
        self._unanswered: list[_Request] = []
        self._turn = threading.Lock()
        self._closed = False

    def open(self) -> None:
        """Open the port for ourselves alone.

        :raises DeviceAbsent: there is none
        :raises DriverError: it cannot be used
        """
        import serial  # noqa: PLC0415  # the driver can be listed without it

        port = serial.Serial(timeout=QUIET, write_timeout=1, exclusive=True)
        # On some boards RTS holds the pin that restores the factory's configuration.
        port.rts = port.dtr = False
        port.port = self.path
        try:
            port.open()
        except (OSError, termios.error) as error:
            raise _explain(self.path, error) from error
        self._serial = port

    @property
    def baud(self) -> int:
        """Bits a second."""
        return int(self._serial.baudrate)

    def tune(self, baud: int, address: int) -> None:
        """Talk at another speed, to another address; what is under way is forgotten.

        :raises Silent: the port does not have this speed
        """
        with self._turn, self._lost_if_it_fails():
            self.address = address
            try:
                self._serial.baudrate = baud
            except ValueError as error:
                raise Silent(f"{self.path} cannot be set to {baud} baud") from error
            time.sleep(SETTLE)
            self._serial.reset_input_buffer()
            self._parser = Parser()
            self._unanswered.clear()

    def ask(self, command: int, data: bytes = b"", again: bytes | None = None, attempts: int | None = None) -> bytes:
        """Send a frame and return the data of its reply.

        :param again: what to send in place of ``data`` once the frame has been answered, but unreadably
        :param attempts: how often to send it while nothing answers; by default ``ATTEMPTS``
        :raises Refused: it was not carried out
        :raises DeviceLost: the port is gone, or nothing answers
        """
        with self._turn:
            reply = self._answer(command, data, again, attempts or ATTEMPTS)
        if reply.status != Status.OK:
            raise Refused(command, reply.status)
        return reply.data

    def tell(self, command: int, data: bytes = b"") -> None:
        """Send a frame, and give the chip the time to act, whatever it answers."""
        with self._turn:
            self._write(command, data)
            time.sleep(self._time_on_line(command, data) + REPLY_TIME)

    def close(self) -> None:
        """Close the port; who waits for a reply is told at once."""
        self._closed = True
        with self._turn, contextlib.suppress(OSError, termios.error):
            if self._serial:
                self._serial.close()

    def _answer(self, command: int, data: bytes, again: bytes | None, attempts: int) -> Frame:
        mangled: Frame | None = None
        for _ in range(attempts):
            request = self._write(command, data)
            reply = self._await(request) or self._find_out(request, attempts - 1)
            if reply.answers == command:
                if mangled or reply.status not in MANGLED:
                    return reply
                mangled = reply
            elif request.unreadable and again is not None:
                data = again
        if mangled:
            return mangled
        raise Refused(command, None)

    def _find_out(self, request: _Request, attempts: int) -> Frame:
        """Ask GET_INFO after a silence; return what comes first, the reply to the request or that one."""
        requests = [request]
        for _ in range(attempts):
            requests.append(self._write(Command.GET_INFO))
            if reply := self._await(*requests):
                return reply
        raise Silent(f"nothing answers on {self.path} at {self.baud} baud: is the CH9329 powered and connected?")

    def _write(self, command: int, data: bytes = b"") -> _Request:
        with self._lost_if_it_fails():
            self._serial.write(Frame(command, data, self.address).encode())
        request = _Request(command, time.monotonic() + self._time_on_line(command, data) + REPLY_TIME)
        self._unanswered.append(request)
        return request

    def _await(self, *requests: _Request) -> Frame | None:
        """Wait for the first reply to one of the requests; None if none is in time, or what came cannot be read."""
        until = max(request.until for request in requests)
        known = self._parser.skipped + self._parser.pending
        over = False
        while not over:
            over = time.monotonic() >= until  # what is there by then counts
            data = self._read()
            for frame in self._parser.feed(data) if data else self._parser.give_up():
                self._settle(frame)
            if replies := [request.reply for request in requests if request.reply]:
                return replies[0]
            requests[-1].unreadable = self._parser.skipped + self._parser.pending > known
            over = over or (requests[-1].unreadable and not data)
        return None

    def _time_on_line(self, command: int, data: bytes) -> float:
        """Return how long a frame and its reply take: a byte is eight bits, a start and a stop."""
        reply = MAX_DATA if command in _LONG_REPLIES else Info.SIZE
        return (len(data) + reply + 2 * OVERHEAD) * 10 / self.baud

    def _read(self) -> bytes:
        """Return what has come in, after waiting a moment for it; nothing if the line is quiet."""
        if self._closed:
            raise DeviceLost(f"{self.path} is being closed")
        with self._lost_if_it_fails():
            data: bytes = self._serial.read(1)
            return data + self._serial.read(self._serial.in_waiting) if data else b""

    def _settle(self, frame: Frame) -> None:
        """Give a reply to the first request that it can be for: those before that one will have none."""
        if frame.command == FROM_TARGET:
            self._unsolicited(frame.data)
            return
        for index, request in enumerate(self._unanswered):
            if frame.is_reply and frame.answers == request.command:
                request.reply = frame
                del self._unanswered[: index + 1]
                return
        logger.debug("%s: a frame that nobody waits for: %s", self.path, frame)

    @contextlib.contextmanager
    def _lost_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, termios.error) as error:
            raise DeviceLost(f"{self.path} is gone: {error.args[-1]}") from error


def _explain(path: str, error: Exception) -> DriverError:
    """Say why a port could not be opened."""
    number = getattr(error, "errno", None)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return DeviceAbsent(f"{path} is not there")
    if number in {errno.EACCES, errno.EPERM}:
        return DriverError(f"{path} may not be opened: be in the group dialout, or root")
    if number in {errno.EAGAIN, errno.EBUSY}:
        return DriverError(f"{path} is in use by another program, such as the kvmd daemon: end that one first")
    return DriverError(f"{path} cannot be used: {error.args[-1]}")
