"""``/api/virtual``: see how a virtual computer stands, give and cut its power, pull its cables and plug them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from kvmd import decode_json

from .computer import Computer, find
from .front_panel import Phase

if TYPE_CHECKING:
    import flask


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/virtual``: what is plugged in and switched on; what is not named stays as it is."""

    computer: str = "default"
    signal: bool | UnsetType = UNSET
    host: bool | UnsetType = UNSET
    panel: bool | UnsetType = UNSET
    power: bool | UnsetType = UNSET


def blueprint() -> flask.Blueprint:
    """Make the endpoint."""
    from flask import Blueprint, request  # noqa: PLC0415  # a driver does not need it

    pages = Blueprint("virtual", __name__)

    @pages.get("/api/virtual")
    def show() -> tuple[dict[str, object], int]:
        return _answer(Control(computer=request.args.get("computer", "default")))

    @pages.post("/api/virtual")
    def change() -> tuple[dict[str, object], int]:
        try:
            control = decode_json(request.get_data(), Control)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return {"status": 0, "info": f"the body cannot be used: {error}", "data": {}}, 400
        return _answer(control)

    return pages


def _answer(control: Control) -> tuple[dict[str, object], int]:
    computer = find(control.computer)
    if computer is None:
        reason = f'no virtual computer "{control.computer}": name one that a driver "virtual" uses'
        return {"status": 0, "info": reason, "data": {}}, 404
    _apply(control, computer)
    return {"status": 1, "info": "ok", "data": _describe(computer)}, 200


def _apply(control: Control, computer: Computer) -> None:
    if control.signal is not UNSET:
        computer.plug_video(control.signal)
    if control.host is not UNSET:
        computer.plug_host(control.host)
    if control.panel is not UNSET:
        computer.plug_panel(control.panel)
    if control.power is not UNSET:
        computer.switch(control.power)


def _describe(computer: Computer) -> dict[str, object]:
    """Tell how a computer stands, for JSON."""
    state, phase = computer.state(), computer.phase
    return {
        "signal": computer.signal,
        "host": computer.host,
        "panel": computer.panel,
        "power": phase is not Phase.OFF,
        "phase": phase.value,
        "lamps": msgspec.to_builtins(computer.lamps),
        "leds": msgspec.to_builtins(state.leds),
        "keys": state.keys,
        "pointer": msgspec.to_builtins(state.pointer),
        "text": [line.text for line in state.lines],
    }
