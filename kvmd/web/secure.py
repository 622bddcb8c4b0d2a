"""TLS or not: who is sent to https, and what is refused without it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

from flask import Response, request

from kvmd.contract.addresses import UNIX, parse_address
from kvmd.contract.settings import Settings, WebSettings
from kvmd.front.tls import Certificate, Files
from kvmd.web.envelope import failure


def load_certificate(settings: Settings) -> Certificate | None:
    """Load the certificate that is set, or the daemon's own; None where nobody listens with TLS.

    :raises ConfigError: it cannot be used
    """
    web, folder = settings.web, Path(settings.auth.file).parent
    if not web.tls_listen and not web.video_tls_listen:
        return None
    from kvmd.access.certificate import ensure  # noqa: PLC0415  # cryptography is slow to import, and large

    def find() -> Files:
        return web.own_certificate or ensure(folder)

    return Certificate(find, "set web.certificate and web.key, or neither")


def insist(web: WebSettings, addresses: list[str]) -> Response | None:
    """Answer what came without TLS and should not have.

    :param addresses: where this app is served with TLS
    """
    ports = [place[1] for place in map(parse_address, addresses) if isinstance(place, tuple)]
    if request.is_secure or not ports:
        return None
    if web.http == "api":
        wants_page = request.endpoint == "pages.index" and request.accept_mimetypes.best == "text/html"
        return _to_https(ports[0], 302) if wants_page and not _is_local() and not _came_with_tls() else None
    if _came_with_tls():
        # It would be sent round in circles.
        proxy = f'web.trusted_proxies = ["{request.remote_addr}"]'
        return failure(403, f"a proxy with TLS asks without: let it send X-Forwarded-Proto, and set {proxy}")
    if request.method in {"GET", "HEAD"}:
        return _to_https(ports[0], 308)
    return failure(403, "nothing is taken without TLS here; use https")


def _is_local() -> bool:
    """Tell whether it came from this machine: from a proxy that may say nothing of TLS, or from a browser.

    A browser here needs no TLS: loopback is secure without (W3C Secure Contexts, 3.1).
    """
    address = request.remote_addr or "::"
    return address == UNIX or ip_address(address).is_loopback


def _came_with_tls() -> bool:
    """Tell whether the request may have come to a proxy with TLS, from where https would lead to the proxy again.

    Who says so without a proxy is served what it asked for, as every program is. Browsers send ``Sec-Fetch-Site`` with
    TLS alone, but for what they ask of their own machine.
    """
    if request.headers.get("X-Forwarded-Proto") == "https":
        return True
    return "Sec-Fetch-Site" in request.headers and not _is_local()


def _to_https(port: int, code: int) -> Response:
    host = re.sub(r":\d*$", "", request.host)
    response = failure(code, "this is served with TLS; see Location")
    path = request.script_root + request.full_path.rstrip("?")
    response.location = f"https://{host if port == 443 else f'{host}:{port}'}{path}"
    return response
