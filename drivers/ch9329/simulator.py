"""A pretended CH9329 on a pseudo-terminal, with a pretended computer behind it: to try the driver without the chip.

It answers only at its own speed, takes the time that the bytes take on the line, has the chip's configuration with its
strings, and fails in whatever way it is told to. What no document says is a guess here: the answer to places beyond
4095 (E5), and to reports while no target is there (E6).
"""

from __future__ import annotations

import array
import enum
import fcntl
import os
import random
import select
import threading
import tty
from collections import deque
from collections.abc import Mapping

from .pretended import PretendedChip
from .protocol import HEADER, OVERHEAD, REFUSED, Frame, Status

TCGETS2 = 0x802C542A
"""Tells a terminal's speed as a number (asm-generic/ioctls.h); the constants of termios do not have 14400."""

TOLERANCE = 0.025
"""How far a line's speed may be off, as a part of it: a byte's last bit is then read a quarter of a bit off."""

LATE = 0.7
"""Seconds after which a late reply comes; 0.5 are allowed."""


class Fault(enum.Enum):
    """What can go wrong with a frame."""

    SILENCE = "silence"
    """The frame is dropped, and not answered."""
    LATE = "late"
    """The reply comes after its time."""
    SUM = "sum"
    """The reply has a wrong sum."""
    NOISE_BEFORE = "noise-before"
    """Before the reply comes noise."""
    NOISE_INSIDE = "noise-inside"
    """Inside the reply is noise."""
    HALF = "half"
    """The second half of the reply is missing."""
    E1 = "e1"
    E2 = "e2"
    E3 = "e3"
    E4 = "e4"
    E5 = "e5"
    E6 = "e6"
    """The frame is not carried out, and answered with this status."""
    GONE = "gone"
    """In the middle of the reply the port goes away."""


_STATUS: dict[Fault | None, int] = {
    fault: int(fault.value, 16) for fault in (Fault.E1, Fault.E2, Fault.E3, Fault.E4, Fault.E5, Fault.E6)
}


class Simulator:
    """The chip, on a pseudo-terminal of its own.

    :param chip: what is pretended
    :param pace: how much of the real time things take: 1 all of it, 0 none
    :param rates: how often each fault comes by chance, 0 to 1
    :param clear_up_to: the highest speed at which its replies can be read, as with a bad cable
    :param seed: for chance
    """

    def __init__(
        self,
        chip: PretendedChip,
        pace: float = 1.0,
        rates: Mapping[Fault, float] | None = None,
        clear_up_to: int = 115200,
        seed: int = 0,
    ) -> None:
        self.chip = chip
        self.late = LATE
        self.handled: list[Frame] = []
        """Every frame that came in whole, carried out or not."""
        self.pace = pace
        self.rates = dict(rates or {})
        self._clear_up_to = clear_up_to
        self._dice = random.Random(seed)  # noqa: S311  # chance that can be repeated is what is wanted
        self._next: deque[Fault | None] = deque()
        self._unsolicited: deque[bytes] = deque()
        self._buffer = b""
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._master, self._slave = os.openpty()  # with our own end open, a client may come and go
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, name="ch9329-simulator")

    def __enter__(self) -> Simulator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def fail(self, *faults: Fault | None) -> None:
        """Let the next frames fail, one after the other; None: not this one."""
        self._next.extend(faults)

    def wait(self) -> None:
        """Return when the port has gone away."""
        self._stopping.wait()

    def send_custom(self, data: bytes) -> None:
        """Have the target send custom HID data."""
        self._unsolicited.append(data)
        os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._listen()
        finally:
            os.close(self._master)
            os.close(self._slave)

    def _listen(self) -> None:
        gap = max(self.chip.active.gap, 20) if self._buffer else None  # a pseudo-terminal is no wire
        ready, _, _ = select.select([self._master, self._wake], [], [], gap and gap / 1000)
        if self._wake in ready:
            os.eventfd_read(self._wake)
            while self._unsolicited:
                self._write(Frame(0x87, self._unsolicited.popleft(), self.chip.active.address).encode())
        if self._master in ready:
            self._hear(os.read(self._master, 4096))
        elif self._buffer and not ready:
            self._buffer = b""
            self._write(Frame(REFUSED, bytes((Status.TIMEOUT,)), self.chip.active.address).encode())

    def _hear(self, data: bytes) -> None:
        """Take bytes from the line; at another speed than ours they make no sense."""
        if not self.chip.listens or abs(self._speed() / self.chip.active.baud - 1) > TOLERANCE:
            self._buffer = b""
            return
        self._pass(self._time_of(data))
        self._buffer += data
        while raw := self._cut():
            self._react(raw)

    def _cut(self) -> bytes | None:
        """Take the next frame out of what has come in, right or wrong; None if there is no whole one."""
        _, header, rest = self._buffer.partition(HEADER)
        if not header:
            self._buffer = HEADER[:1] if self._buffer.endswith(HEADER[:1]) else b""
            return None
        self._buffer = header + rest
        end = (rest[2] if len(rest) > 2 else 0) + OVERHEAD
        if len(self._buffer) < end:
            return None
        raw, self._buffer = self._buffer[:end], self._buffer[end:]
        return raw

    def _react(self, raw: bytes) -> None:
        frame = Frame(raw[3], raw[5:-1], raw[2])
        self.handled.append(frame)
        fault = self._choose()
        if fault is Fault.SILENCE:
            return
        status = Status.SUM if sum(raw[:-1]) % 256 != raw[-1] else _STATUS.get(fault)
        reply = self.chip.refusal(frame, status) if status else self.chip.answer(frame)
        if reply:
            self._pass(self.late if fault is Fault.LATE else 0, paced=False)
            self._write(self._damaged(reply.encode(), fault))
        if fault is Fault.GONE:
            self._stopping.set()
        if self.chip.resetting:
            self._reset()

    def _reset(self) -> None:
        """Be away for a moment, and lose what is said meanwhile."""
        self._pass(self.chip.reset_time, paced=False)
        while select.select([self._master], [], [], 0)[0]:
            os.read(self._master, 4096)
        self._buffer = b""
        self.chip.start()

    def _choose(self) -> Fault | None:
        if self._next:
            return self._next.popleft()
        at = self._dice.random()
        for fault, rate in self.rates.items():
            at -= rate
            if at < 0:
                return fault
        return None

    def _damaged(self, data: bytes, fault: Fault | None) -> bytes:
        if self.chip.active.baud > self._clear_up_to:
            return self._dice.randbytes(len(data))
        middle = self._dice.randrange(1, len(data))
        noise = self._dice.choice((HEADER[:1], HEADER, HEADER + b"\x00\x82\x40", self._dice.randbytes(9)))
        match fault:
            case Fault.SUM:
                return data[:-1] + bytes((data[-1] ^ 0x55,))
            case Fault.NOISE_BEFORE:
                return noise + data
            case Fault.NOISE_INSIDE:
                return data[:middle] + noise + data[middle:]
            case Fault.HALF | Fault.GONE:
                return data[: len(data) // 2]
        return data

    def _write(self, data: bytes) -> None:
        self._pass(self._time_of(data))
        os.write(self._master, data)

    def _time_of(self, data: bytes) -> float:
        return len(data) * 10 / self.chip.active.baud

    def _pass(self, seconds: float, paced: bool = True) -> None:
        """Let time pass."""
        if paced:
            seconds *= self.pace
        if seconds:
            self._stopping.wait(seconds)

    def _speed(self) -> int:
        """Return the speed that the client has set, which the master of a pseudo-terminal sees."""
        termios2 = array.array("I", bytes(44))
        fcntl.ioctl(self._master, TCGETS2, termios2)
        return termios2[-1]
