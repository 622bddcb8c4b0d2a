"""The API of BliKVM's document (v1.4.0), and its additions: the mouse, holding keys, logging out."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, g, request

from kvmd.contract.hid import MouseEvent
from kvmd.errors import RequestError
from kvmd.kvm import Kvm
from kvmd.web.envelope import body, success
from kvmd.web.identity import COOKIE, sent_token


class Login(msgspec.Struct):
    """The body of /login_api."""

    username: str
    password: str


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
    def login() -> Response:
        given = body(Login)
        token = kvm.auth.login(given.username, given.password, request.remote_addr or "")
        response = success("login success", {"token": token})
        response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)
        return response

    @blueprint.post("/api/logout")
    def logout() -> Response:
        kvm.auth.logout(sent_token(), request.remote_addr or "")
        kvm.input.leave(g.client)
        response = success("logout success")
        response.delete_cookie(COOKIE)
        return response

    @blueprint.route("/keyboard", methods=["GET", "POST"])
    @blueprint.post("/api/keyboard")
    def keyboard() -> Response:
        _carry_out(kvm, body(Keys))
        return success("key input success")

    @blueprint.route("/mouse", methods=["GET", "POST"])
    @blueprint.post("/api/mouse")
    def mouse() -> Response:
        kvm.input.point(g.client, body(MouseEvent))
        return success("mouse input success")

    return blueprint


def _carry_out(kvm: Kvm, keys: Keys) -> None:
    asked = [name for name, value in msgspec.structs.asdict(keys).items() if value is not None]
    if len(asked) != 1 or keys.release_all is False:
        raise RequestError("exactly one is needed of: keycodes, press, release, release_all (true)")
    if keys.keycodes is not None:
        kvm.input.tap(g.client, keys.keycodes)
    elif keys.press is not None:
        kvm.input.press(g.client, keys.press)
    elif keys.release is not None:
        kvm.input.release(g.client, keys.release)
    else:
        kvm.input.release_all(g.client)
