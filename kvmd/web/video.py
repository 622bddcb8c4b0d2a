"""Pictures: a stream of them, and a single one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from kvmd.errors import RequestError
from kvmd.kvm import Kvm
from kvmd.video.broadcast import CONTENT_TYPE
from kvmd.web.server import take_over

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LONGEST_WAIT = 60.0


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("video", __name__)

    @blueprint.get("/stream")
    def stream() -> Response:
        fps = _number("fps", None)
        if fps is not None and fps <= 0:
            raise RequestError(f"fps={fps:g} cannot be used; accepted: a number above 0")
        return Response(_hand_over(kvm, request.environ, fps), content_type=CONTENT_TYPE)

    @blueprint.get("/snapshot")
    def snapshot() -> Response:
        wait = _number("timeout", 3.0)
        if wait is None or not 0 <= wait <= LONGEST_WAIT:
            raise RequestError(f"timeout={wait:g} cannot be used; accepted: 0 to {LONGEST_WAIT:g} seconds")
        picture = kvm.video.snapshot(wait)
        return Response(bytes((picture or kvm.video.slate()).data), 200 if picture else 503, content_type="image/jpeg")

    return blueprint


def _hand_over(kvm: Kvm, environ: WSGIEnvironment, fps: float | None) -> Iterator[bytes]:
    """Give the socket to the broadcaster at the moment when the server asks for the answer's first bytes."""
    kvm.video.stream(take_over(environ), fps)
    yield from ()


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
