"""How everything stands."""

from __future__ import annotations

from flask import Blueprint

from kvmd.contract.endpoint import Done, endpoint
from kvmd.contract.reports import DeviceReport, Status
from kvmd.kvm import Kvm


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/api/status")
    @endpoint()
    def status() -> Done[Status]:
        """Tell how everything stands."""
        return Done("status success", kvm.status())

    @blueprint.get("/api/devices")
    @endpoint()
    def devices() -> Done[list[DeviceReport]]:
        """List what is plugged in."""
        return Done("devices success", kvm.registry.devices())

    return blueprint
