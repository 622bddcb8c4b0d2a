"""The WSGI server: cheroot, from which a stream's socket can be taken over."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import msgspec
from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest
from flask import Flask

from kvmd.contract.settings import parse_address
from kvmd.errors import ConfigError
from kvmd.system.probe import Listener

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

_REQUEST = "kvmd.request"

MAX_REQUEST = 256 * 1024
"""Bytes of headers, and of a body, beyond which the app is not even asked."""

THREADS = 16
"""Requests at once on one address; streams do not count, a snapshot waits in one of them."""


class _Gateway(wsgi.Gateway_10):
    """Lets the app see the request, to take over its socket."""

    def get_environ(self) -> Any:  # noqa: ANN401  # cheroot's stub says None, which it is not
        return {**super().get_environ(), _REQUEST: self.req}  # type: ignore[no-untyped-call]


class _Request(HTTPRequest):
    """Answers what never reaches the app, such as malformed HTTP, as the app does."""

    def simple_response(self, status: str | int, msg: str = "") -> None:
        """Refuse the request and close the connection."""
        self.close_connection = True
        body = msgspec.json.encode({"status": 0, "info": msg or str(status), "data": ()})
        head = (
            f"{self.server.protocol} {status}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            self.conn.wfile.write(head.encode() + body)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request
    heard = False

    def close(self) -> None:
        """Close the connection, and drop what a client did not take who has gone.

        Left there, it is sent once more when memory is freed, in vain, and Python 3.13 prints why (cheroot issue 734).
        """
        super().close()
        with contextlib.suppress(OSError):
            self.wfile.close()


class _Wsgi(wsgi.Server):
    """Takes cheroot's messages into our log, and no more memory than requests of ours can need."""

    ConnectionClass = _Connection
    max_request_header_size = MAX_REQUEST
    max_request_body_size = MAX_REQUEST

    def process_conn(self, conn: _Connection) -> None:
        """Give a connection to a thread once there is something to read; cheroot has a thread wait for a new one's."""
        if conn.heard:
            super().process_conn(conn)
        else:
            conn.heard = True
            self.put_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        logger.log(level, "%s", msg, exc_info=traceback)


def take_over(environ: WSGIEnvironment) -> socket.socket:
    """Return the request's connected socket; the server sends nothing more on it, and does not close it.

    cheroot sends no headers when they count as sent, ends its part when the connection is to be closed, and leaves
    the socket open when the connection lingers (cheroot 11, ``HTTPConnection.close``).
    """
    req = environ[_REQUEST]
    req.sent_headers = True
    req.close_connection = True
    req.conn.linger = True
    sock: socket.socket = req.conn.socket
    return sock


def discard_body(environ: WSGIEnvironment) -> None:
    """Read for a moment what a client still sends of a body that is too large.

    Unread it would reset the connection, and the client would not see the answer (RFC 9112, section 9.6).
    """
    environ[_REQUEST].conn.socket.settimeout(1)
    # Whatever is wrong with the rest of it, the answer is the same.
    with contextlib.suppress(Exception):
        while environ["wsgi.input"].read(64 * 1024):
            pass


class Server:
    """An app on some addresses.

    :param app: the app
    :param addresses: ``ADDRESS:PORT``, IPv6 in brackets
    :param way_out: what to do where one cannot be used, for the message
    """

    def __init__(self, app: Flask, addresses: list[str], way_out: str = "set web.listen") -> None:
        self._way_out = way_out
        self._servers = [_server(app, address) for address in addresses]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Bind the addresses and begin to serve.

        :raises ConfigError: an address cannot be bound
        """
        for server in self._servers:
            try:
                server.prepare()
            except OSError as error:
                raise ConfigError(f"cannot listen on {_name(server)}: {_reason(error)}; {self._way_out}") from error
            thread = threading.Thread(target=server.serve, name=f"kvmd-web-{server.bind_addr[1]}")
            thread.start()
            self._threads.append(thread)
            logger.info("listening on %s", _name(server))

    def listeners(self) -> list[Listener]:
        """Return the addresses on which it listens."""
        return [Listener(server.bind_addr[:2]) for server in self._servers]

    def stop(self) -> None:
        """End; requests in work have a moment to finish."""
        for server in self._servers:
            server.stop()
        for thread in self._threads:
            thread.join()


def _server(app: Flask, address: str) -> wsgi.Server:
    host, port = parse_address(address)
    if host == "::" and not _has_ipv6():
        host = "0.0.0.0"  # noqa: S104  # the same wish, as this machine can fulfil it
    server = _Wsgi((host, port), app, numthreads=THREADS, request_queue_size=128, shutdown_timeout=2)
    server.gateway = _Gateway
    return server


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _reason(error: OSError) -> str:
    """Return the system's words: cheroot packs them in its own, ``No socket … ([Errno 98] Address already in use)``."""
    return str(error).rpartition("] ")[2].rstrip(")")


def _name(server: wsgi.Server) -> str:
    host, port = server.bind_addr[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
