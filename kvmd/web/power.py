"""The target's power: how it stands, and its buttons."""

from __future__ import annotations

from flask import Blueprint, g

from kvmd.contract.endpoint import Done, endpoint
from kvmd.contract.reports import PowerReport
from kvmd.kvm import Kvm
from kvmd.power.wish import Wish


class PowerOrder(Wish, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/power."""


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
        done = body.carry_out(kvm.power, kvm.settings.power)
        kvm.audit.note("power", g.grant.who, g.grant.address, done)
        return Done(done, kvm.power.status())

    return blueprint
