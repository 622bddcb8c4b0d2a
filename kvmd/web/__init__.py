"""HTTP: a thin layer of Flask over the KVM; every answer but a picture has the envelope of BliKVM's document."""

from __future__ import annotations

import logging
import math

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from kvmd.errors import (
    AuthError,
    Busy,
    DriverError,
    KvmdError,
    RequestError,
    TooManyAttempts,
    Unavailable,
    Unsupported,
)
from kvmd.kvm import Kvm
from kvmd.web import blikvm, edid, pages, power, status, video
from kvmd.web.envelope import failure
from kvmd.web.identity import identify
from kvmd.web.server import discard_body

logger = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
"""Bytes; no request of this API needs more."""

PUBLIC = {"blikvm.login", "pages.index", "pages.asset"}
"""What needs no login: the way to log in, and the page's own files."""

_CODES: list[tuple[type[KvmdError], int]] = [
    (RequestError, 400),
    (TooManyAttempts, 429),
    (AuthError, 401),
    (Unsupported, 409),
    (Busy, 409),
    (DriverError, 503),
    (Unavailable, 503),
]


def create_app(kvm: Kvm) -> Flask:
    """Make the app with everything: the API, the page, and what plug-ins add."""
    app = _bare_app(kvm)
    app.register_blueprint(pages.blueprint)
    for room in (blikvm, edid, power, status, video):
        app.register_blueprint(room.make(kvm))
    for blueprint in kvm.registry.blueprints(kvm):
        app.register_blueprint(blueprint)
    return app


def create_video_app(kvm: Kvm) -> Flask:
    """Make the app with pictures alone, for the port on which clients of BliKVM look for them."""
    app = _bare_app(kvm)
    app.register_blueprint(video.make(kvm))
    return app


def _bare_app(kvm: Kvm) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1
    app.url_map.merge_slashes = False
    app.before_request(lambda: _guard(kvm))
    app.after_request(_harden)
    app.register_error_handler(KvmdError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    return app


def _guard(kvm: Kvm) -> None:
    """Let nobody in who is not known, except to what is open."""
    endpoint = request.endpoint or ""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise HTTPException(response=failure(415, "a body with Content-Encoding is not accepted; send it plain"))
    _read_body()
    g.client = f"address:{request.remote_addr}"
    if not endpoint or endpoint in PUBLIC or endpoint.rpartition(".")[2] in kvm.settings.auth.open:
        return
    g.client = identify(kvm.auth)


def _read_body() -> None:
    """Read the body, also where nobody wants it: the server would take it for the next request."""
    # Werkzeug cuts a chunked body off at MAX_CONTENT_LENGTH.
    if len(request.get_data()) > MAX_BODY:
        raise RequestEntityTooLarge


def _harden(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault(
        "Content-Security-Policy", "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'"
    )
    return response


def _refused(error: KvmdError) -> Response:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
    response = failure(code, str(error))
    if isinstance(error, TooManyAttempts | Busy):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    elif code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1
    return response


def _http_error(error: HTTPException) -> Response:
    if isinstance(error.response, Response):
        return error.response
    code = error.code or 500
    if code == 413:
        discard_body(request.environ)
        return failure(413, f"the body is larger than {MAX_BODY} bytes")
    response = failure(code, f"{request.method} {request.path}: {error.name.lower()}")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _failed(error: Exception) -> Response:
    if isinstance(error, msgspec.MsgspecError):
        return failure(400, f"the body cannot be used: {error}")
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return failure(500, "the daemon failed at this; its log says why")
