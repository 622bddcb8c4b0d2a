"""``/api/virtual``: see how a virtual computer stands, give and cut its power, pull its cables and plug them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kvmd import Done, Leds, NotFound, endpoint

from .computer import Computer, find
from .front_panel import Lamps, Phase
from .session import Pointer

if TYPE_CHECKING:
    import flask


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/virtual``: what is plugged in and switched on; what is not named stays as it is."""

    computer: str = "default"
    signal: bool | UnsetType = UNSET
    host: bool | UnsetType = UNSET
    panel: bool | UnsetType = UNSET
    power: bool | UnsetType = UNSET


class Which(msgspec.Struct, frozen=True):
    """The query of ``GET /api/virtual``."""

    computer: Annotated[str, Meta(description="Its name.")] = "default"


class ComputerReport(msgspec.Struct, frozen=True):
    """How a virtual computer stands.

    :param signal: whether the cable of its screen is plugged in
    :param host: whether that of its keyboard and mouse is
    :param panel: whether that of its front panel is
    :param power: whether it has power
    :param keys: what was pressed last
    :param text: the lines on its screen
    """

    signal: bool
    host: bool
    panel: bool
    power: bool
    phase: Phase
    lamps: Lamps
    leds: Leds
    keys: tuple[str, ...]
    pointer: Pointer
    text: list[str]


def blueprint() -> flask.Blueprint:
    """Make the endpoint."""
    from flask import Blueprint  # noqa: PLC0415  # a driver does not need it

    pages = Blueprint("virtual", __name__)

    @pages.get("/api/virtual")
    @endpoint(fails=(404,))
    def show(query: Which) -> Done[ComputerReport]:
        """Tell how a virtual computer stands."""
        return Done("ok", _describe(_named(query.computer)))

    @pages.post("/api/virtual")
    @endpoint(fails=(404,))
    def change(body: Control) -> Done[ComputerReport]:
        """Give a virtual computer power or cut it, pull its cables and plug them in."""
        computer = _named(body.computer)
        _apply(body, computer)
        return Done("ok", _describe(computer))

    return pages


def _named(name: str) -> Computer:
    computer = find(name)
    if computer is None:
        raise NotFound(f'no virtual computer "{name}": name one that a driver "virtual" uses')
    return computer


def _apply(control: Control, computer: Computer) -> None:
    if control.signal is not UNSET:
        computer.plug_video(control.signal)
    if control.host is not UNSET:
        computer.plug_host(control.host)
    if control.panel is not UNSET:
        computer.plug_panel(control.panel)
    if control.power is not UNSET:
        computer.switch(control.power)


def _describe(computer: Computer) -> ComputerReport:
    state, phase = computer.state(), computer.phase
    return ComputerReport(
        signal=computer.signal,
        host=computer.host,
        panel=computer.panel,
        power=phase is not Phase.OFF,
        phase=phase,
        lamps=computer.lamps,
        leds=state.leds,
        keys=state.keys,
        pointer=state.pointer,
        text=[line.text for line in state.lines],
    )
