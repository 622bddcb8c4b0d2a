"""What an endpoint takes and gives: said once, by the signature of its view.

The web decodes, checks and answers by it, and /api/openapi.json is made from it, so the two cannot drift apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
View = Callable[..., Any]

Nothing = tuple[()]
"""The ``data`` of an answer that has nothing to say but that it was done."""

_MARK = "kvmd_endpoint"


@dataclass(frozen=True)
class Done(Generic[T]):
    """A success, as the envelope has it.

    :param info: what was done, in words
    :param data: what was asked for
    """

    info: str
    data: T


@dataclass(frozen=True)
class Later(Generic[T]):
    """A success that takes its time.

    :param wait: awaited in the loop of the web, where it takes no thread of it; cancelled when the client goes
    """

    wait: Callable[[], Awaitable[Done[T]]]


@dataclass(frozen=True)
class Endpoint:
    """What a view takes and gives.

    :param body: the struct that the request's body is
    :param query: the struct that the query's members are
    :param data: the type of ``data`` in the envelope; None where the answer has no envelope
    :param content: the types of answers without the envelope, by their codes
    :param fails: codes of refusals beside those that every endpoint may answer
    """

    body: Any = None
    query: Any = None
    data: Any = None
    content: Mapping[int, str] = field(default_factory=dict)
    fails: Collection[int] = ()


def endpoint(*, content: Mapping[int, str] | None = None, fails: Collection[int] = ()) -> Callable[[View], View]:
    """Mark a view, which takes and gives what its signature says.

    A parameter ``body`` is a struct, made from the request's JSON; ``query`` is a struct of numbers and texts, made
    from the address; all others are parts of the path. What it returns is ``Done[...]``, ``Later[...]`` where that
    takes its time, or a response of Flask's own.
    The first line of its docstring is what it does, for people.

    :param content: the types of answers without the envelope, by their codes, such as ``{200: "image/jpeg"}``
    :param fails: codes of refusals that come from here, such as 404 or 409, beside those that every endpoint may answer
    """

    def mark(view: View) -> View:
        hints = get_type_hints(view, include_extras=True)
        answer = hints.get("return")
        data = get_args(answer)[0] if get_origin(answer) in (Done, Later) else None
        setattr(view, _MARK, Endpoint(hints.get("body"), hints.get("query"), data, content or {}, fails))
        return view

    return mark


def endpoint_of(view: View) -> Endpoint | None:
    """Return what a view takes and gives; None if it does not say."""
    found: Endpoint | None = getattr(view, _MARK, None)
    return found


def words_of(thing: object) -> str:
    """Return the docstring of a view or a struct, without its indentation; empty if it has none."""
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")
