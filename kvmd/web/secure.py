"""TLS or not: who is sent to https, and what is refused without it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

from flask import Response, request

from kvmd.contract.settings import Settings, WebSettings, parse_address
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
    if request.is_secure or not addresses:
        return None
    if web.http == "api":
        wants_page = request.endpoint == "pages.index" and request.accept_mimetypes.best == "text/html"
        return _to_https(addresses[0], 302) if wants_page and not _is_behind_proxy() else None
    if request.method in {"GET", "HEAD"}:
        return _to_https(addresses[0], 308)
    return failure(403, "nothing is taken without TLS here; use https")


def _is_behind_proxy() -> bool:
    """Tell whether the request may have come to a proxy with TLS, from where https would lead to the proxy again.

    One on this machine may say nothing of it. A browser here needs no TLS: loopback is secure without (W3C Secure
    Contexts, 3.1). Who says so without a proxy is served what it asked for, as every program is.
    """
    return ip_address(request.remote_addr or "::").is_loopback or request.headers.get("X-Forwarded-Proto") == "https"


def _to_https(address: str, code: int) -> Response:
    host = re.sub(r":\d*$", "", request.host)
    port = parse_address(address)[1]
    response = failure(code, "this is served with TLS; see Location")
    response.location = f"https://{host if port == 443 else f'{host}:{port}'}{request.full_path.rstrip('?')}"
    return response
