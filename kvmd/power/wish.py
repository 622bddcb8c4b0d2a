"""What a client asks of the target's power, over HTTP or on a socket."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd.contract.power import PowerButton
from kvmd.contract.settings import PowerSettings
from kvmd.errors import RequestError
from kvmd.power.facility import LONGEST, SHORTEST, Power


class Action(enum.Enum):
    """What is to be done; see ``Power``."""

    ON = "on"
    OFF = "off"
    FORCE_OFF = "force_off"
    RESET = "reset"
    PRESS = "press"


class Length(enum.Enum):
    """How long a press is, as the settings have it."""

    SHORT = "short"
    LONG = "long"


class Wish(msgspec.Struct, frozen=True):
    """What is asked; the other members go with ``press`` alone.

    :param button: ``power`` where none is given
    :param length: ``short`` where neither it nor ``seconds`` is given
    :param seconds: 0.1 to 20
    """

    action: Action
    button: PowerButton | None = None
    length: Length | None = None
    seconds: Annotated[float, Meta(ge=SHORTEST, le=LONGEST)] | None = None

    def carry_out(self, power: Power, settings: PowerSettings) -> str:
        """Do it, and return what was done, in words.

        :raises RequestError: it makes no sense
        :raises Unsupported: nothing is wired that could
        :raises Busy: a button is pressed
        :raises DriverError: the device failed
        """
        if self.action is Action.PRESS:
            return power.press(self.button or PowerButton.POWER, self._seconds(settings))
        if (self.button, self.length, self.seconds) != (None, None, None):
            raise RequestError(f"button, length and seconds go with press alone, not with {self.action.value}")
        return _ACTIONS[self.action](power)

    def _seconds(self, settings: PowerSettings) -> float:
        if self.seconds is not None:
            if self.length is not None:
                raise RequestError("length or seconds, not both")
            return self.seconds
        return settings.long_press if self.length is Length.LONG else settings.short_press


_ACTIONS = {Action.ON: Power.on, Action.OFF: Power.off, Action.FORCE_OFF: Power.force_off, Action.RESET: Power.reset}
