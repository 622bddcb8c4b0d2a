"""The newest lines of the log, for admins."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from flask import Blueprint
from msgspec import Meta

from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, endpoint
from kvmd.kvm import Kvm
from kvmd.system.recent import Line


class Wanted(msgspec.Struct, frozen=True):
    """The query of /api/log."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Only such lines, and those that are worse.")
    ] = "debug"
    since: Annotated[int, Meta(ge=0, description="The number of a line: only those after it.")] = 0


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoint."""
    blueprint = Blueprint("log", __name__)

    @blueprint.get("/api/log")
    @needs(UserRole.ADMIN)
    @endpoint()
    def log(query: Wanted) -> Done[list[Line]]:
        """Show the newest lines of the log."""
        return Done("log success", kvm.log.lines(query.since, query.level))

    return blueprint
