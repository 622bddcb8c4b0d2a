"""TOML into frozen, typed structs, and structs into words for people.

Each setting or option is a field with its type, default and help; messages, ``kvmd config`` and the tables of the
documentation are made from these.
"""

from __future__ import annotations

import datetime
import enum
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from kvmd.errors import ConfigError
from kvmd.system.decoding import to_struct

T = TypeVar("T")

SECRET = re.compile(r"(?:^|[._-])(?:password|passphrase|passwd|secret|token|credential|psk|(?:api|private)[_-]?key)s?$")
"""How the names of settings end whose values are shown to nobody."""
HIDDEN = "(hidden)"


class Option(msgspec.Struct, frozen=True):
    """A setting as documentation and ``kvmd config`` show it; without a default (``NODEFAULT``) it must be given.

    :param secret: whether its value is shown to nobody: ``Meta(extra={"secret": True})``, or a name that says so
    """

    key: str
    type: str
    default: Any
    help: str
    secret: bool = False


def read_toml(path: Path, shape: type[T]) -> T:
    """Read a TOML file into a struct.

    :raises ConfigError: it cannot be read, is not TOML, or a key or value is wrong
    """
    try:
        given = tomllib.loads(path.read_text())
    except OSError as error:
        way_out = "; run this as root" if isinstance(error, PermissionError) else ""
        raise ConfigError(f"{path}: cannot be read: {error.strerror}{way_out}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return convert(given, shape, str(path))


def convert(given: Mapping[str, Any], shape: type[T], source: str, prefix: str = "") -> T:
    """Check what was given against a struct and make it one.

    :param source: the file, or whatever else the values come from, for the message
    :param prefix: the key under which the values stand there, with a dot at its end
    :raises ConfigError: one line that names source, key, what was given and what is accepted
    """
    try:
        return to_struct(given, shape)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), given, shape, prefix)}") from error


def options_of(shape: type, prefix: str = "") -> Iterator[Option]:
    """List the settings of a struct, and of the structs in it, in the order in which they are declared."""
    hints = get_type_hints(shape, include_extras=True)
    for field in msgspec.structs.fields(shape):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from options_of(hint, f"{prefix}{field.name}.")
            continue
        _, meta = _split(hint)
        made = field.default_factory is not msgspec.NODEFAULT
        default = field.default_factory() if made else field.default
        secret = bool(((meta and meta.extra) or {}).get("secret") or SECRET.search(field.name))
        yield Option(prefix + field.name, _describe(hint), default, (meta and meta.description) or "", secret)


def value_of(settings: msgspec.Struct, option: Option) -> object:
    """Return the value that an option has in these settings."""
    value: object = settings
    for name in option.key.split("."):
        value = getattr(value, name)
    return value


def without_secrets(value: object, declared: Collection[str] = ()) -> object:
    """Return a value as it may be shown: with each secret in its tables as ``(hidden)``.

    :param declared: names of secrets, beside those that ``SECRET`` knows
    """
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if _is_secret(name, declared) else without_secrets(item, declared)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item, declared) for item in value]
    return value


def secrets_in(value: object, declared: Collection[str] = ()) -> Iterator[str]:
    """List the texts that ``without_secrets`` hides."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item) if _is_secret(name, declared) else secrets_in(item, declared)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, declared)


def _texts(value: object) -> Iterator[str]:
    """List what stands in a secret, however it is nested."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def _is_secret(name: str, declared: Collection[str]) -> bool:
    return name in declared or SECRET.search(name.lower()) is not None


def toml_value(value: object) -> str:
    """Write a value as TOML does; "not set" for None, which TOML lacks."""
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        items = ", ".join(f"{_toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, float | datetime.date | datetime.time):
        return str(value)  # also nan and inf, which JSON lacks
    # A basic string of TOML is one of JSON, but for this character (TOML 1.0, "String").
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def markdown_table(options: Sequence[Option]) -> str:
    """Write the table of options that stands in the documentation."""
    rows = [f"| `{o.key}` | {o.type} | `{toml_value(o.default)}` | {o.help} |" for o in options]
    return "\n".join(["| option | type | default | meaning |", "|---|---|---|---|", *rows])


def _split(hint: object) -> tuple[object, Meta | None]:
    if get_origin(hint) is Annotated:
        bare, *extras = get_args(hint)
        return bare, next((extra for extra in extras if isinstance(extra, Meta)), None)
    return hint, None


def _toml_key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else toml_value(key)


def _describe(hint: object) -> str:
    """Name a type in a person's words, with its bounds."""
    bare, meta = _split(hint)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "not set"}
    if bare in names:
        return names[bare] + _bounds(meta)
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return _one_of(member.value for member in bare)
    if get_origin(bare) is Literal:
        return _one_of(get_args(bare))
    if get_origin(bare) in (list, tuple):
        return f"list of {_describe(get_args(bare)[0])}{_bounds(meta)}"
    if get_origin(bare) is dict:
        return "table"
    return " or ".join(_describe(part) for part in get_args(bare))


def _one_of(values: Iterable[object]) -> str:
    return "one of " + ", ".join(toml_value(value) for value in values)


def _bounds(meta: Meta | None) -> str:
    if meta is None:
        return ""
    words = {
        "ge": "at least {:g}",
        "gt": "above {:g}",
        "le": "at most {:g}",
        "lt": "below {:g}",
        "min_length": "at least {} long",
        "max_length": "at most {} long",
        "pattern": "as `{}`",
    }
    given = {name: getattr(meta, name) for name in words}
    found = [word.format(given[name]) for name, word in words.items() if given[name] is not None]
    return " (" + ", ".join(found) + ")" if found else ""


def _explain(problem: str, given: Mapping[str, Any], shape: type, prefix: str) -> str:
    """Turn msgspec's message, ``Expected `int`, got `str` - at `$.web.port` ``, into words of ours."""
    where = re.search(r" - at `\$\.?(.*?)`$", problem)
    path = where[1] if where else ""
    words = problem.split(" - at ", maxsplit=1)[0]
    options = list(options_of(shape, prefix))
    known = {option.key: option.type for option in options}
    parent = prefix + (f"{path}." if path else "")
    if unknown := re.search(r"unknown field `(.*?)`", problem):
        names = sorted({key.removeprefix(parent).split(".", 1)[0] for key in known if key.startswith(parent)})
        return f"{parent}{unknown[1]} is not known; there are: {', '.join(names) or 'no options'}"
    if missing := re.search(r"missing required field `(.*?)`", problem):
        key = parent + missing[1]
        return f"{key} is missing; accepted: {known.get(key, f'a table [{key}]')}"
    inner = re.sub(r"\[.*", "", path)
    key = prefix + inner
    if not words.startswith(("Expected ", "Invalid ")):
        return f"{key.rstrip('.')}: {words}" if key else words  # a struct's own __post_init__
    section = any(name.startswith(f"{key}.") for name in known)
    accepted = known.get(key) or (f"a table [{key}]" if section else words)
    secret = any(option.secret for option in options if option.key == key)
    shown = HIDDEN if secret else toml_value(without_secrets(value_at(given, inner)))
    return f"{key} = {shown} cannot be used; accepted: {accepted}"


def value_at(given: Mapping[str, Any], key: str) -> object:
    """Return what stands under a dotted key; None if nothing does."""
    value: object = given
    for name in filter(None, key.split(".")):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
