"""What is served on an address: which app, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvmd.front.proxies import Proxies

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from kvmd.front.tls import Certificate


def _nobody(_: WSGIEnvironment) -> bool:
    return False


@dataclass(frozen=True)
class Site:
    """An app on some addresses.

    :param app: the app
    :param addresses: ``ADDRESS:PORT``, IPv6 in brackets; or ``unix:`` and the path of a Unix socket
    :param way_out: what to do where one cannot be used, for the message
    :param max_body: bytes; larger ones are refused
    :param certificate: for TLS; None for plain HTTP
    :param knows: tells whether a request comes from somebody who is logged in; asked in the loop, so it is quick
    :param proxies: those that are trusted
    :param socket_mode: who may connect to a Unix socket, as chmod(1) takes it
    :param is_needed: whether nothing is served where one of the addresses cannot be used
    :param environ: what the environ of each request has beside the usual, so that the app can tell its sites apart
    """

    app: WSGIApplication
    addresses: list[str]
    way_out: str
    max_body: int
    certificate: Certificate | None = None
    knows: Callable[[WSGIEnvironment], bool] = _nobody
    proxies: Proxies = field(default_factory=Proxies)
    socket_mode: int = 0o666
    is_needed: bool = True
    environ: Mapping[str, object] = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.certificate else "http"
