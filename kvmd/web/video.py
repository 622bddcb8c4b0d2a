"""Pictures: a stream of them, and a single one."""

from __future__ import annotations

import asyncio
import math
from functools import partial

from flask import Blueprint, Response, g, request

from kvmd.access.grant import UserRole
from kvmd.errors import RequestError
from kvmd.front.app import exchange_of
from kvmd.kvm import Kvm
from kvmd.video.forms import CONTENT_TYPE

LONGEST_WAIT = 60.0


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("video", __name__)

    @blueprint.get("/stream")
    def stream() -> Response:
        fps = _number("fps", None)
        if fps is not None and fps <= 0:
            raise RequestError(f"fps={fps:g} cannot be used; accepted: a number above 0")
        why_not = partial(kvm.auth.why_not, g.grant, UserRole.VIEWER)
        exchange_of(request.environ).taker = lambda: kvm.video.viewer(fps, why_not)
        # nginx would keep pictures for a viewer that is slow, without end.
        return Response(content_type=CONTENT_TYPE, headers={"X-Accel-Buffering": "no"})

    @blueprint.get("/snapshot")
    def snapshot() -> Response:
        wait = _number("timeout", 3.0)
        if wait is None or not 0 <= wait <= LONGEST_WAIT:
            raise RequestError(f"timeout={wait:g} cannot be used; accepted: 0 to {LONGEST_WAIT:g} seconds")
        exchange_of(request.environ).later = lambda: _picture(kvm, wait)
        return Response(content_type="image/jpeg")

    return blueprint


async def _picture(kvm: Kvm, wait: float) -> tuple[int, bytes]:
    """Wait in the front's loop, where that takes no thread."""
    picture = await kvm.video.picture(wait)
    if picture:
        return 200, bytes(picture.data)
    return 503, bytes((await asyncio.to_thread(kvm.video.slate)).data)


def _number(name: str, default: float | None) -> float | None:
    given = request.args.get(name)
    if given is None:
        return default
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RequestError(f"{name}={given} cannot be used; accepted: a number")
    return number
