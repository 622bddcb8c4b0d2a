"""What is served on an address: which app, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from kvmd.front.tls import Certificate


def _nobody(_: WSGIEnvironment) -> bool:
    return False


@dataclass(frozen=True)
class Site:
    """An app on some addresses.

    :param app: the app
    :param addresses: ``ADDRESS:PORT``, IPv6 in brackets
    :param way_out: what to do where one cannot be used, for the message
    :param max_body: bytes; larger ones are refused
    :param certificate: for TLS; None for plain HTTP
    :param knows: tells whether a request comes from somebody who is logged in; asked in the loop, so it is quick
    """

    app: WSGIApplication
    addresses: list[str]
    way_out: str
    max_body: int
    certificate: Certificate | None = None
    knows: Callable[[WSGIEnvironment], bool] = _nobody

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.certificate else "http"
