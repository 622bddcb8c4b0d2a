"""The API of BliKVM's document (v1.4.0), and its additions: the mouse, holding keys, logging out."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, after_this_request, g, request

from kvmd.access.grant import UserRole
from kvmd.access.needs import needs
from kvmd.contract.endpoint import Done, Nothing, endpoint
from kvmd.contract.hid import MouseEvent
from kvmd.errors import RequestError
from kvmd.kvm import Kvm
from kvmd.web.identity import browser_cookie_name, browser_mark, cookie_name, sent_token

MARK_AGE = 365 * 86400
"""Seconds for which a browser is known to have logged in before."""


class Login(msgspec.Struct):
    """The body of /login_api.

    :param code: the one-time code, of users who have such
    """

    username: str
    password: str
    code: str = ""


class Token(msgspec.Struct, frozen=True):
    """What a login gives.

    :param token: for all other requests
    """

    token: str


class Keys(msgspec.Struct):
    """The body of /keyboard; exactly one member is given.

    :param keycodes: pressed together, then released
    :param press: held from now on
    :param release: let go
    :param release_all: let go of everything that this client holds
    """

    keycodes: list[str] | None = None
    press: list[str] | None = None
    release: list[str] | None = None
    release_all: bool | None = None


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoints."""
    blueprint = Blueprint("blikvm", __name__)

    @blueprint.route("/login_api", methods=["GET", "POST"])
    @endpoint(fails=(401,))
    def login(body: Login) -> Done[Token]:
        """Log in; the answer sets a cookie, too."""
        mark = browser_mark(kvm.auth)
        done = kvm.auth.login(body.username, body.password, request.remote_addr or "", body.code, mark)

        @after_this_request
        def remember(response: Response) -> Response:
            _set_cookie(response, cookie_name(kvm.auth), done.token, None)
            _set_cookie(response, browser_cookie_name(kvm.auth), done.browser, MARK_AGE)
            return response

        return Done("login success", Token(done.token))

    @blueprint.post("/api/logout")
    @needs(UserRole.VIEWER)
    @endpoint()
    def logout() -> Done[Nothing]:
        """Log out, and release what this client holds."""
        kvm.auth.logout(sent_token(kvm.auth), g.grant.address)
        kvm.input.leave(g.grant.client)

        @after_this_request
        def forget(response: Response) -> Response:
            response.delete_cookie(cookie_name(kvm.auth))
            return response

        return Done("logout success", ())

    @blueprint.route("/keyboard", methods=["GET", "POST"])
    @blueprint.post("/api/keyboard")
    @needs(UserRole.OPERATOR)
    @endpoint(fails=(409,))
    def keyboard(body: Keys) -> Done[Nothing]:
        """Press keys, hold them, let go of them."""
        _carry_out(kvm, body)
        kvm.audit.typed(g.grant)
        return Done("key input success", ())

    @blueprint.route("/mouse", methods=["GET", "POST"])
    @blueprint.post("/api/mouse")
    @needs(UserRole.OPERATOR)
    @endpoint(fails=(409,))
    def mouse(body: MouseEvent) -> Done[Nothing]:
        """Move the mouse, press its buttons, turn its wheels."""
        kvm.input.point(g.grant.client, body)
        if body.buttons or body.wheel:
            kvm.audit.typed(g.grant)
        return Done("mouse input success", ())

    return blueprint


def _set_cookie(response: Response, name: str, value: str, age: int | None) -> None:
    """:param age: seconds for which a browser keeps it; None: until it is closed"""
    response.set_cookie(name, value, age, httponly=True, samesite="Strict", secure=request.is_secure)


def _carry_out(kvm: Kvm, keys: Keys) -> None:
    asked = [name for name, value in msgspec.structs.asdict(keys).items() if value is not None]
    if len(asked) != 1 or keys.release_all is False:
        raise RequestError("exactly one is needed of: keycodes, press, release, release_all (true)")
    if keys.keycodes is not None:
        kvm.input.tap(g.grant.client, keys.keycodes)
    elif keys.press is not None:
        kvm.input.press(g.grant.client, keys.press)
    elif keys.release is not None:
        kvm.input.release(g.grant.client, keys.release)
    else:
        kvm.input.release_all(g.grant.client)
