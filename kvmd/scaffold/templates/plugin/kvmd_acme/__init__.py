"""Acme: say here what the plug-in is for. As it is, it counts what happens to the KVM, and shows it at /api/acme.

Its settings are the table ``[plugins.acme]`` of kvmd.toml.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import msgspec
from flask import Blueprint
from msgspec import Meta

from kvmd import Done, Event, KvmApi, endpoint, hookimpl


class AcmeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is counted."""

    role: Annotated[str, Meta(description='"capture", "hid" or "power".')] = "capture"


class AcmeReport(msgspec.Struct, frozen=True):
    """What happened so far.

    :param states: how often each state was entered
    """

    states: dict[str, int]


_states: dict[str, Counter[str]] = {"capture": Counter(), "hid": Counter(), "power": Counter()}


KVMD_CONTRACT = 1
"""The contract that this was made for; a kvmd that has an older one says so, and does not load it."""


@hookimpl
def kvmd_event(event: Event) -> None:
    """Count; kvmd calls this in a thread of the plug-in's own."""
    _states[event.role][event.state] += 1


@hookimpl
def kvmd_blueprints(kvm: KvmApi) -> list[Blueprint]:
    """Offer the endpoint."""
    settings = kvm.plugin_settings("acme", AcmeSettings)
    blueprint = Blueprint("acme", __name__)

    @blueprint.get("/api/acme")
    @endpoint()
    def show() -> Done[AcmeReport]:
        """Show what happened so far."""
        return Done("acme success", AcmeReport(dict(_states[settings.role])))

    return [blueprint]
