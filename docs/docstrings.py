"""Docstrings as Markdown: what the reference is made of."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from types import ModuleType
from typing import NamedTuple

_FIELD = re.compile(r"^:(param|ivar|return|raises)\s*([\w.]*):\s*", re.MULTILINE)


class Words(NamedTuple):
    """What a docstring says.

    :param text: all of it that is not about one of the others
    :param parameters: what each parameter, field or instance variable is
    :param returned: what is returned
    :param raised: each error, and when it is raised
    """

    text: str
    parameters: dict[str, str]
    returned: str
    raised: list[tuple[str, str]]


def words_of(thing: object) -> Words:
    """Take a docstring of its own apart; a class does not inherit its base's."""
    return parse(inspect.cleandoc(getattr(thing, "__doc__", None) or ""))


def parse(docstring: str) -> Words:
    """Take a docstring apart that has no indentation."""
    found = list(_FIELD.finditer(docstring))
    ends = [each.start() for each in found[1:]] + [len(docstring)] * bool(found)
    parameters, raised, returned = {}, [], ""
    for field, end in zip(found, ends, strict=True):
        body, blank, _ = docstring[field.end() : end].partition("\n\n")
        if blank and docstring[field.end() + len(body) : end].strip():
            raise SystemExit(f"a docstring goes on behind its fields, where nobody reads it: {docstring}")
        words = _inline(" ".join(body.split()))
        match field[1]:
            case "return":
                returned = words
            case "raises":
                raised.append((field[2], words))
            case _:
                parameters[field[2]] = words
    return Words(to_markdown(docstring[: found[0].start()] if found else docstring), parameters, returned, raised)


def to_markdown(text: str) -> str:
    """Write text with reStructuredText's code and literal blocks as Markdown."""
    return re.sub(r"(\S?)::\n\n((?: {4}.*\n|\n)+)", _fenced, f"{_inline(text)}\n").strip()


def attribute_words(owner: type | ModuleType) -> dict[str, str]:
    """Return the strings that stand below the attributes of a class or module, by the attributes' names."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = tree.body if isinstance(owner, ModuleType) else getattr(tree.body[0], "body", [])
    found = {}
    for statement, below in pairwise(body):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _inline(" ".join(str(below.value.value).split()))
    return found


def _fenced(found: re.Match[str]) -> str:
    before, block = found.groups()
    code = textwrap.dedent(block).strip("\n")
    return f"{before}{before and ':'}\n\n```{'toml' if ' = ' in code else 'text'}\n{code}\n```\n\n"


def _inline(text: str) -> str:
    """Write code as Markdown does, and the documentation's pages as links for a page in docs/contract/."""
    text = re.sub("``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    return re.sub(r"(?<![\w/`])docs/([\w-]+)\.md", r"[\1](../\1.md)", text)
