"""What a pretended CH9329 does with a frame, and what the pretended computer behind it notes; no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from .payloads import MAX_TEXT, PLACES, Config, Text
from .protocol import BAUDS, OK, REFUSED, Command, Frame, Status

VERSION = 0x30
BROADCAST = 0xFF
RESET_TIME = 0.5
"""Seconds that a reset takes."""

ENUMERATION_TIME = 0.2
"""Seconds after which the target has accepted a keyboard that was plugged in."""

_LOCKS = {0x53: 1, 0x39: 2, 0x47: 4}
"""What the lock keys do to the lamps, by usage."""


class Target:
    """The computer, as it stands: what arrived, and what it believes to be down.

    :param heard: told about each report
    """

    def __init__(self, heard: Callable[[Command, bytes], None] | None = None) -> None:
        self.arrived: list[tuple[Command, bytes]] = []
        self.leds = 0
        self._heard = heard
        self._back_at: float | None = 0.0
        self.let_go()

    @property
    def is_there(self) -> bool:
        """Whether it has accepted keyboard and mouse."""
        return self._back_at is not None and time.monotonic() >= self._back_at

    def unplug(self) -> None:
        """Pull the USB cable."""
        self._back_at = None
        self.let_go()

    def plug(self, after: float = 0.0) -> None:
        """Plug it in; some seconds later keyboard and mouse are accepted."""
        self.let_go()
        self._back_at = time.monotonic() + after

    def reboot(self, seconds: float = 2.0) -> None:
        """Be away for a while, and forget the lamps."""
        self.leds = 0
        self.plug(seconds)

    def let_go(self) -> None:
        """Believe that nothing is down."""
        self.keyboard = bytes(8)
        self.media, self.power = bytes(3), bytes(1)
        self.buttons = {Command.ABSOLUTE_MOUSE: 0, Command.RELATIVE_MOUSE: 0}

    @property
    def holds_nothing(self) -> bool:
        """Whether no key and no button is down."""
        return not any((*self.keyboard, *self.media, *self.power, *self.buttons.values()))

    def take(self, command: Command, data: bytes) -> None:
        """Act on a report."""
        self.arrived.append((command, data))
        if command is Command.KEYBOARD:
            for usage in set(data[2:]) - set(self.keyboard[2:]):
                self.leds ^= _LOCKS.get(usage, 0)
            self.keyboard = data
        elif command is Command.MEDIA and data[0] == 2:
            self.media = data[1:]
        elif command is Command.MEDIA:
            self.power = data[1:]
        elif command in self.buttons:
            self.buttons[command] = data[1]
        if self._heard:
            self._heard(command, data)


class _Refusal(Exception):
    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class PretendedChip:
    """The chip.

    :param config: what it is set to
    :param target: the computer behind it
    :param by_pins: whether its modes are set by pins, and not by the configuration
    :param config_size: how long its configuration is; 72 and 88 are those of the CH9329F
    """

    def __init__(
        self,
        config: Config | None = None,
        target: Target | None = None,
        by_pins: bool = True,
        config_size: int = 50,
    ) -> None:
        self.stored = self.active = config or Config()
        self.target = target or Target()
        self.texts = dict.fromkeys(Text, b"")
        self.reset_time = RESET_TIME
        self.resetting = False
        self._by_pins = by_pins
        self._config_size = config_size
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            Command.GET_INFO: self._get_info,
            Command.GET_CONFIG: self._get_config,
            Command.SET_CONFIG: self._set_config,
            Command.GET_STRING: self._get_string,
            Command.SET_STRING: self._set_string,
            Command.FACTORY: self._factory,
            Command.RESET: self._reset,
        }

    @property
    def listens(self) -> bool:
        """Whether it speaks the protocol, which it does in one of its serial modes alone."""
        return self.active.serial_mode & 3 == 0

    def start(self) -> None:
        """Begin anew: what was written is in force now, and the target gets to know the keyboard again."""
        self.resetting = False
        self.active = self.stored
        if self.target.is_there:
            self.target.plug(ENUMERATION_TIME)

    def answer(self, frame: Frame) -> Frame | None:
        """Carry out a frame, and return the reply."""
        if self.active.address and frame.address not in {self.active.address, BROADCAST}:
            return None
        try:
            data = self._carry_out(frame)
        except _Refusal as refusal:
            return self.refusal(frame, refusal.status)
        return self._reply(frame, OK, data)

    def refusal(self, frame: Frame, status: int) -> Frame | None:
        """Return the reply to a frame that was not carried out."""
        return self._reply(frame, REFUSED, bytes((status,)))

    def _reply(self, frame: Frame, kind: int, data: bytes) -> Frame | None:
        if frame.address == BROADCAST:
            return None
        return Frame(frame.command | kind, data, self.active.address)

    def _carry_out(self, frame: Frame) -> bytes:
        if known := self._commands.get(frame.command):
            return known(frame.data)
        _check(frame.command in _REPORTS, Status.COMMAND)
        command = Command(frame.command)
        _check(_REPORTS[command](frame.data), Status.PARAMETER)
        _check(self.target.is_there, Status.FAILED)
        self.target.take(command, frame.data)
        return bytes((Status.OK,))

    def _get_info(self, data: bytes) -> bytes:
        _check(not data, Status.PARAMETER)
        there = self.target.is_there
        return bytes((VERSION, there, self.target.leds if there else 0)) + bytes(5)

    def _get_config(self, data: bytes) -> bytes:
        _check(not data, Status.PARAMETER)
        modes = bytes((self.stored.work_mode, self.stored.serial_mode))
        return (modes + self.stored.encode()[2:]).ljust(self._config_size, b"\0")

    def _set_config(self, data: bytes) -> bytes:
        _check(len(data) == self._config_size == 50, Status.PARAMETER)
        config = Config.decode(data)
        _check(config.work_mode <= 3 and config.serial_mode <= 2 and config.baud in BAUDS, Status.PARAMETER)
        _check(config.address != BROADCAST, Status.PARAMETER)
        if self._by_pins:
            modes = {"work_mode": self.stored.work_mode, "serial_mode": self.stored.serial_mode}
            config = msgspec.structs.replace(config, **modes)
        self.stored = config
        return bytes((Status.OK,))

    def _get_string(self, data: bytes) -> bytes:
        _check(len(data) == 1 and data[0] in self.texts, Status.PARAMETER)
        text = self.texts[Text(data[0])]
        return bytes((data[0], len(text))) + text

    def _set_string(self, data: bytes) -> bytes:
        fits = len(data) >= 2 and data[0] in self.texts and len(data) - 2 == data[1] <= MAX_TEXT
        _check(fits, Status.PARAMETER)
        self.texts[Text(data[0])] = data[2:]
        return bytes((Status.OK,))

    def _factory(self, data: bytes) -> bytes:
        _check(not data, Status.PARAMETER)
        self.stored = Config()
        self.texts = dict.fromkeys(Text, b"")
        return bytes((Status.OK,))

    def _reset(self, data: bytes) -> bytes:
        _check(not data, Status.PARAMETER)
        self.resetting = True
        return bytes((Status.OK,))


def _check(fine: bool, status: Status) -> None:
    if not fine:
        raise _Refusal(status)


def _is_absolute(data: bytes) -> bool:
    places = (int.from_bytes(data[2:4], "little"), int.from_bytes(data[4:6], "little"))
    return len(data) == 7 and data[0] == 2 and max(places) <= PLACES


_REPORTS: dict[int, Callable[[bytes], bool]] = {
    Command.KEYBOARD: lambda data: len(data) == 8,
    Command.MEDIA: lambda data: (len(data), data[:1]) in {(2, b"\x01"), (4, b"\x02")},
    Command.ABSOLUTE_MOUSE: _is_absolute,
    Command.RELATIVE_MOUSE: lambda data: len(data) == 5 and data[0] == 1,
    Command.CUSTOM: lambda data: len(data) <= 64,
}
"""What the data of each report has to look like."""
