"""The target's power: how it stands, and its buttons."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from flask import Blueprint, g
from msgspec import Meta

from kvmd.contract.endpoint import Done, endpoint
from kvmd.contract.power import PowerButton
from kvmd.contract.reports import PowerReport
from kvmd.errors import RequestError
from kvmd.kvm import Kvm
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


class PowerOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/power; the other members go with ``press`` alone.

    :param button: ``power`` where none is given
    :param length: ``short`` where neither it nor ``seconds`` is given
    :param seconds: 0.1 to 20
    """

    action: Action
    button: PowerButton | None = None
    length: Length | None = None
    seconds: Annotated[float, Meta(ge=SHORTEST, le=LONGEST)] | None = None


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("power", __name__)

    @blueprint.get("/api/power")
    @endpoint()
    def show() -> Done[PowerReport]:
        """Show how the target's power stands."""
        return Done("power success", kvm.power.status())

    @blueprint.post("/api/power")
    @endpoint(fails=(409,))
    def act(body: PowerOrder) -> Done[PowerReport]:
        """Switch the target on or off, reset it, press a button."""
        done = _carry_out(kvm, body)
        kvm.audit.note("power", g.grant.who, g.grant.address, done)
        return Done(done, kvm.power.status())

    return blueprint


def _carry_out(kvm: Kvm, wanted: PowerOrder) -> str:
    if wanted.action is Action.PRESS:
        return kvm.power.press(wanted.button or PowerButton.POWER, _seconds(kvm, wanted))
    if (wanted.button, wanted.length, wanted.seconds) != (None, None, None):
        raise RequestError(f"button, length and seconds go with press alone, not with {wanted.action.value}")
    return _ACTIONS[wanted.action](kvm.power)


_ACTIONS = {Action.ON: Power.on, Action.OFF: Power.off, Action.FORCE_OFF: Power.force_off, Action.RESET: Power.reset}


def _seconds(kvm: Kvm, wanted: PowerOrder) -> float:
    if wanted.seconds is not None:
        if wanted.length is not None:
            raise RequestError("length or seconds, not both")
        return wanted.seconds
    settings = kvm.settings.power
    return settings.long_press if wanted.length is Length.LONG else settings.short_press
