"""The target's power: how it stands, and its buttons."""

from __future__ import annotations

from flask import Blueprint, Response, g

from kvmd.kvm import Kvm
from kvmd.power.wish import Wish
from kvmd.web.envelope import body, success


class Wanted(Wish, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/power."""


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("power", __name__)

    @blueprint.get("/api/power")
    def show() -> Response:
        return success("power success", kvm.power.status())

    @blueprint.post("/api/power")
    def act() -> Response:
        done = body(Wanted).carry_out(kvm.power, kvm.settings.power)
        kvm.audit.note("power", g.grant.who, g.grant.address, done)
        return success(done, kvm.power.status())

    return blueprint
