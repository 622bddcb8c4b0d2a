"""``/api/openapi.json``: the API as programs read it (OpenAPI 3.1.0), made from the routes and what their views say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.routing import Rule

import kvmd
from kvmd.access.grant import UserRole
from kvmd.contract.endpoint import Endpoint, endpoint, endpoint_of, words_of
from kvmd.kvm import Kvm
from kvmd.web.identity import cookie_name
from kvmd.web.needs import PUBLIC, needed_role
from kvmd.web.refusals import EVERYWHERE, MEANINGS
from kvmd.web.schemas import Schemas, parameters

ABOUT = """\
The API of BliKVM's document (v1.4.0), and more. Every answer but a picture has the same envelope: `status` is 1 for \
success, and only for success; `info` says in words what was done, or what is wrong; `data` is what was asked for.

Bodies are JSON, whatever the Content-Type. Where GET takes a body, as BliKVM's document has it, POST does the same, \
and is what most clients can send. HEAD is as GET, without the body; OPTIONS lists the methods; others are 405. \
A token may also be a member `token` of a JSON body that allows for others."""

WAYS: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a login, or an API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "User name and password."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "", "description": "It is set by a login."},
    "token": {"type": "apiKey", "in": "query", "name": "token", "description": "For what cannot send headers."},
}
"""How to say who one is; any of them will do. The cookie's name is the device's own."""

ANY_WAY: list[dict[str, list[str]]] = [{way: []} for way in WAYS]

JSON = "application/json"
FAILURE = {"$ref": "#/components/schemas/Failure"}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Those that are described; HEAD and OPTIONS go without saying."""


def make(kvm: Kvm) -> Blueprint:
    """Make the endpoint."""
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/api/openapi.json")
    @endpoint(content={200: "application/json"})
    def openapi() -> Response:
        """Describe the API, for programs (this document)."""
        document = describe(current_app, cookie_name(kvm.auth), kvm.settings.auth.open)
        document["servers"] = [{"url": request.script_root or "/"}]
        return Response(msgspec.json.encode(document), content_type="application/json")

    return blueprint


def describe(app: Flask, cookie: str, opened: Collection[str]) -> dict[str, Any]:
    """Describe all that an app serves.

    :param cookie: the name of that with the token
    :param opened: the endpoints that need no login by ``auth.open``, without the names of their blueprints
    """
    views = app.view_functions
    rules = sorted((rule for rule in app.url_map.iter_rules() if rule.endpoint in views), key=lambda rule: rule.rule)
    told = {rule.endpoint: endpoint_of(views[rule.endpoint]) or Endpoint() for rule in rules}
    schemas = Schemas(each for one in told.values() for each in (one.body, one.data))
    paths: dict[str, dict[str, Any]] = {}
    for rule, method in ((rule, method) for rule in rules for method in METHODS if method in (rule.methods or ())):
        view = views[rule.endpoint]
        operation = _operation(view, rule, method, told[rule.endpoint], schemas)
        if rule.endpoint in PUBLIC:
            operation["security"] = []
        else:
            is_open = rule.endpoint.rpartition(".")[2] in opened
            operation = _guarded(operation, needed_role(view, method), is_open)
        paths.setdefault(path_of(rule), {})[method.lower()] = operation
    ways = {**WAYS, "cookie": {**WAYS["cookie"], "name": cookie}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "kvmd-hal", "version": kvmd.__version__, "description": ABOUT},
        "security": ANY_WAY,
        "paths": paths,
        "components": {"schemas": schemas.components, "responses": _refusals(), "securitySchemes": ways},
    }


def path_of(rule: Rule) -> str:
    """Return the path of a route as OpenAPI writes it."""
    return re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _operation(view: Callable[..., Any], rule: Rule, method: str, told: Endpoint, schemas: Schemas) -> dict[str, Any]:
    """Describe one method of one path, but for who may use it."""
    summary, _, rest = words_of(view).partition("\n")
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in rule.arguments]
    operation: dict[str, Any] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{method} {rule.rule}".lower()).strip("_"),
        "summary": summary.rstrip(".") or rule.rule,
        "responses": _answers(told, schemas, (*EVERYWHERE, *told.fails, *([404] if in_path else []))),
    }
    if rest:
        operation["description"] = rest.strip()
    if listed := in_path + (parameters(told.query) if told.query else []):
        operation["parameters"] = listed
    if told.body:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.of(told.body)}}}
    return operation


def _guarded(operation: dict[str, Any], needed: UserRole, is_open: bool) -> dict[str, Any]:
    """Add who may use it.

    :param is_open: whether it needs no login as this daemon is set up
    """
    words = f"Needs the role {needed.value}."
    answers = {**operation["responses"], "401": _refusal(401)}
    return {
        **operation,
        "description": f"{operation.get('description', '')}\n\n{words}".strip(),
        "x-kvmd-role": needed.value,
        **({"security": [{}, *ANY_WAY]} if is_open else {}),
        "responses": dict(sorted(answers.items())),
    }


def _answers(told: Endpoint, schemas: Schemas, fails: Iterable[int]) -> dict[str, Any]:
    """Describe every answer that there may be.

    :param fails: the codes of refusals
    """
    answers = {code: _refusal(code) for code in fails}
    if not told.content:
        answers[200] = {"description": MEANINGS[200], "content": {JSON: {"schema": schemas.envelope(told.data)}}}
    for code, kind in told.content.items():
        also = {JSON: {"schema": FAILURE}} if code in answers else {}
        content = {"content": {kind: {}, **also}} if kind else {}
        answers[code] = {"description": MEANINGS[code], **content}
    return {str(code): answer for code, answer in sorted(answers.items())}


def _refusal(code: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{code}"}


def _refusals() -> dict[str, Any]:
    """Describe the answers that say why something was not done."""
    return {
        str(code): {"description": words, "content": {JSON: {"schema": FAILURE}}}
        for code, words in MEANINGS.items()
        if code >= 300
    }
