"""Who is asking: the ways by which a token travels."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from flask import g, request

from kvmd.access.auth import Auth
from kvmd.errors import AuthError, ConfigError, Forbidden, KvmdError, RequestError
from kvmd.web.envelope import body

COOKIE = "kvmd_token"


class _WithToken(msgspec.Struct):
    token: str = ""


def identify(auth: Auth) -> str:
    """Return the client's name.

    A token or an API key may stand in ``Authorization: Bearer``, ``?token=``, a member of the JSON body or a cookie;
    user and password in HTTP Basic. Of a request that a browser makes for another site (``g.foreign``) neither the
    cookie nor HTTP Basic counts, which browsers add by themselves.

    :raises AuthError: none of them, or a wrong one
    """
    given = request.authorization
    if given and given.type == "basic":
        if g.foreign:
            raise Forbidden("a page of another site cannot use what a browser remembers of a login")
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
    except KvmdError:
        return False


def still_allowed(auth: Auth) -> Callable[[], bool]:
    """Return what tells, from now on, whether whoever sends this request still may do what needs a login.

    A token ends, an API key is removed, a password is changed.
    """
    given, token = request.authorization, sent_token()
    user = (given.username or "") if given and given.type == "basic" else None
    stored = auth.credentials.hash_of(user) if user is not None else None

    def is_allowed() -> bool:
        try:
            if user is not None:
                return auth.credentials.hash_of(user) == stored
            return auth.identify_token(token) is not None
        except KvmdError:
            return False

    return is_allowed


def is_shown_elsewhere(auth: Auth) -> bool:
    """Tell whether the address of this request has a token that is right: whoever has it may show what is there."""
    token = request.args.get("token")
    try:
        return bool(token and auth.identify_token(token))
    except ConfigError:
        return False


def sent_token() -> str:
    """Return the token that came with the request, by whichever way; empty if none did."""
    given = request.authorization
    if given and given.type == "bearer" and given.token:
        return given.token
    return request.args.get("token") or _token_in_body() or _token_in_cookie()


def _token_in_body() -> str:
    try:
        return body(_WithToken).token
    except RequestError:
        return ""


def _token_in_cookie() -> str:
    return "" if g.foreign else request.cookies.get(COOKIE, "")
