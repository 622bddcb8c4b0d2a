"""/api/openapi.json: it describes what is there, all of it, and real answers are as it says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Annotated, Any

import msgspec
import pytest
from flask import Blueprint
from msgspec import Meta
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from kvmd import Done, NotFound, endpoint, hookimpl
from kvmd.access.grant import UserRole
from kvmd.contract.endpoint import endpoint_of
from kvmd.plugins.hookspecs import PROJECT
from kvmd.plugins.registry import Registry
from kvmd.web.needs import PUBLIC, needed_role
from kvmd.web.openapi import METHODS, path_of
from kvmd.web.refusals import EVERYWHERE
from tests.conftest import PASSWORD, USER, Answer, Daemon

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(daemon: Daemon) -> Document:
    answer = daemon.get("/api/openapi.json")
    assert (answer.code, answer.headers["Content-Type"]) == (200, "application/json")
    found: Document = answer.json
    return found


def operations(document: Document) -> dict[tuple[str, str], Document]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_openapi(document: Document) -> None:
    OpenAPIV31SpecValidator(document).validate()
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in [*names, *document["components"]["schemas"]])


def test_each_rule_and_method_is_in_it_and_none_beyond(daemon: Daemon, document: Document) -> None:
    rules = daemon.app.url_map.iter_rules()
    there = {(method, path_of(rule)) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert set(operations(document)) == there
    assert {method for method, _ in there} <= set(METHODS)


def test_every_endpoint_of_ours_says_what_it_takes_and_gives(daemon: Daemon) -> None:
    mute = [name for name, view in daemon.app.view_functions.items() if endpoint_of(view) is None]
    assert mute == []


def test_it_needs_a_login(daemon: Daemon) -> None:
    assert daemon.get("/api/openapi.json", token="").code == 401


def test_it_says_who_may(daemon: Daemon, document: Document) -> None:
    app = daemon.app
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = document["paths"][path_of(rule)][method.lower()]
            if rule.endpoint in PUBLIC:
                assert operation["security"] == []
                assert "x-kvmd-role" not in operation
                continue
            role = needed_role(app.view_functions[rule.endpoint], method)
            assert operation["x-kvmd-role"] == role.value
            assert f"Needs the role {role.value}." in operation["description"]
            assert "401" in operation["responses"]
            assert "security" not in operation


def test_what_is_open_to_all_is_so_in_it(make_daemon: Callable[..., Daemon]) -> None:
    with make_daemon(open_endpoints=["snapshot"]).running() as daemon:
        document = daemon.get("/api/openapi.json").json
    assert {} in document["paths"]["/snapshot"]["get"]["security"]
    assert "security" not in document["paths"]["/stream"]["get"]


def test_every_operation_has_the_codes_that_may_always_come(document: Document) -> None:
    for operation in operations(document).values():
        assert {str(code) for code in EVERYWHERE} < set(operation["responses"])


def test_structs_are_described_by_their_docstrings(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Keys"]["properties"]["press"]["description"] == "held from now on"
    assert not any(":param" in json.dumps(schema) for schema in schemas.values())
    assert schemas["PowerOrder"]["properties"]["seconds"]["anyOf"][0] == {
        "type": "number",
        "minimum": 0.1,
        "maximum": 20.0,
    }


def test_queries_have_their_bounds(document: Document) -> None:
    [fps] = document["paths"]["/stream"]["get"]["parameters"]
    assert fps["schema"] == {"type": "number", "exclusiveMinimum": 0}
    assert (fps["in"], fps["required"], fps["description"]) == ("query", False, "Pictures a second at most.")
    [timeout] = document["paths"]["/snapshot"]["get"]["parameters"]
    assert timeout["schema"] == {"type": "number", "minimum": 0, "maximum": 60.0, "default": 3.0}


ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/", None),
    ("GET", "/static/page.js", None),
    ("GET", "/static/nothing", None),
    ("GET", "/api/devices", None),
    ("GET", "/api/doctor", None),
    ("GET", "/api/edid", None),
    ("GET", "/api/edid/profiles", None),
    ("PUT", "/api/edid", {"profile": "1080p60"}),
    ("PUT", "/api/edid", {}),
    ("GET", "/api/openapi.json", None),
    ("GET", "/api/power", None),
    ("POST", "/api/power", {"action": "press", "button": "reset", "seconds": 0.1}),
    ("POST", "/api/power", {"action": "press", "seconds": 21}),
    ("GET", "/api/status", None),
    ("GET", "/api/layouts", None),
    ("GET", "/api/layouts/us(intl)", None),
    ("GET", "/api/layouts/nonsense", None),
    ("GET", "/api/text", None),
    ("POST", "/api/text", {"text": "typed"}),
    ("POST", "/api/text", {"text": "typed", "layout": "nonsense"}),
    ("DELETE", "/api/text", None),
    ("GET", "/api/virtual", None),
    ("POST", "/api/virtual", {"signal": True}),
    ("POST", "/api/virtual", {"computer": "nobody's"}),
    ("GET", "/keyboard", {"keycodes": ["KeyA"]}),
    ("POST", "/keyboard", {"keycodes": ["KeyA"]}),
    ("POST", "/api/keyboard", {"press": ["ShiftLeft"]}),
    ("POST", "/api/keyboard", {"release_all": True}),
    ("POST", "/api/keyboard", {"keycodes": ["nonsense"]}),
    ("GET", "/mouse", {"x": 0.5, "y": 0.5}),
    ("POST", "/mouse", {"wheel": 1}),
    ("POST", "/api/mouse", {"click": "left"}),
    ("GET", "/login_api", {"username": USER, "password": PASSWORD}),
    ("POST", "/login_api", {"username": USER, "password": PASSWORD}),
    ("POST", "/login_api", {"username": USER, "password": "wrong"}),
    ("GET", "/snapshot", None),
    ("GET", "/snapshot?timeout=x", None),
    ("HEAD", "/stream", None),
    ("GET", "/api/me", None),
    ("GET", "/api/ocr", None),
    ("POST", "/api/ocr", {"height": 0.1, "languages": "eng"}),
    ("POST", "/api/ocr", {"languages": "nobody's"}),
    ("GET", "/api/users", None),
    ("PUT", "/api/users/carol", {"password": "a long password", "role": "viewer"}),
    ("PUT", "/api/users/carol", {}),
    ("POST", "/api/users/carol/totp", None),
    ("PUT", "/api/users/carol/totp", {"secret": "JBSWY3DPEHPK3PXP", "code": "0"}),
    ("DELETE", "/api/users/carol/totp", None),
    ("DELETE", "/api/users/carol", None),
    ("DELETE", "/api/users/carol", None),
    ("GET", "/api/sessions", None),
    ("DELETE", "/api/sessions/nothing", None),
    ("POST", "/api/apikeys", {"name": "script", "role": "viewer", "days": 1}),
    ("GET", "/api/apikeys", None),
    ("DELETE", "/api/apikeys/script", None),
    ("GET", "/api/audit", None),
    ("GET", "/api/certificate", None),
    ("GET", "/api/log", None),
    ("GET", "/api/log?level=warning&since=3", None),
    ("GET", "/api/log?level=loud", None),
    ("GET", "/api/ws", None),
]


def path_in(document: Document, path: str) -> str:
    """Return the path of an address as the description writes it."""
    bare = path.partition("?")[0]
    return next(str(told) for told in document["paths"] if re.fullmatch(re.sub("{.*?}", "[^/]+", told), bare))


def conforms(document: Document, value: Any, schema: Document) -> None:
    OAS31Validator({**schema, "components": document["components"]}).validate(value)


def check(document: Document, method: str, path: str, answer: Answer) -> None:
    """Hold a real answer against the description."""
    operation = document["paths"][path_in(document, path)]["get" if method == "HEAD" else method.lower()]
    told = operation["responses"][str(answer.code)]
    if reference := told.get("$ref"):
        told = document["components"]["responses"][reference.rpartition("/")[2]]
    kind = answer.headers["Content-Type"].partition(";")[0]
    content = {name.partition(";")[0]: value for name, value in told["content"].items()}
    assert kind in content or "*/*" in content, f"{method} {path}: {kind}"
    if schema := content.get(kind, {}).get("schema"):
        conforms(document, answer.json, schema)


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
def test_real_answers_are_as_it_says(daemon: Daemon, document: Document, method: str, path: str, body: Any) -> None:
    if isinstance(body, dict) and path == "/api/virtual":
        body = {"computer": daemon.name, **body}
    if path == "/api/virtual" and method == "GET":
        path = f"{path}?computer={daemon.name}"
    content = None if body is None else json.dumps(body).encode()
    answer = daemon.request(method, path, content)
    assert answer.code != 500
    check(document, method, path, answer)
    if content and answer.code == 200:
        told = document["paths"][path_in(document, path)][method.lower()]["requestBody"]["content"]["application/json"]
        conforms(document, body, told["schema"])


def test_every_operation_was_asked(document: Document) -> None:
    left_out = {("POST", "/api/logout"), ("GET", "/stream")}
    assert {(method, path_in(document, path)) for method, path, _ in ASKED} | left_out >= set(operations(document))


def test_a_logout_is_as_it_says(daemon: Daemon, document: Document) -> None:
    answer = daemon.post("/api/logout", {}, token=daemon.login())
    assert answer.code == 200
    check(document, "POST", "/api/logout", answer)


class Wanted(msgspec.Struct, frozen=True):
    """What is wanted.

    :param count: how many
    """

    count: Annotated[int, Meta(ge=1)]


class Found(msgspec.Struct, frozen=True):
    name: str
    count: int


@hookimpl
def kvmd_blueprints() -> list[Blueprint]:
    """A plug-in's endpoints: one that says what it takes and gives, and one that does not."""
    blueprint = Blueprint("acme", __name__)

    @blueprint.delete("/api/acme/<int:number>")
    def mute(number: int) -> Document:
        return {"status": 1, "info": "done", "data": [number]}

    @blueprint.put("/api/acme/<name>")
    @endpoint(fails=(404,))
    def telling(name: str, query: Wanted, body: Wanted) -> Done[Found]:
        """Count.

        As often as wanted.
        """
        if name == "nothing":
            raise NotFound("there is no acme of that name")
        return Done("counted", Found(name, query.count + body.count))

    return [blueprint]


@pytest.fixture
def plugged(make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch) -> Daemon:
    plugin = ModuleType("acme")
    vars(plugin)["kvmd_blueprints"] = kvmd_blueprints
    monkeypatch.setitem(sys.modules, "acme", plugin)
    registry = Registry([EntryPoint("virtual", "kvmd_drivers.virtual", PROJECT), EntryPoint("acme", "acme", PROJECT)])
    return make_daemon(registry=registry)


def test_a_plugin_describes_its_endpoints(plugged: Daemon) -> None:
    with plugged.running() as daemon:
        document = daemon.get("/api/openapi.json").json
        OpenAPIV31SpecValidator(document).validate()
        told = document["paths"]["/api/acme/{name}"]["put"]
        assert (told["summary"], told["description"]) == (
            "Count",
            "As often as wanted.\n\nNeeds the role operator.",
        )
        assert {(each["name"], each["in"], each["required"]) for each in told["parameters"]} == {
            ("name", "path", True),
            ("count", "query", True),
        }
        assert "404" in told["responses"]
        for path, body in (("/api/acme/x?count=2", {"count": 1}), ("/api/acme/nothing?count=1", {"count": 1})):
            answer = daemon.put(path, body)
            shown = document["paths"]["/api/acme/{name}"]["put"]["responses"]
            assert str(answer.code) in shown
        assert daemon.put("/api/acme/x?count=2", {"count": 1}).data == {"name": "x", "count": 3}
        assert daemon.put("/api/acme/x?count=0", {"count": 1}).json["info"].startswith("count=0 cannot be used")
        assert (
            daemon.put("/api/acme/x", {"count": 1}).json["info"].startswith("count is missing; accepted: whole number")
        )


def test_an_endpoint_that_says_nothing_is_there_with_what_is_known(plugged: Daemon) -> None:
    with plugged.running() as daemon:
        document = daemon.get("/api/openapi.json").json
        told = document["paths"]["/api/acme/{number}"]["delete"]
        assert told["x-kvmd-role"] == UserRole.OPERATOR.value
        assert {"200", "401", "403"} < set(told["responses"])
        answer = daemon.request("DELETE", "/api/acme/3")
        schema = told["responses"]["200"]["content"]["application/json"]["schema"]
        conforms(document, answer.json, schema)
