"""HTTP: a thin layer of Flask over the KVM; every answer but a picture has the envelope of BliKVM's document."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from kvmd.errors import AuthError, Busy, DriverError, Forbidden, KvmdError, RequestError, TooManyAttempts, Unsupported
from kvmd.kvm import Kvm
from kvmd.system.logs import SparingLog, printable
from kvmd.web import blikvm, edid, pages, power, status, video
from kvmd.web.envelope import failure, success
from kvmd.web.identity import identify, is_shown_elsewhere, sent_token
from kvmd.web.origin import READING, check_host, is_followed_link, is_foreign, resource_policy
from kvmd.web.server import discard_body

logger = logging.getLogger(__name__)
_log = SparingLog(logger)
_log_once = SparingLog(logger, most=1)

MAX_BODY = 64 * 1024
"""Bytes; no request of this API needs more."""

LOGIN = "blikvm.login"
PAGE = {"pages.index", "pages.asset"}
"""What needs no login, beside the way to log in: the page's own files."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
"""What every answer has, unless it says otherwise."""

_FAILED = "the daemon failed at this; its log says why"

_CODES: list[tuple[type[KvmdError], int]] = [
    (RequestError, 400),
    (Forbidden, 403),
    (TooManyAttempts, 429),
    (AuthError, 401),
    (Unsupported, 409),
    (Busy, 409),
    (DriverError, 503),
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


class _App(Flask):
    def make_default_options_response(self) -> Response:
        """Answer OPTIONS as everything else is answered."""
        response = super().make_default_options_response()
        methods = sorted(response.allow)
        return _with_headers(success("options success", methods), {"Allow": ", ".join(methods)})


def _bare_app(kvm: Kvm) -> Flask:
    app = _App(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1
    app.url_map.merge_slashes = False
    app.before_request(lambda: _guard(kvm))
    app.after_request(lambda response: _harden(kvm, response))
    app.register_error_handler(KvmdError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    return app


def _guard(kvm: Kvm) -> None:
    """Let nobody in who is not known, except to what is open, and no page of another site but by a token of its own."""
    endpoint = request.endpoint or ""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise HTTPException(response=failure(415, "a body with Content-Encoding is not accepted; send it plain"))
    _read_body()
    g.client = f"address:{request.remote_addr}"
    g.foreign = is_foreign(kvm.settings.web) and not is_followed_link()
    if g.foreign and request.method not in READING:
        raise Forbidden("a page of another site cannot do this; name its host in web.hosts if it is this machine")
    if not endpoint or endpoint in PAGE:
        return
    is_open = endpoint == LOGIN or endpoint.rpartition(".")[2] in kvm.settings.auth.open
    if is_open and g.foreign and (endpoint == LOGIN or not sent_token()):
        raise Forbidden("a page of another site cannot use this without a token")
    if is_open and endpoint != LOGIN and not sent_token():
        check_host(kvm.settings.web)
    if not is_open or g.foreign:
        g.client = identify(kvm.auth)


def _read_body() -> None:
    """Read the body, also where nobody wants it: the server would take it for the next request."""
    # Werkzeug cuts a chunked body off at MAX_CONTENT_LENGTH.
    if len(request.get_data()) > MAX_BODY:
        raise RequestEntityTooLarge


def _harden(kvm: Kvm, response: Response) -> Response:
    policy = "cross-origin" if is_shown_elsewhere(kvm.auth) else resource_policy()
    return _with_headers(response, {**HEADERS, "Cross-Origin-Resource-Policy": policy})


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


def _refused(error: KvmdError) -> Response:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
    if code == 500:
        # It may name files, and comes again with every request.
        _log_once.log(logging.ERROR, type(error).__name__, "%s failed: %s", _asked(), error)
        return failure(code, _FAILED)
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
    kind = f"{request.endpoint} {type(error).__name__}"
    _log.log(logging.ERROR, kind, "%s failed", _asked(), exc_info=error)
    return failure(500, _FAILED)


def _asked() -> str:
    return printable(f"{request.method} {request.path}")
