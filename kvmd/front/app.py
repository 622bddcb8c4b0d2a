"""The app behind the front: WSGI, called with whole requests alone, and what it may ask beyond an answer."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from werkzeug.test import run_wsgi_app

from kvmd.front.answer import Answer, refusal
from kvmd.front.proxies import Asked
from kvmd.front.request import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_EXCHANGE = "kvmd.exchange"

FAILED = "the daemon failed at this; its log says why"


class Exchange:
    """What the app says about a request beside its answer.

    The answer's head is sent as the app gives it; ``later`` and ``taker`` take the place of its body.
    """

    def __init__(self) -> None:
        self.known = False
        """Whether the client has shown who it is."""
        self.later: Callable[[], Awaitable[tuple[int, bytes]]] | None = None
        """Runs in the loop, and returns the answer's code and body: what waits there takes no thread."""
        self.taker: Callable[[], asyncio.Protocol] | None = None
        """Makes what takes the connection over once the head is sent, such as a stream."""


def exchange_of(environ: WSGIEnvironment) -> Exchange:
    """Return what the app may fill in; one that nobody reads where another server runs the app."""
    found = environ.get(_EXCHANGE)
    return found if isinstance(found, Exchange) else Exchange()


def make_environ(
    request: Request, exchange: Exchange, asked: Asked, *, port: int, server: tuple[str, int]
) -> WSGIEnvironment:
    """Describe a request as PEP 3333 says, as its client sees it.

    :param port: the peer's
    """
    path, _, query = request.target.partition("?")
    if asked.prefix and f"{path}/".startswith(f"{asked.prefix}/"):
        path = path.removeprefix(asked.prefix)  # else the proxy has done that
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": asked.prefix,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": asked.address,
        "REMOTE_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": asked.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        _EXCHANGE: exchange,
    }
    _add_headers(environ, request.headers)
    if asked.host:
        environ["HTTP_HOST"] = asked.host
    environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


def call(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Ask the app; whatever it raises is an answer, too."""
    try:
        parts, status, headers = run_wsgi_app(app, environ, buffered=True)
        return Answer(int(status[:3]), list(headers), b"".join(parts))
    except Exception:
        logger.exception("%s %r failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        return refusal(500, FAILED)


def _add_headers(environ: WSGIEnvironment, headers: list[tuple[str, str]]) -> None:
    for name, value in headers:
        if "_" in name or name in {"content-length", "transfer-encoding"}:
            continue  # X_Y would be taken for X-Y; the framing is dealt with
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        glue = "; " if name == "cookie" else ","
        environ[key] = f"{environ[key]}{glue}{value}" if key in environ else value
