"""Where a request comes from: what a browser may do here for a page that is not ours.

A browser sends requests for any page, from inside the network and with what it knows. Two checks stand against that,
however a request is authorised, and where no login is needed, too:

- ``Host`` has to be this machine. With DNS rebinding a stranger's name has its address, and the browser takes the
  stranger's page and this daemon for one site; the name then is the stranger's.
- A page of another site changes nothing, neither logs in nor uses what is open. Browsers name the page's site in
  ``Origin``, and over TLS in ``Sec-Fetch-Site`` (W3C Fetch Metadata).

Clients that are no browser send neither header, and any name or address that they found the machine under.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from flask import request

from kvmd.contract.settings import WebSettings, parse_address
from kvmd.errors import Forbidden

READING = {"GET", "HEAD", "OPTIONS"}
RESOLVER = Path("/etc/resolv.conf")


def check_host(settings: WebSettings) -> None:
    """Refuse a request to a name that is not this machine's.

    :raises Forbidden: it is another's; the message says what to set if it is not
    """
    given = request.headers.get("Host")
    if given is None:
        return  # HTTP/1.0, which no browser speaks
    host = _host_of(f"//{given}")
    if not (host and (_is_address(host) or host in _named(settings) or host in _own_names())):
        raise Forbidden(f'"{given[:64]}" is not known as a name of this machine; use its address, or set web.hosts')


def is_foreign(settings: WebSettings) -> bool:
    """Tell whether a browser made the request for a page of another site."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    host = _host_of(origin)
    here = _host_of("//" + request.headers.get("Host", ""))
    return not host or (host != here and host not in _named(settings))


def is_followed_link() -> bool:
    """Tell whether a person came here by a link, of whatever site."""
    return request.method in READING and request.headers.get("Sec-Fetch-Mode") == "navigate"


def resource_policy() -> str:
    """Return which pages may show the answer: ours, and a picture also those of our other ports, the same site.

    Of an address no site can be told: there Chromium (156) takes another port for another site. A page of another site
    then can show a picture for which no login is needed, but not read it.
    """
    if request.blueprint != "video":
        return "same-origin"
    return "cross-origin" if _is_address(_host_of("//" + request.headers.get("Host", ""))) else "same-site"


def _host_of(url: str) -> str:
    """Return the host in a URL, in small letters and without brackets; empty if there is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where it is none
        host = parts.hostname or ""
    except ValueError:
        return ""
    bare = "@" not in parts.netloc and not (parts.path or parts.query or parts.fragment)
    return host.rstrip(".") if bare else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _named(settings: WebSettings) -> Collection[str]:
    """Return the names that the settings have for this machine."""
    listening = (parse_address(address)[0] for address in (*settings.listen, *settings.video_listen))
    names = {name.lower().rstrip(".") for name in (*settings.hosts, *listening)}
    return {name for name in names if not _is_address(name)}


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
