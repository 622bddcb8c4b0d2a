"""HTTP: a thin layer of Flask over the KVM; every answer but a picture has the envelope of BliKVM's document."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from kvmd.access.audit import Audit
from kvmd.access.auth import Auth
from kvmd.access.grant import Grant
from kvmd.errors import (
    AuthError,
    Busy,
    DriverError,
    Forbidden,
    KvmdError,
    NotFound,
    RequestError,
    TooManyAttempts,
    Unavailable,
    Unsupported,
)
from kvmd.front.answer import SECURITY
from kvmd.front.app import FAILED, exchange_of
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.kvm import Kvm
from kvmd.system.logs import SparingLog, printable
from kvmd.web import accounts, blikvm, edid, openapi, pages, power, status, video
from kvmd.web.calls import prepare
from kvmd.web.envelope import failure, success
from kvmd.web.identity import anybody, identify, is_shown_elsewhere, knows, sent_token
from kvmd.web.needs import LOGIN, PAGE, needed_role
from kvmd.web.origin import READING, check_host, is_followed_link, is_foreign, resource_policy
from kvmd.web.secure import insist, load_certificate

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)
_log = SparingLog(logger)
_log_once = SparingLog(logger, most=1)

MAX_BODY = 64 * 1024
"""Bytes; no request of this API needs more."""

_CODES: list[tuple[type[KvmdError], int]] = [
    (NotFound, 404),
    (RequestError, 400),
    (Forbidden, 403),
    (TooManyAttempts, 429),
    (AuthError, 401),
    (Unsupported, 409),
    (Busy, 409),
    (DriverError, 503),
    (Unavailable, 503),
]


def make_server(kvm: Kvm, way_out: Callable[[str], str]) -> Server:
    """Make what serves the API, the page and the video on the addresses that are set.

    :param way_out: says what to do where an address cannot be used, by its setting's name in ``web``
    :raises ConfigError: the certificate cannot be used
    """
    web = kvm.settings.web
    certificate = load_certificate(kvm.settings)
    sites = []
    for app, plain, tls in (
        (create_app(kvm), "listen", "tls_listen"),
        (create_video_app(kvm), "video_listen", "video_tls_listen"),
    ):
        for name, shown in ((plain, None), (tls, certificate)):
            addresses = getattr(web, name) if shown or web.http != "off" else []
            sites.append(Site(app, addresses, way_out(name), MAX_BODY, shown, partial(_knows, app, kvm.auth)))
    return Server(sites)


def create_app(kvm: Kvm) -> Flask:
    """Make the app with everything: the API, the page, and what plug-ins add."""
    app = _bare_app(kvm, kvm.settings.web.tls_listen)
    app.register_blueprint(pages.blueprint)
    for room in (accounts, blikvm, edid, openapi, power, status, video):
        app.register_blueprint(room.make(kvm))
    for blueprint in kvm.registry.blueprints(kvm):
        app.register_blueprint(blueprint)
    prepare(app)
    return app


def create_video_app(kvm: Kvm) -> Flask:
    """Make the app with pictures alone, for the port on which clients of BliKVM look for them."""
    app = _bare_app(kvm, kvm.settings.web.video_tls_listen)
    app.register_blueprint(video.make(kvm))
    prepare(app)
    return app


class _App(Flask):
    def make_default_options_response(self) -> Response:
        """Answer OPTIONS as everything else is answered."""
        response = super().make_default_options_response()
        methods = sorted(response.allow)
        response.headers["Allow"] = ", ".join(methods)
        response.data = success("options success", methods).data
        response.content_type = "application/json"
        return response


def _bare_app(kvm: Kvm, tls_addresses: list[str]) -> Flask:
    app = _App(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.before_request(lambda: insist(kvm.settings.web, tls_addresses))
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
    g.grant = anybody()
    g.foreign = is_foreign(kvm.settings.web) and not is_followed_link()
    if g.foreign and request.method not in READING:
        raise Forbidden("a page of another site cannot do this; name its host in web.hosts if it is this machine")
    if not endpoint or endpoint in PAGE:
        return
    is_open = endpoint == LOGIN or endpoint.rpartition(".")[2] in kvm.settings.auth.open
    if is_open and g.foreign and (endpoint == LOGIN or not sent_token(kvm.auth)):
        raise Forbidden("a page of another site cannot use this without a token")
    if is_open and endpoint != LOGIN and not sent_token(kvm.auth):
        check_host(kvm.settings.web)
    if not is_open or g.foreign:
        g.grant = identify(kvm.auth)
        exchange_of(request.environ).known = True
        _check_role(kvm.auth.audit, g.grant)


def _check_role(audit: Audit, grant: Grant) -> None:
    """Refuse what is beyond somebody's role.

    :raises Forbidden: it is
    """
    needed = needed_role(current_app.view_functions[request.endpoint or ""], request.method)
    if not grant.role.includes(needed):
        audit.note("refusal", grant.who, grant.address, f"{_asked()} needs the role {needed.value}")
        raise Forbidden(f"this needs the role {needed.value}; {grant.who} has {grant.role.value}")


def _knows(app: Flask, auth: Auth, environ: WSGIEnvironment) -> bool:
    with app.request_context(environ):
        g.foreign = False  # it is not for this to decide
        return knows(auth)


def _harden(kvm: Kvm, response: Response) -> Response:
    if kvm.settings.web.hsts and request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={kvm.settings.web.hsts}"
    policy = "cross-origin" if is_shown_elsewhere(kvm.auth) else resource_policy()
    response.headers.setdefault("Cross-Origin-Resource-Policy", policy)
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    return response


def _refused(error: KvmdError) -> Response:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
    if code == 500:
        # It may name files, and comes again with every request.
        _log_once.log(logging.ERROR, type(error).__name__, "%s failed: %s", _asked(), error)
        return failure(code, FAILED)
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
    response = failure(code, f"{request.method} {request.path}: {error.name.lower()}")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response


def _failed(error: Exception) -> Response:
    if isinstance(error, msgspec.MsgspecError):
        return failure(400, f"the body cannot be used: {error}")
    kind = f"{request.endpoint} {type(error).__name__}"
    _log.log(logging.ERROR, kind, "%s failed", _asked(), exc_info=error)
    return failure(500, FAILED)


def _asked() -> str:
    return printable(f"{request.method} {request.path}")
