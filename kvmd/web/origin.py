"""Where a request comes from: what a browser may do here for a page that is not ours.

A browser sends requests for any page, from inside the network and with what it knows. Two checks stand against that,
however a request is authorised, and where no login is needed, too:

- **A page of another site changes nothing**, neither logs in nor uses what is open. Browsers say in ``Sec-Fetch-Site``
  whether the page is ours, also where a proxy hides the name under which they ask (W3C Fetch Metadata). They do so only
  where it can be trusted: over TLS, and on this machine itself. Else ``Origin`` names the page's scheme, host and port,
  which have to be those of ``Host``, or of a name that is set.
- **It is asked for under a name of its own.** With DNS rebinding a stranger's name has this machine's address, and the
  browser takes the stranger's page and this daemon for one site; ``Origin`` and ``Host`` then both name the stranger's.
  With TLS that cannot be, as a stranger's certificate is not here. Where nothing changes and a login is needed any name
  will do, too: browsers have no cookie and no password for the stranger's.

Clients that are no browser send neither header.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import request

from kvmd.contract.addresses import Name, parse_address, parse_name, plain_host
from kvmd.contract.settings import WebSettings
from kvmd.errors import Forbidden
from kvmd.system.logs import printable

READING = {"GET", "HEAD", "OPTIONS"}
RESOLVER = Path("/etc/resolv.conf")

PORTS = {"http": 80, "https": 443}
LONGEST = 280
"""Characters of a name that are shown; DNS has no longer ones (RFC 1035, section 2.3.4), and there is more about it."""

_OURS = {"same-origin", "none"}
"""``none`` is what a person has asked for, by the address line or a bookmark."""


class _Origin(NamedTuple):
    """A page's: what stands before the path of its address."""

    scheme: str
    host: str
    port: int


def is_foreign(settings: WebSettings) -> bool:
    """Tell whether a browser made the request for a page of another site.

    :raises Forbidden: it would change something, or it asks under a name that is not this machine's
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in _OURS:
        return False
    if origin is None:
        # Pictures from our other port are of the same site, and are asked for without an origin.
        foreign = site is not None and (site != "same-site" or _acts())
    else:
        page = _origin_of(origin)
        is_named = page and any(_is_at(page, parse_name(name)) for name in settings.names)
        foreign = not page or not (is_named or _is_here(page))
        if page and page.scheme == "http" and not foreign and not is_named and _acts():
            check_host(settings)
    if foreign and _acts():
        raise refusal("a page of another site cannot do this")
    return foreign and not _is_followed_link()


def check_host(settings: WebSettings) -> None:
    """Refuse a request to a name that is not this machine's.

    :raises Forbidden: it is another's; the message says what to set if it is not
    """
    given = request.headers.get("Host")
    if given is None or request.headers.get("Sec-Fetch-Site") in _OURS:
        return  # HTTP/1.0, which no browser speaks; or no stranger's name can be here
    host = _host_of(given)
    if not (host and (_is_address(host) or host in _hosts(settings) or host in _own_names())):
        name = printable(given, LONGEST)
        raise Forbidden(f'"{name}" is no known name of this machine: use its address, or set web.names = ["{name}"]')


def refusal(what: str) -> Forbidden:
    """Make the refusal of a page of another site, which names where it is, where it asks, and the way out.

    :param what: it cannot do
    """
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    who = f"Sec-Fetch-Site {request.headers.get('Sec-Fetch-Site')}" if origin is None else f"Origin {origin}"
    page = _origin_of(origin or "")
    way_out = f'; if that is where this machine is found, set web.names = ["{_name_of(page)}"]' if page else ""
    return Forbidden(f"{what}: {printable(who, LONGEST)}, Host {printable(host, LONGEST)}{way_out}")


def resource_policy() -> str:
    """Return which pages may show the answer: ours, and a picture also those of our other ports, the same site.

    Of an address no site can be told: there Chromium (156) takes another port for another site. A page of another site
    then can show a picture for which no login is needed, but not read it.
    """
    if request.blueprint != "video":
        return "same-origin"
    return "cross-origin" if _is_address(_host_of(request.headers.get("Host", ""))) else "same-site"


def _acts() -> bool:
    """Tell whether the request may change something; what comes by a WebSocket may."""
    return request.method not in READING or "Upgrade" in request.headers


def _is_followed_link() -> bool:
    """Tell whether a person came here by a link, of whatever site."""
    return request.method in READING and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _is_here(page: _Origin) -> bool:
    """Tell whether a page is where the request goes, as far as is known: a proxy may not say that it speaks TLS."""
    try:
        here = parse_name(request.headers.get("Host", ""))
    except ValueError:
        return False
    return _is_at(page, here) and not (request.is_secure and page.scheme == "http")


def _is_at(page: _Origin, name: Name) -> bool:
    return (page.host, page.port) == (name.host, PORTS[page.scheme] if name.port is None else name.port)


def _name_of(page: _Origin) -> str:
    """Return how the settings would name where a page is."""
    host = f"[{page.host}]" if ":" in page.host else page.host
    return host if page.port == PORTS[page.scheme] else f"{host}:{page.port}"


def _origin_of(url: str) -> _Origin | None:
    """Read an origin; None where it is none, as with ``null``."""
    try:
        parts = urlsplit(url)
        port = parts.port
        name = parse_name(parts.netloc)
    except ValueError:
        return None
    if parts.scheme not in PORTS or parts.path or parts.query or parts.fragment:
        return None
    return _Origin(parts.scheme, name.host, PORTS[parts.scheme] if port is None else port)


def _host_of(given: str) -> str:
    """Return the host in a Host header; empty if there is none."""
    try:
        return parse_name(given).host
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _hosts(settings: WebSettings) -> Collection[str]:
    """Return the hosts that the settings have for this machine."""
    listening = [parse_address(address) for address in (*settings.listen, *settings.video_listen)]
    names = {plain_host(place[0]) for place in listening if isinstance(place, tuple)}
    return names | {parse_name(name).host for name in settings.names}


def _own_names() -> Collection[str]:
    """Return this machine's names: its own, and with what mDNS and the network's domain add; they may change."""
    full = socket.gethostname().lower().rstrip(".")
    short = full.partition(".")[0]
    return {"localhost", full, short, *(f"{short}.{domain}" for domain in ("local", *_search_domains()))}


def _search_domains() -> list[str]:
    """Return the domains in which this machine's network looks for names (resolv.conf(5))."""
    try:
        text = RESOLVER.read_text()
    except (OSError, UnicodeDecodeError):
        return []
    found = re.findall(r"^\s*(?:search|domain)\s+(.*)", text, re.MULTILINE)
    return [domain.lower().strip(".") for line in found for domain in line.split()]
