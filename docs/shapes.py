"""Classes, functions and constants as sections of the reference: signature, words, fields, members, methods."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType
from typing import ClassVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from docs.docstrings import Words, attribute_words, words_of

Row = tuple[str, ...]

_LIBRARIES = {"abc", "builtins", "enum", "msgspec", "msgspec._core", "typing"}
_FACTORY = re.compile(r"msgspec\.field\(default_factory=(\w+)\)")
_LITERALS = {"dict": "{}", "list": "[]"}


def class_section(title: str, shape: type) -> str:
    """Describe a class: what its own docstring and those of its members say."""
    node = cast(ast.ClassDef, _node(shape))
    words = words_of(shape)
    parts = [f"## {title}\n", _code([_class_line(node), *_init_lines(node)]), f"{words.text}\n"]
    parts += [_members(shape)] if issubclass(shape, enum.Enum) else [_fields(shape)]
    parts += [
        _function(f"### {title}.{method.name}", method, words_of(vars(shape)[method.name]))
        for method in node.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
    ]
    return "\n".join(filter(None, parts))


def function_section(title: str, function: FunctionType) -> str:
    """Describe a function."""
    return _function(f"## {title}", cast(ast.FunctionDef, _node(function)), words_of(function))


def signature(function: FunctionType) -> str:
    """Write a function's signature as code, without its decorators."""
    return _code(_lines_of(cast(ast.FunctionDef, _node(function)))[-1:])


def table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Write a table without the columns in which nothing stands; nothing for no rows."""
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    lines = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:], ""]) if lines else ""


def _function(heading: str, node: ast.FunctionDef, words: Words) -> str:
    arguments = table(["parameter", "meaning"], [(f"`{name}`", words) for name, words in words.parameters.items()])
    returned = f"Returns {words.returned}.\n" if words.returned else ""
    raised = table(["raises", "when"], [(f"`{error}`", when) for error, when in words.raised])
    parts = [f"{heading}\n", _code(_lines_of(node)), f"{words.text}\n", arguments, returned, raised]
    return "\n".join(filter(str.strip, parts))


def _fields(shape: type) -> str:
    """Write the table of what a struct holds, its bases' fields too, or of the attributes that a class declares."""
    is_struct = issubclass(shape, msgspec.Struct)
    meanings = _meanings(shape.__mro__ if is_struct else [shape])
    own = vars(shape).get("__annotations__", {})
    hints = get_type_hints(shape, include_extras=True)
    plain = get_type_hints(shape)
    rows = [
        (f"`{name}`", _type(plain[name], hint), _default(shape, name), _described(hint) or meanings.pop(name, ""))
        for name, hint in hints.items()
        if not name.startswith("_") and (is_struct or name in own)
    ]
    variables = [(f"`{name}`", "", "", words) for name, words in meanings.items()]
    return table(["field", "type", "default", "meaning"], rows + variables)


def _members(shape: type[enum.Enum]) -> str:
    meanings = attribute_words(shape)
    is_flag = issubclass(shape, enum.Flag)
    values = {member.name: "" if is_flag else f"`{member.value!r}`" for member in shape}
    rows = [(f"`{name}`", value, meanings.get(name, "")) for name, value in values.items()]
    return table(["member", "value", "meaning"], rows)


def _meanings(bases: Iterable[type]) -> dict[str, str]:
    """Return what the fields of a class and its bases are, by their names."""
    meanings: dict[str, str] = {}
    for base in bases:
        if base.__module__ not in _LIBRARIES:
            meanings = words_of(base).parameters | attribute_words(base) | meanings
    return meanings


def _described(hint: object) -> str:
    return next((meta.description for meta in _metas(hint) if meta.description), "")


def _metas(hint: object) -> Iterator[Meta]:
    yield from getattr(hint, "__metadata__", ())
    for inner in get_args(hint):
        yield from _metas(inner)


def _type(plain: object, hint: object) -> str:
    bare = get_args(plain)[0] if get_origin(plain) is ClassVar else plain
    parts = get_args(bare) if get_origin(bare) is Union else (bare,)
    names = " | ".join(map(inspect.formatannotation, parts))
    name = re.sub(r"(?:\w+\.)+(\w+)", r"\1", names).replace("NoneType", "None").replace("~", "")
    return ", ".join([f"`{name}`", *filter(None, map(_limits, _metas(hint)))]).replace("|", r"\|")


def _limits(meta: Meta) -> str:
    words = {
        "ge": "≥ {:g}",
        "gt": "> {:g}",
        "le": "≤ {:g}",
        "lt": "< {:g}",
        "min_length": "≥ {} long",
        "pattern": "`{}`",
    }
    given = {name: getattr(meta, name) for name in words}
    return ", ".join(word.format(given[name]) for name, word in words.items() if given[name] is not None)


def _default(shape: type, name: str) -> str:
    """Write a field's default as code; nothing where it has none."""
    for node in (node for base in shape.__mro__ if base.__module__ not in _LIBRARIES for node in _node(base).body):
        match node:
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                made = _FACTORY.fullmatch(ast.unparse(value))
                return f"`{_LITERALS.get(made[1], f'{made[1]}()')}`" if made else f"`{ast.unparse(value)}`"
    return ""


def _node(thing: type | FunctionType) -> ast.ClassDef | ast.FunctionDef:
    return cast(ast.ClassDef | ast.FunctionDef, ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0])


def _class_line(node: ast.ClassDef) -> str:
    given = [ast.unparse(each) for each in (*node.bases, *node.keywords)]
    public = ", ".join(each for each in given if not each.startswith("_"))
    return f"class {node.name}({public})" if public else f"class {node.name}"


def _init_lines(node: ast.ClassDef) -> list[str]:
    found = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    return [f"    {line}" for line in _lines_of(found)] if found else []


def _lines_of(node: ast.FunctionDef) -> list[str]:
    marks = [f"@{ast.unparse(mark)}" for mark in node.decorator_list]
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = re.sub(r"(?<=\S)=(?=\S)", " = ", ast.unparse(node.args))
    return [*marks, f"def {node.name}({arguments}){returned}"]


def _code(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```", ""])
