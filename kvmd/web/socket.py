"""The way to a socket: who may have one, and the handshake."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from kvmd.contract.endpoint import endpoint
from kvmd.front.app import exchange_of
from kvmd.front.handshake import OFFER, accept
from kvmd.front.request import Refusal
from kvmd.kvm import Kvm
from kvmd.sockets.hub import Hub
from kvmd.web.envelope import failure


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoint."""
    blueprint = Blueprint("socket", __name__)
    hub = Hub(kvm, kvm.auth.why_not)

    @blueprint.get("/api/ws", websocket=True)
    @blueprint.get("/api/ws")  # what is no handshake, for Werkzeug, is told why
    @endpoint(content={101: ""}, fails=(426,))
    def ws() -> Response:
        """Open the socket, a WebSocket for keys, mouse, power, status, events and pictures."""
        try:
            headers = accept(request.environ)
        except Refusal as refusal:
            response = failure(refusal.code, refusal.info)
            response.headers.extend(OFFER if refusal.code == 426 else [])
            return response
        grant = g.grant
        exchange_of(request.environ).taker = lambda: hub.make(grant)
        response = Response(status=101, headers=headers)
        del response.headers["Content-Type"]
        return response

    return blueprint
