"""The handshake of a WebSocket, strictly (RFC 6455, section 4.2)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from wsproto.utilities import generate_accept_token

from kvmd.front.request import Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

VERSION = "13"
KEY_BYTES = 16

OFFER = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", VERSION)]
"""What a refusal with 426 says beside its reason (RFC 9110, section 15.5.22; RFC 6455, section 4.4)."""

_NO_UPGRADE = (
    "this is a WebSocket, and the request asks for none; a proxy before it has to pass Upgrade and Connection on, "
    "and speak HTTP/1.1"
)


def accept(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """Return the headers of the answer 101, which makes a WebSocket of the connection.

    :raises Refusal: 426, it is no handshake, or of another version; 400, a malformed one
    """
    upgrade, connection = (_tokens(environ, name) for name in ("HTTP_UPGRADE", "HTTP_CONNECTION"))
    if environ["SERVER_PROTOCOL"] != "HTTP/1.1" or "websocket" not in upgrade or "upgrade" not in connection:
        raise Refusal(426, _NO_UPGRADE)
    if environ["REQUEST_METHOD"] != "GET" or environ["CONTENT_LENGTH"] != "0":
        raise Refusal(400, "malformed handshake: it is a GET without a body")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "") != VERSION:
        raise Refusal(426, f"only version {VERSION} of the WebSocket protocol is spoken here (Sec-WebSocket-Version)")
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    if not _is_key(key):
        raise Refusal(400, f"malformed handshake: Sec-WebSocket-Key is not one value of {KEY_BYTES} bytes in base64")
    token = generate_accept_token(key.encode())
    return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", token.decode())]


def _tokens(environ: WSGIEnvironment, name: str) -> set[str]:
    return {token.strip().lower() for token in environ.get(name, "").split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except (ValueError, binascii.Error):
        return False
