"""Who is asking: the ways by which a token travels."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from flask import request

from kvmd.access.auth import Auth
from kvmd.errors import AuthError, KvmdError

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


def knows(auth: Auth) -> bool:
    """Tell quickly whether a token of the request is one: the answer decides on nothing but who has to wait."""
    try:
        token = sent_token()
        return bool(token and auth.identify_token(token))
    except (KvmdError, ValueError, RecursionError):
        return False


def still_allowed(auth: Auth) -> Callable[[], bool]:
    """Return what tells, from now on, whether whoever sends this request still may do what needs a login.

    A token ends, an API key is removed, a password is changed.
    """
    given = request.authorization
    if given and given.type == "basic":
        user, stored = given.username or "", auth.credentials.hash_of(given.username or "")
        return lambda: auth.credentials.hash_of(user) == stored
    token = sent_token()
    return lambda: auth.identify_token(token) is not None


def sent_token() -> str:
    """Return the token that came with the request, by whichever way; empty if none did."""
    given = request.authorization
    if given and given.type == "bearer" and given.token:
        return given.token
    return request.args.get("token") or _token_in_body() or _token_in_cookie()


def _token_in_body() -> str:
    try:
        return msgspec.json.decode(request.get_data(), type=_WithToken).token
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _token_in_cookie() -> str:
    """Read the cookie, unless another site's page sent it."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).hostname != urlsplit(request.host_url).hostname:
        return ""
    return request.cookies.get(COOKIE, "")
