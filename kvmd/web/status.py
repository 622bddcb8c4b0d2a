"""How everything stands."""

from __future__ import annotations

from flask import Blueprint, Response

from kvmd.kvm import Kvm
from kvmd.web.envelope import success


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/api/status")
    def status() -> Response:
        return success("status success", kvm.status())

    @blueprint.get("/api/devices")
    def devices() -> Response:
        return success("devices success", kvm.registry.devices())

    return blueprint
