"""Text, which becomes keys: typed, followed, cancelled; and the layouts that there are for it."""

from __future__ import annotations

import asyncio
from functools import partial

from flask import Blueprint, g

from kvmd.access.grant import Grant, UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, Later, endpoint
from kvmd.contract.reports import LabelsReport, LayoutReport, LayoutsReport, TextReport
from kvmd.input import layout
from kvmd.input.text import Job, TextWish
from kvmd.kvm import Kvm


class TextOrder(TextWish, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/text."""


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("text", __name__)

    @blueprint.get("/api/text")
    @endpoint()
    def show() -> Done[TextReport]:
        """Show how far the text is that is being typed, or how the last one ended."""
        return Done("text success", kvm.input.text.status())

    @blueprint.post("/api/text")
    @needs(UserRole.OPERATOR)
    @endpoint(fails=(409,))
    def type_text(body: TextOrder) -> Later[TextReport]:
        """Type a text; answered once the target has taken all of it, and cancelled when the client goes."""
        return Later(partial(_type, kvm, kvm.input.prepare(body), g.grant))

    @blueprint.delete("/api/text")
    @needs(UserRole.OPERATOR)
    @endpoint()
    def cancel() -> Done[TextReport]:
        """Stop what is being typed, whoever began it."""
        stopped = kvm.input.text.cancel(f"{g.grant.who} cancelled it")
        return Done("the text is cancelled" if stopped else "nothing is being typed", kvm.input.text.status())

    @blueprint.get("/api/layouts")
    @endpoint()
    def layouts() -> Done[LayoutsReport]:
        """List the keyboard layouts that a target may be set to."""
        listed = [LayoutReport(name, title) for name, title in layout.titles().items()]
        return Done("layouts success", LayoutsReport(kvm.input.text.default, listed))

    @blueprint.get("/api/layouts/<name>")
    @endpoint()
    def labels(name: str) -> Done[LabelsReport]:
        """Show what the keys of a layout type."""
        keys = layout.labels(name)
        return Done("layout success", LabelsReport(name, layout.titles()[name], keys))

    return blueprint


async def _type(kvm: Kvm, job: Job, grant: Grant) -> Done[TextReport]:
    """Wait in the front's loop, and cancel it where the connection is gone before the end."""
    try:
        report = await asyncio.to_thread(_type_noted, kvm, job, grant)
        return Done(job.how_far, report)
    except asyncio.CancelledError:
        job.cancel("whoever asked for it has gone")
        raise


def _type_noted(kvm: Kvm, job: Job, grant: Grant) -> TextReport:
    try:
        why_stop = partial(kvm.auth.why_not, grant, UserRole.OPERATOR)
        return kvm.input.type(job, grant.client, why_stop, told=lambda _: kvm.audit.typed(grant))
    finally:
        kvm.audit.note("typing", grant.who, grant.address, f"text: {job.how_far}")
