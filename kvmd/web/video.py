"""Pictures: a stream of them, and a single one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import msgspec
from flask import Blueprint, Response, g, request
from msgspec import Meta

from kvmd.access.grant import UserRole
from kvmd.contract.endpoint import endpoint
from kvmd.front.app import exchange_of
from kvmd.kvm import Kvm
from kvmd.video.forms import CONTENT_TYPE, PLAIN_TYPE

LONGEST_WAIT = 60.0


class Watching(msgspec.Struct, frozen=True):
    """The query of /stream."""

    fps: Annotated[float, Meta(gt=0, description="Pictures a second at most.")] | None = None


class Waiting(msgspec.Struct, frozen=True):
    """The query of /snapshot."""

    timeout: Annotated[float, Meta(ge=0, le=LONGEST_WAIT, description="Seconds to wait for a picture.")] = 3.0


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("video", __name__)

    @blueprint.get("/stream")
    @endpoint(content={200: CONTENT_TYPE})
    def stream(query: Watching) -> Response:
        """Send the video, as Motion JPEG."""
        why_not = partial(kvm.auth.why_not, g.grant, UserRole.VIEWER)
        exchange_of(request.environ).taker = lambda: kvm.video.viewer(query.fps, why_not)
        is_plain = list(request.accept_mimetypes.values()) == [PLAIN_TYPE.partition(";")[0]]
        # nginx would keep pictures for a viewer that is slow, without end.
        return Response(content_type=PLAIN_TYPE if is_plain else CONTENT_TYPE, headers={"X-Accel-Buffering": "no"})

    @blueprint.get("/snapshot")
    @endpoint(content={200: "image/jpeg", 503: "image/jpeg"})
    def snapshot(query: Waiting) -> Response:
        """Send one picture, taken after the request; where there is none, one that says why."""
        exchange_of(request.environ).later = lambda: _picture(kvm, query.timeout)
        return Response(content_type="image/jpeg")

    return blueprint


async def _picture(kvm: Kvm, wait: float) -> tuple[int, bytes]:
    """Wait in the front's loop, where that takes no thread."""
    picture = await kvm.video.picture(wait)
    if picture:
        return 200, bytes(picture.data)
    return 503, bytes((await asyncio.to_thread(kvm.video.slate)).data)
