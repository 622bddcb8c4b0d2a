"""The serial line: a command goes out, its answer comes in; what is lost on the way is sent again."""

from __future__ import annotations

import contextlib
import errno
import termios
import threading
from collections.abc import Iterator
from typing import Any, Final

from kvmd import DeviceAbsent, DeviceLost, DriverError

from .protocol import ANSWER, Command, Frame, Parser, State, Status

BAUD: Final = 115200
QUIET: Final = 0.05
"""Seconds that one look at the line waits."""
SILENCES: Final = 10
"""Looks that saw nothing after which a frame or its answer counts as lost: they, and no clock, so that a machine that
holds up this program takes no answer for lost."""
LOOKS: Final = 32
"""All looks that an answer may take, so that a line full of noise has an end, too."""
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
            self._port: Any = serial.Serial(path, BAUD, timeout=QUIET, write_timeout=1, exclusive=True)
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
            self._port.write(frame.encode())
            if answer := self._answer_to(frame):
                return answer
        raise DeviceLost(f"nothing answers on {self._path}: is it a picotype, and is it powered?")

    def _answer_to(self, frame: Frame) -> Frame | None:
        """Wait for the answer; what is left of earlier ones, and noise, is passed over."""
        parser, silences = Parser(), 0
        for _ in range(LOOKS):
            data = self._port.read(1)
            silences += not data
            for answer in parser.feed(data + self._port.read(self._port.in_waiting)):
                if (answer.number, answer.command) == (frame.number, frame.command | ANSWER):
                    return answer
            if silences == SILENCES:
                break
        return None

    @contextlib.contextmanager
    def _lost_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TypeError, termios.error) as error:  # TypeError: pyserial, of a port that is closed meanwhile
            raise DeviceLost(f"{self._path} is gone: {error.args[-1]}") from error
