"""Connections to a daemon: with TLS or without, over a Unix socket, kept for the next request.

The standard library's http.client asks no proxy of the environment, which would be wrong for a machine in the house.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import select
import socket
import ssl
import threading
import time
from typing import NamedTuple

from kvmd.client.address import Address
from kvmd.client.errors import ClientError, Unreachable, Untrusted

Connection = http.client.HTTPConnection

FRESH = 10.0
"""Seconds for which a quiet connection is used again; the daemon ends them after 20."""

SAFE = {"GET", "PUT", "DELETE"}
"""What may be asked twice (RFC 9110, 9.2.2)."""

WAY_OUT = "pin it with fingerprint=, which `kvmd certificate show` tells, or trust it with ca="


class Request(NamedTuple):
    """A request.

    :param path: with its query, below the daemon's own folder
    :param longer: seconds that the daemon may need beyond the usual time
    """

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]
    longer: float = 0.0


class Answer(NamedTuple):
    """A whole answer."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes


class Opened(NamedTuple):
    """An answer that goes on, and what it comes from."""

    sock: socket.socket
    response: http.client.HTTPResponse

    def close(self) -> None:
        """End both."""
        self.response.close()
        self.sock.close()


class Trust:
    """Which certificate is taken for the daemon's.

    :param ca: a file of PEM with who may have signed it, such as the daemon's own certificate; empty: the system's
    :param fingerprint: its SHA-256, as ``kvmd certificate show`` prints it; then nothing else is looked at
    :param verify: whether to look at all
    :raises ClientError: the file or the fingerprint cannot be used
    """

    def __init__(self, ca: str, fingerprint: str, verify: bool) -> None:
        self.fingerprint = re.sub(r"^sha-?256[:= ]|[:\s]", "", fingerprint.lower())
        if fingerprint and not re.fullmatch("[0-9a-f]{64}", self.fingerprint):
            raise ClientError("the fingerprint is no SHA-256 in 64 hex digits; `kvmd certificate show` prints it")
        try:
            self.context = ssl.create_default_context(cafile=ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ClientError(f"{ca}: cannot be used as ca: {error}") from error
        if self.fingerprint or not verify:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def check(self, certificate: bytes | None) -> None:
        """Compare a certificate with the fingerprint, where there is one.

        :param certificate: in DER
        :raises Untrusted: it is another one
        """
        found = hashlib.sha256(certificate or b"").hexdigest()
        if self.fingerprint and not hmac.compare_digest(found, self.fingerprint):
            raise Untrusted(f"another certificate than the one that is pinned; this one's SHA-256 is {found}")


class Connections:
    """Makes connections to a daemon and keeps the idle ones; for any thread.

    :param timeout: seconds for each step: connecting, sending, the next bytes of an answer
    """

    def __init__(self, address: Address, trust: Trust, timeout: float) -> None:
        self._address = address
        self._trust = trust
        self._timeout = timeout
        self._idle: list[tuple[Connection, float]] = []
        self._lock = threading.Lock()

    def ask(self, request: Request) -> Answer:
        """Send a request and read the whole answer.

        :raises Unreachable: there is none
        """
        connection = self._kept()
        if connection:
            try:
                return self._exchange(connection, request)
            except _Dropped as error:
                if request.method not in SAFE:
                    raise Unreachable(f"{error}; it is not known whether the request was carried out") from error
        return self._exchange(self._connect(), request)

    def open(self, request: Request) -> Opened:
        """Send a request on a connection of its own, and read the head of its answer.

        :raises Unreachable: there is none
        """
        connection = self._connect()
        sock = connection.sock
        try:
            self._send(connection, request)
            return Opened(sock, connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self._address} did not answer: {error}") from error

    def close(self) -> None:
        """Close all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _connect(self) -> Connection:
        """Make a connection, which is not made anew behind our back: whoever answers then would not be looked at.

        :raises Unreachable: there is none to be had
        :raises Untrusted: whoever answers is not the daemon
        """
        connection = self._make()
        try:
            connection.connect()
            if isinstance(connection.sock, ssl.SSLSocket):
                self._trust.check(connection.sock.getpeercert(binary_form=True))
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Untrusted(f"{self._address}: {error.verify_message}; {WAY_OUT}") from error
        except Untrusted as error:
            connection.close()
            raise Untrusted(f"{self._address}: {error}") from error
        except OSError as error:
            connection.close()
            raise Unreachable(f"{self._address} cannot be reached: {error.strerror or error}") from error
        connection.auto_open = 0
        return connection

    def _exchange(self, connection: Connection, request: Request) -> Answer:
        limit = self._timeout + request.longer
        connection.sock.settimeout(limit)
        try:
            self._send(connection, request)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except TimeoutError as error:
            connection.close()
            raise Unreachable(f"{self._address} did not answer in {limit:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Dropped(f"{self._address} ended the connection without a whole answer") from error
        if connection.sock:  # else the daemon wants it to end
            with self._lock:
                self._idle.append((connection, time.monotonic()))
        return answer

    def _send(self, connection: Connection, request: Request) -> None:
        headers = {"Host": self._address.authority, **request.headers}
        connection.request(request.method, self._address.prefix + request.path, request.body, headers)

    def _kept(self) -> Connection | None:
        """Return a connection that was used before and is there still."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            if time.monotonic() - since < FRESH and not _has_ended(connection.sock):
                return connection
            connection.close()

    def _make(self) -> Connection:
        address = self._address
        if address.scheme == "unix":
            return _UnixConnection(address.host, self._timeout)
        if address.scheme == "https":
            context = self._trust.context
            return http.client.HTTPSConnection(address.host, address.port, timeout=self._timeout, context=context)
        return Connection(address.host, address.port, timeout=self._timeout)


class _Dropped(Unreachable):
    """The connection has ended before the answer was there."""


class _UnixConnection(Connection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _has_ended(sock: socket.socket) -> bool:
    """Tell whether a connection on which nothing is awaited has something to say: its end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
