"""Requests out of bytes, strictly: what RFC 9112 does not allow is refused, also where many are lenient.

Request smuggling lives on two programs that read the same bytes differently. h11 does the parsing; what it lets pass
for the sake of old clients is looked for beforehand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import h11

MAX_HEAD = 32 * 1024
"""Bytes of a request line and its headers."""

_ODD = re.compile(rb"(?:\A|[^\r])\n|\r[^\n]|\0|\n[ \t]")
"""Bare line feeds and carriage returns, NUL, and folded lines (RFC 9112, sections 2.2 and 5.2; RFC 9110, 5.5)."""
_LENGTHS = re.compile(rb"\r\ncontent-length:[ \t]*([^\r]*)", re.IGNORECASE)
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::\d*)?")
_END = b"\r\n\r\n"
_QUOTED = re.compile(r":? (?:bytearray\()?b['\"].*", re.DOTALL)
"""What h11 quotes of a request, which may be a token: it is neither logged nor sent back."""


class Refusal(Exception):
    """A request that is answered without asking the app.

    :param code: of the answer
    :param info: why
    """

    def __init__(self, code: int, info: str) -> None:
        super().__init__(info)
        self.code = code
        self.info = info


class Request(NamedTuple):
    """A whole request.

    :param target: path and query as they came; begins with a slash
    :param version: ``1.0`` or ``1.1``
    :param headers: names in small letters
    :param stays: whether the client will send another one on this connection
    """

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    stays: bool


class Reader:
    """Reads one request after the other from a connection.

    :param max_body: bytes of a body
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._ahead = bytearray()
        self._looked = 0
        self._parser: h11.Connection | None = None
        self._head: h11.Request
        self._body = bytearray()
        self._tail = b""

    @property
    def ahead(self) -> int:
        """How many bytes are there of requests whose turn has not come."""
        return len(self._ahead)

    @property
    def begun(self) -> bool:
        """Whether something of a request is there."""
        return bool(self._parser or self._ahead)

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        if self._parser:
            self._give(self._parser, data)
        else:
            self._ahead += data

    def next(self) -> Request | None:
        """Return the next request; None until it is there whole.

        :raises Refusal: it is malformed or too large; the connection cannot be read any further
        """
        try:
            parser = self._parser or self._read_head()
            return self._read_body(parser) if parser else None
        except h11.RemoteProtocolError as error:
            raise Refusal(error.error_status_hint, f"malformed HTTP: {_QUOTED.sub('', str(error))}") from error

    def wants_continue(self) -> bool:
        """Tell, once for each request, whether its client waits to be told to send the body (RFC 9110, 10.1.1)."""
        if self._parser is None or not self._parser.they_are_waiting_for_100_continue:
            return False
        self._parser.send(h11.InformationalResponse(status_code=100, headers=[]))
        return True

    def rest(self) -> bytes:
        """Return what came after the last request, and forget it."""
        rest, self._ahead = bytes(self._ahead), bytearray()
        return rest

    def _read_head(self) -> h11.Connection | None:
        # One empty line may stand before a request (RFC 9112, section 2.2).
        if not self._looked and self._ahead.startswith(b"\r\n"):
            del self._ahead[:2]
            self._looked = -1
        start = max(0, self._looked - 3)
        found = self._ahead.find(_END, start)
        size = found + len(_END) if found >= 0 else len(self._ahead)
        if _ODD.search(self._ahead, start, size):
            raise Refusal(400, "malformed HTTP: a bare CR or LF, a NUL, or a folded line in the headers")
        if size > MAX_HEAD:
            raise Refusal(431, f"the headers are larger than {MAX_HEAD} bytes")
        if found < 0:
            self._looked = len(self._ahead) or self._looked
            return None
        head, rest = bytes(self._ahead[:size]), bytes(self._ahead[size:])
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        parser.receive_data(head)
        event = parser.next_event()
        if not isinstance(event, h11.Request):
            raise Refusal(400, "malformed HTTP: no request line")
        _check(event, head, self._max_body)
        self._parser, self._head = parser, event
        self._ahead, self._body, self._tail, self._looked = bytearray(), bytearray(), b"", 0
        self._give(parser, rest)
        return parser

    def _give(self, parser: h11.Connection, data: bytes) -> None:
        if data:  # to h11, nothing means the end of the connection
            parser.receive_data(data)
            self._tail = self._tail[-len(_END) :] + data

    def _read_body(self, parser: h11.Connection) -> Request | None:
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return None
            self._body += event.data
            if len(self._body) > self._max_body:
                raise too_large(self._max_body)
        rest = parser.trailing_data[0]
        if _is_chunked(self._head) and not self._tail[: len(self._tail) - len(rest)].endswith(_END):
            raise Refusal(400, "malformed HTTP: the last chunk does not end with an empty line")
        self._parser = None
        self._ahead += rest
        return _request(self._head, bytes(self._body))


def too_large(limit: int) -> Refusal:
    """Refuse a body."""
    return Refusal(413, f"the body is larger than {limit} bytes")


def _check(head: h11.Request, raw: bytes, max_body: int) -> None:
    """Refuse what h11 takes.

    :raises Refusal: the request cannot be used
    """
    if head.http_version not in {b"1.0", b"1.1"}:
        raise Refusal(505, "only HTTP/1.1 and 1.0 are spoken here")
    if not head.target.startswith(b"/") or head.target.startswith(b"//") or b"#" in head.target:
        raise Refusal(400, "malformed HTTP: the target of a request is a path, which begins with one slash")
    if any(name == b"host" and not HOST.fullmatch(value) for name, value in head.headers):
        raise Refusal(400, "malformed HTTP: the Host header names no host")
    lengths = _LENGTHS.findall(raw)
    if len(lengths) > 1 or not all(length.strip().isdigit() for length in lengths):
        raise Refusal(400, "malformed HTTP: more than one Content-Length, or one that is no number")
    if _is_chunked(head) and (lengths or head.http_version == b"1.0"):
        raise Refusal(400, "malformed HTTP: Transfer-Encoding beside a Content-Length, or in HTTP/1.0")
    if lengths and int(lengths[0]) > max_body:
        raise too_large(max_body)


def _is_chunked(head: h11.Request) -> bool:
    return any(name == b"transfer-encoding" for name, _ in head.headers)


def _request(head: h11.Request, body: bytes) -> Request:
    headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
    options = {option.strip().lower() for name, value in headers if name == "connection" for option in value.split(",")}
    version = head.http_version.decode("ascii")
    stays = version == "1.1" and "close" not in options
    return Request(head.method.decode("ascii"), head.target.decode("ascii"), version, headers, body, stays)
