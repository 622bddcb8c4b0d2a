"""Structs as JSON Schema (2020-12), the way OpenAPI 3.1 refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"


class Failure(msgspec.Struct, frozen=True):
    """The envelope of what was not done.

    :param info: what is wrong, and where there is one, the way out
    """

    status: Literal[0]
    info: str
    data: tuple[()]


class Schemas:
    """The schemas of all structs that an API takes and gives.

    :param shapes: the types; None among them is left out
    """

    def __init__(self, shapes: Iterable[Any]) -> None:
        found = list({repr(shape): shape for shape in (*shapes, Failure) if shape is not None}.values())
        schemas, components = msgspec.json.schema_components(found, ref_template=_REFERENCE)
        self.components = {name: _explained(schema) for name, schema in components.items()}
        self._schemas = {repr(shape): schema for shape, schema in zip(found, schemas, strict=True)}

    def of(self, shape: Any) -> Schema:  # noqa: ANN401  # a type, or what stands for one
        """Return what refers to one of the types."""
        return self._schemas[repr(shape)]

    def envelope(self, shape: Any) -> Schema:  # noqa: ANN401  # likewise
        """Return the envelope of a success.

        :param shape: of ``data``; None where that is not known
        """
        data = {} if shape is None else self.of(shape)
        members = {"status": {"const": 1}, "info": {"type": "string"}, "data": data}
        return {"type": "object", "required": list(members), "properties": members}


def parameters(shape: type[msgspec.Struct]) -> list[Schema]:
    """Describe the members of a query."""
    (_,), components = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
    fields = components[shape.__name__]["properties"]
    return [
        _parameter(field.encode_name, fields[field.encode_name], field.required)
        for field in msgspec.structs.fields(shape)
    ]


def _parameter(name: str, schema: Schema, required: bool) -> Schema:
    """Describe a member of a query, which is not null: it is there, or it is not."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice != {"type": "null"}]
    kind = {key: value for key, value in choices[0].items() if key != "description"}
    said = {key: words for key, words in (choices[0] | schema).items() if key == "description"}
    if schema.get("default") is not None:
        kind["default"] = schema["default"]
    return {"name": name, "in": "query", "required": required, "schema": kind, **said}


def _explained(schema: Schema) -> Schema:
    """Move what a struct's docstring says of its members to these."""
    words = re.split(r"\n\s*:param (\w+): ", schema.get("description", ""))
    told = {name: _one_line(text) for name, text in zip(words[1::2], words[2::2], strict=True)}
    members = {
        name: {**member, "description": told[name]} if name in told else member
        for name, member in schema.get("properties", {}).items()
    }
    changed = {"description": _one_line(words[0])} if words[0] else {}
    return {**schema, **changed, **({"properties": members} if members else {})}


def _one_line(text: str) -> str:
    return " ".join(text.split())
