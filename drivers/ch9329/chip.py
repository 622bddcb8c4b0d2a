"""What a CH9329 can be asked, one method a command, and changes of its configuration that find the way back."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from kvmd import DriverError, Report

from .payloads import Config, Info, Text, decode_text, encode, encode_text, without_steps
from .port import Port, Refused, Silent
from .protocol import Command

logger = logging.getLogger(__name__)

RESET_ATTEMPTS = 6
"""How often the chip is asked after a reset, each time for half a second; about 0.5 s were seen to be enough."""


class NoChip(DriverError):
    """Something answers, and is no CH9329."""


class NotTaken(DriverError):
    """The chip has, or was given back, the configuration that it had."""


class Chip:
    """The chip at the end of an open port.

    :param port: the port
    """

    def __init__(self, port: Port) -> None:
        self.port = port

    def find(self, bauds: Iterable[int]) -> Info:
        """Try these speeds until the chip answers.

        :raises DriverError: it answers at none
        :raises DeviceLost: the port is gone
        """
        tried = list(dict.fromkeys(bauds))
        for baud in tried:
            try:
                self.port.tune(baud, self.port.address)
                return self.info(attempts=2)
            except (Silent, Refused, NoChip) as error:
                logger.debug("%s", error)
        raise DriverError(
            f"no CH9329 answers on {self.port.path}, tried at {', '.join(map(str, tried))} baud: is it powered, "
            "are RX and TX the right way round, is this its port?"
        )

    def info(self, attempts: int | None = None) -> Info:
        """Ask for version, target and lamps.

        :raises NoChip: what answers is no CH9329
        """
        data = self.port.ask(Command.GET_INFO, attempts=attempts)
        try:
            return Info.decode(data)
        except ValueError as error:
            raise NoChip(f"what answers on {self.port.path} is no CH9329: {error}") from error

    def send(self, report: Report) -> None:
        """Have the target take a report.

        A report may be sent twice, once its reply was lost; the steps of a mouse are not, once there was a reply.

        :raises Refused: it was not taken
        :raises Unsupported: the chip cannot send such a report
        """
        command, data = encode(report)
        self.port.ask(command, data, again=encode(without_steps(report))[1])

    def config(self) -> Config:
        """Read the configuration; what was written since the last reset is not in force yet.

        :raises DriverError: it is another one than the CH9329's
        """
        data = self.port.ask(Command.GET_CONFIG)
        try:
            return Config.decode(data)
        except ValueError as error:
            raise DriverError(
                f"the configuration of this variant of the chip is not documented ({error}): {data.hex(' ')}"
            ) from error

    def write_config(self, config: Config) -> None:
        """Write the configuration; it is in force after the next reset."""
        self.port.ask(Command.SET_CONFIG, config.encode())

    def reconfigure(self, **changes: int) -> None:
        """Change the configuration, reset the chip, and see that it has it; else give it back the one that it had.

        :param changes: fields of ``Config``
        :raises NotTaken: it did not take it, and has the old one
        :raises DriverError: it does not answer any more
        """
        before, baud, address = self.config(), self.port.baud, self.port.address
        wanted = msgspec.structs.replace(before, **changes)
        if wanted.encode() == before.encode():
            return
        try:
            self._try(wanted)
        except (Refused, Silent, NotTaken) as error:
            self._go_back(before, baud, address)
            raise NotTaken(f"the CH9329 did not take the new configuration: {error}") from error

    def text(self, kind: Text) -> str:
        """Read a string that the target is told."""
        return decode_text(self.port.ask(Command.GET_STRING, bytes((kind,))))

    def write_text(self, kind: Text, text: str) -> None:
        """Write a string, and have it used after the next reset."""
        self.port.ask(Command.SET_STRING, encode_text(kind, text))
        self.write_config(self.config().with_text(kind))

    def reset(self, then: Config | None = None) -> None:
        """Start the chip anew, which takes its keyboard and mouse from the target for a moment.

        :param then: the configuration that will be in force
        :raises Silent: it does not answer any more
        """
        self.port.ask(Command.RESET)
        if then:
            self._meet(then.baud, then.address)
        else:
            self._meet(self.port.baud, self.port.address)

    def factory(self) -> None:
        """Give the chip the factory's configuration, and start it anew."""
        self.port.ask(Command.FACTORY)
        self.reset(then=Config())

    def _try(self, wanted: Config) -> None:
        self.write_config(wanted)
        self.reset(then=wanted)
        if self.config().encode() != wanted.encode():
            raise NotTaken("it kept its own")

    def _meet(self, baud: int, address: int) -> None:
        """Wait until the chip answers after a reset."""
        self.port.tune(baud, address)
        self.info(attempts=RESET_ATTEMPTS)

    def _go_back(self, before: Config, baud: int, address: int) -> None:
        """Restore the configuration, also of a chip that hears us and cannot be heard."""
        self.port.tell(Command.SET_CONFIG, before.encode())
        self.port.tell(Command.RESET)
        self._meet(baud, address)
        self.write_config(before)
