"""HTTP: a thin layer of Flask over the KVM; every answer but a picture has the envelope of BliKVM's document."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from functools import partial
from socket import socket as Socket  # noqa: N812  # a room here is called socket
from typing import TYPE_CHECKING

import msgspec
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from kvmd.access.audit import Audit
from kvmd.access.auth import Auth
from kvmd.access.grant import Grant, UserRole
from kvmd.contract.addresses import parse_address
from kvmd.errors import Busy, Forbidden, KvmdError, TooManyAttempts
from kvmd.front.answer import SECURITY
from kvmd.front.app import FAILED, exchange_of
from kvmd.front.proxies import Proxies
from kvmd.front.server import Server
from kvmd.front.site import Site
from kvmd.kvm import Kvm
from kvmd.system.logs import SparingLog, printable
from kvmd.web import (
    accounts,
    blikvm,
    certificate,
    doctor,
    edid,
    log,
    openapi,
    pages,
    power,
    socket,
    status,
    text,
    video,
)
from kvmd.web.calls import prepare
from kvmd.web.envelope import failure, success
from kvmd.web.identity import anybody, identify, is_shown_elsewhere, knows, sent_token
from kvmd.web.needs import LOGIN, PAGE, needed_role
from kvmd.web.origin import check_host, is_foreign, refusal, resource_policy
from kvmd.web.programs import challenges
from kvmd.web.refusals import code_of
from kvmd.web.secure import insist, load_certificate

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)
_log = SparingLog(logger)
_log_once = SparingLog(logger, most=1)

MAX_BODY = 64 * 1024
"""Bytes; no request of this API needs more."""

CONTROL = "kvmd.control"
"""In the environ of what comes by the daemon's private socket."""


def make_server(kvm: Kvm, way_out: Callable[[str], str], inherited: Iterable[Socket] = ()) -> Server:
    """Make what serves the API, the page and the video on the addresses that are set.

    :param way_out: says what to do where an address cannot be used, by its setting's name in ``web``
    :param inherited: sockets that listen on some of these addresses already
    :raises ConfigError: the certificate cannot be used
    """
    web = kvm.settings.web
    shown_with_tls = load_certificate(kvm.settings)
    proxies = Proxies(web.trusted_proxies)
    sites = []
    for app, plain, tls in (
        (create_app(kvm), "listen", "tls_listen"),
        (create_video_app(kvm), "video_listen", "video_tls_listen"),
    ):
        for name, shown in ((plain, None), (tls, shown_with_tls)):
            addresses = getattr(web, name) if shown or web.http != "off" else []
            knows = partial(_knows, app, kvm.auth)
            sites.append(Site(app, addresses, way_out(name), MAX_BODY, shown, knows, proxies))
    return Server([*sites, _control_site(kvm)], inherited=inherited)


def _control_site(kvm: Kvm) -> Site:
    """Serve the API on a socket in the state folder, which only root and the daemon's user can use, as an admin."""
    address = f"unix:{kvm.settings.control}"
    way_out = "kvmd session, power and type do not work; auth.file says in which folder it is"
    try:
        parse_address(address)
    except ValueError as error:
        logger.warning("%s; %s", error, way_out)
        address = ""
    app = _bare_app(kvm, [])
    _add_api(app, kvm)
    prepare(app)
    return Site(
        app,
        [address] if address else [],
        way_out,
        MAX_BODY,
        knows=lambda _: True,
        socket_mode=0o600,
        environ={CONTROL: True},
        is_needed=False,
    )


def create_app(kvm: Kvm) -> Flask:
    """Make the app with everything: the API, the page, and what plug-ins add."""
    app = _bare_app(kvm, kvm.settings.web.tls_listen)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(socket.make(kvm))
    _add_api(app, kvm)
    _add_plugins(app, kvm)
    prepare(app)
    return app


def _add_plugins(app: Flask, kvm: Kvm) -> None:
    for plugin, blueprint in kvm.registry.blueprints(kvm):
        try:
            app.register_blueprint(blueprint)
        except Exception as error:  # its name is taken, or whatever else a stranger's blueprint does
            kvm.registry.report(plugin, f'the blueprint "{blueprint.name}"', error)


def _add_api(app: Flask, kvm: Kvm) -> None:
    for room in (accounts, blikvm, certificate, doctor, edid, log, openapi, power, status, text, video):
        app.register_blueprint(room.make(kvm))


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
    g.grant, g.foreign = anybody(), False
    if CONTROL in request.environ:
        g.grant = Grant("control", "root", UserRole.ADMIN, "")
        return
    is_open = endpoint == LOGIN or endpoint.rpartition(".")[2] in kvm.settings.auth.open
    try:
        _check_site(kvm, endpoint, is_open=is_open)
    except Forbidden as error:
        kvm.auth.audit.note("refusal", "a browser", request.remote_addr or "", f"{_asked()}: {error}")
        raise
    if endpoint and endpoint not in PAGE and (not is_open or g.foreign):
        g.grant = identify(kvm.auth)
        exchange_of(request.environ).known = True
        _check_role(kvm.auth.audit, g.grant)


def _check_site(kvm: Kvm, endpoint: str, *, is_open: bool) -> None:
    """Look for which site's page a browser asks, and under which name.

    :raises Forbidden: not for this one
    """
    g.foreign = is_foreign(kvm.settings.web)
    if not is_open or (endpoint != LOGIN and sent_token(kvm.auth)):
        return
    if g.foreign:
        raise refusal("a page of another site cannot use this without a token")
    if endpoint != LOGIN:
        check_host(kvm.settings.web)


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
    code = code_of(error)
    if code == 500:
        # It may name files, and comes again with every request.
        _log_once.log(logging.ERROR, type(error).__name__, "%s failed: %s", _asked(), error)
        return failure(code, FAILED)
    response = failure(code, str(error))
    if isinstance(error, TooManyAttempts | Busy):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    elif code == 401:
        for scheme in challenges():
            response.headers.add("WWW-Authenticate", scheme)
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
