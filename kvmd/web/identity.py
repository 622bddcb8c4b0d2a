"""Who is asking: the ways by which a token travels."""

from __future__ import annotations

import msgspec
from flask import g, request

from kvmd.access.auth import Auth
from kvmd.access.grant import Grant, UserRole
from kvmd.errors import AuthError, ConfigError, Forbidden, KvmdError, RequestError
from kvmd.web.envelope import body


class _WithToken(msgspec.Struct):
    token: str = ""


def identify(auth: Auth) -> Grant:
    """Return who sends the request.

    A token or an API key may stand in ``Authorization: Bearer``, ``?token=``, a member of the JSON body or a cookie;
    user and password in HTTP Basic, which counts where none of these is sent: a proxy may have a Basic of its own,
    which browsers then send to us, too. Of a request that a browser makes for another site (``g.foreign``) neither the
    cookie nor HTTP Basic counts, which browsers add by themselves.

    :raises AuthError: none of them, or a wrong one
    """
    token, address = sent_token(auth), request.remote_addr or ""
    grant = auth.identify_token(token, address) if token else None
    if grant:
        return grant
    given = request.authorization
    if given and given.type == "basic" and not token and not _is_script():
        if g.foreign:
            raise Forbidden("a page of another site cannot use what a browser remembers of a login")
        return auth.identify_password(given.username or "", given.password or "", address)
    if token:
        why = auth.why_unknown(token)
        auth.audit.note("refusal", "", address, why)
        raise AuthError(why)
    raise AuthError("log in first: /login_api")


def anybody() -> Grant:
    """Return who uses what is open to all."""
    return Grant(f"address:{request.remote_addr}", "anybody", UserRole.VIEWER, request.remote_addr or "")


def knows(auth: Auth) -> bool:
    """Tell quickly whether a token of the request is one: the answer decides on nothing but who has to wait."""
    try:
        token = sent_token(auth)
        return bool(token and auth.identify_token(token))
    except KvmdError:
        return False


def is_shown_elsewhere(auth: Auth) -> bool:
    """Tell whether the address of this request has a token that is right: whoever has it may show what is there."""
    token = request.args.get("token")
    try:
        return bool(token and auth.identify_token(token))
    except ConfigError:
        return False


def sent_token(auth: Auth) -> str:
    """Return the token that came with the request, by whichever way; empty if none did."""
    given = request.authorization
    if given and given.type == "bearer" and given.token:
        return given.token
    return request.args.get("token") or _token_in_body() or _cookie(cookie_name(auth))


def _token_in_body() -> str:
    try:
        return body(_WithToken).token
    except RequestError:
        return ""


def cookie_name(auth: Auth) -> str:
    """Name the cookie with the token: browsers know no ports, and several devices may share one host name."""
    return f"kvmd_token_{auth.device}"


def browser_mark(auth: Auth) -> str:
    """Return the mark that an earlier login left in this browser; empty if there is none."""
    return _cookie(browser_cookie_name(auth))


def browser_cookie_name(auth: Auth) -> str:
    """Name the cookie with the browser's mark, see ``Login``."""
    return f"kvmd_browser_{auth.device}"


def _cookie(name: str) -> str:
    return "" if g.foreign else request.cookies.get(name, "")


def _is_script() -> bool:
    """Tell whether a page's script asks, which logs in by the page and never by HTTP Basic."""
    return "X-Requested-With" in request.headers
