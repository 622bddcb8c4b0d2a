"""What is wrong with this machine as a KVM, for admins."""

from __future__ import annotations

import os

from flask import Blueprint

from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, endpoint
from kvmd.doctor.case import Daemon, Known, gather
from kvmd.doctor.examination import examine
from kvmd.doctor.findings import Diagnosis
from kvmd.errors import KvmdError
from kvmd.kvm import Kvm


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoint."""
    blueprint = Blueprint("doctor", __name__)

    @blueprint.get("/api/doctor")
    @needs(UserRole.ADMIN)
    @endpoint()
    def doctor() -> Done[Diagnosis]:
        """Find out what is wrong with this machine, and how to mend it."""
        known = Known(kvm.settings, kvm.registry, kvm.roles, kvm.choices)
        daemon = Daemon(kvm.status(), pid=os.getpid(), edid=_edid(kvm))
        return Done("doctor success", examine(gather(known, daemon)))

    return blueprint


def _edid(kvm: Kvm) -> bytes | None:
    """Return what the source sees; None where the driver in use has none, or no device is there."""
    try:
        return kvm.video.edid()
    except KvmdError:
        return None
