"""JSON schemas of kvmd.toml and of boards, by which editors complete and check them (taplo, Even Better TOML).

In the words of draft 7, which these know best, and without ``allOf``, on which some of their versions end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from kvmd.contract.driver import BaseDriver
from kvmd.contract.roles import ROLES, Role, role_of

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
_REFERENCE = "#/definitions/{name}"


def toml_schema(shape: type[msgspec.Struct], drivers: Iterable[type[BaseDriver]]) -> Schema:
    """Describe a file whose struct has a table for each role.

    :param shape: ``Settings`` or ``Board``
    :param drivers: those that may be named in it, with their options
    """
    known = list(drivers)
    options = {driver.Options for driver in known}
    shapes = [shape, *options]
    references, definitions = msgspec.json.schema_components(shapes, ref_template=_REFERENCE)
    by_shape = dict(zip(shapes, references, strict=True))
    top = definitions.pop(_name(by_shape[shape]))
    for role in ROLES:
        table = definitions[_name(top["properties"][role.name])]
        mine = {driver.name: by_shape[driver.Options] for driver in known if role_of(driver) is role}
        top["properties"][role.name] = _with_drivers(table, role, mine)
    return {"$schema": DIALECT, **top, "definitions": definitions}


def _with_drivers(table: Schema, role: Role[Any, Any], options: dict[str, Schema]) -> Schema:
    """Say which drivers there are for a role, and let each have its own options alone."""
    driver = {**table["properties"]["driver"], "enum": ["auto", *options]}
    cases = [_case(name, schema) for name, schema in options.items()]
    # A driver that is not named is "auto", and has the options of whichever is found.
    found = {"properties": {"driver": {"enum": ["auto"]}, "options": {"anyOf": list(options.values())}}}
    properties = {**table["properties"], "driver": driver}
    return {**table, "title": role.title, "properties": properties, "anyOf": [*cases, found]}


def _name(reference: Schema) -> str:
    """Return the definition that is referred to."""
    return str(reference["$ref"]).rpartition("/")[2]


def _case(name: str, options: Schema) -> Schema:
    return {"properties": {"driver": {"enum": [name]}, "options": options}, "required": ["driver"]}
