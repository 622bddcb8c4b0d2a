"""The serial line: a command goes out, its answer comes in; what is lost on the way is sent again."""

from __future__ import annotations

import contextlib
import errno
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from kvmd import DeviceAbsent, DeviceLost, DriverError

from .protocol import ANSWER, OVERHEAD, Command, Frame, Parser, State, Status

BAUD: Final = 115200
REPLY_TIME: Final = 0.5
"""Seconds after which a frame or its answer counts as lost."""
ATTEMPTS: Final = 3

_EXPLAINED: Final = {
    errno.EACCES: "may not be opened: be in the group dialout, or root",
    errno.EPERM: "may not be opened: be in the group dialout, or root",
    errno.EAGAIN: "is in use by another program: end that one first",
    errno.EBUSY: "is in use by another program: end that one first",
}
_ABSENT: Final = {errno.ENOENT, errno.ENODEV, errno.ENXIO}


class Link:
    """A port with a microcontroller behind it; several threads may ask, one after the other.

    :param path: the port's node in /dev
    :raises DeviceAbsent: there is none
    :raises DriverError: it cannot be used
    """

    def __init__(self, path: str) -> None:
        import serial  # noqa: PLC0415  # the driver can be listed without it

        self._path = path
        self._turn = threading.Lock()
        self._number = 0
        try:
            self._port: Any = serial.Serial(path, BAUD, timeout=REPLY_TIME / 10, write_timeout=1, exclusive=True)
        except (OSError, termios.error) as error:
            number = getattr(error, "errno", None)
            if number in _ABSENT:
                raise DeviceAbsent(f"{path} is not there") from error
            reason = _EXPLAINED.get(number or 0, f"cannot be used: {error.args[-1]}")
            raise DriverError(f"{path} {reason}") from error

    def ask(self, command: Command, payload: bytes = b"") -> State:
        """Send a command and return how things stand after it.

        :raises DeviceLost: the port is gone, or nothing answers
        :raises DriverError: what answers is of another protocol, or does not know the command
        """
        with self._turn, self._lost_if_it_fails():
            self._number = (self._number + 1) % 256
            answer = self._exchange(Frame(self._number, command, payload))
        try:
            state = State.decode(answer.payload)
        except ValueError as error:
            raise DriverError(f"{self._path}: {error}: is its firmware older or newer than this driver?") from error
        if state.status not in {Status.DONE, Status.NO_HOST}:
            raise DriverError(f"{self._path}: command {command:02X} was not understood (status {state.status:02X})")
        return state

    def close(self) -> None:
        """Close the port."""
        with self._turn, contextlib.suppress(OSError, termios.error):
            self._port.close()

    def _exchange(self, frame: Frame) -> Frame:
        for _ in range(ATTEMPTS):
            parser = Parser()  # half a frame that noise has left is forgotten
            self._port.write(frame.encode())
            until = time.monotonic() + REPLY_TIME
            while time.monotonic() < until:
                for answer in parser.feed(self._port.read(max(OVERHEAD, self._port.in_waiting))):
                    if (answer.number, answer.command) == (frame.number, frame.command | ANSWER):
                        return answer
        raise DeviceLost(f"nothing answers on {self._path}: is it a picotype, and is it powered?")

    @contextlib.contextmanager
    def _lost_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TypeError, termios.error) as error:  # TypeError: pyserial, of a port that is closed meanwhile
            raise DeviceLost(f"{self._path} is gone: {error.args[-1]}") from error
