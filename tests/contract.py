"""The shape of the contract, a line a thing: what a plug-in can notice when it changes.

``python -m tests.contract`` writes it down.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from pathlib import Path

import msgspec

import kvmd
from kvmd.contract.number import CONTRACT
from kvmd.plugins import hookspecs
from kvmd.plugins.hookspecs import PROJECT

WRITTEN = Path(__file__).parent / "data/contract.txt"


def shape() -> str:
    """Return the contract's number, its hooks, and what is in the face."""
    hooks = [hook for hook in vars(hookspecs).values() if hasattr(hook, f"{PROJECT}_spec")]
    lines = [f"contract {CONTRACT}", *(f"{hook.__name__}{_arguments(hook)}" for hook in hooks)]
    lines += [line for name in sorted(kvmd.__all__) for line in _lines(name, getattr(kvmd, name))]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _lines(name: str, thing: object) -> Iterator[str]:
    if isinstance(thing, type) and issubclass(thing, enum.Enum):
        yield f"{name}: {', '.join(member.name for member in thing)}"
    elif isinstance(thing, type) and issubclass(thing, msgspec.Struct):
        yield f"{name}: {', '.join(field.name + '=' * (not field.required) for field in msgspec.structs.fields(thing))}"
    elif isinstance(thing, type):
        yield name
        for member, value in vars(thing).items():
            if not member.startswith("_"):
                yield f"{name}.{member}{_arguments(value)}"
    else:
        yield f"{name}{_arguments(thing)}"


def _arguments(thing: object) -> str:
    thing = getattr(thing, "__func__", thing)
    if not inspect.isfunction(thing):
        return ""
    parameters = inspect.signature(thing).parameters.values()
    names = [parameter.name + "=" * (parameter.default is not parameter.empty) for parameter in parameters]
    return f"({', '.join(names)})"


if __name__ == "__main__":
    WRITTEN.write_text(shape())
