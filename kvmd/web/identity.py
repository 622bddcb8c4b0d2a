"""Who is asking: the ways by which a token travels."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from flask import request

from kvmd.access.auth import Auth
from kvmd.errors import AuthError
from kvmd.system.decoding import decode_json

COOKIE = "kvmd_token"


class _WithToken(msgspec.Struct):
    token: str = ""


def identify(auth: Auth) -> str:
    """Return the client's name.

    A token or an API key may stand in ``Authorization: Bearer``, a cookie, ``?token=`` or a member of the JSON body;
    user and password in HTTP Basic.

    :raises AuthError: none of them, or a wrong one
    """
    given = request.authorization
    if given and given.type == "basic":
        return auth.identify_password(given.username or "", given.password or "", request.remote_addr or "")
    token = sent_token()
    client = auth.identify_token(token) if token else None
    if client:
        return client
    raise AuthError("the token is wrong or has ended; log in again" if token else "log in first: /login_api")


def sent_token() -> str:
    """Return the token that came with the request, by whichever way; empty if none did."""
    given = request.authorization
    if given and given.type == "bearer" and given.token:
        return given.token
    return request.args.get("token") or _token_in_body() or _token_in_cookie()


def _token_in_body() -> str:
    try:
        return decode_json(request.get_data(), _WithToken).token
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _token_in_cookie() -> str:
    """Read the cookie, unless another site's page sent it."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).hostname != urlsplit(request.host_url).hostname:
        return ""
    return request.cookies.get(COOKIE, "")
