"""Between a request and a view: the body and the query become structs, what the view returns becomes an answer."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import msgspec
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from kvmd.contract.endpoint import Done, Endpoint, Later, endpoint_of
from kvmd.errors import KvmdError, RequestError
from kvmd.front.app import exchange_of
from kvmd.system.config import options_of
from kvmd.system.decoding import to_struct
from kvmd.web.envelope import body, failure, success
from kvmd.web.refusals import code_of

S = TypeVar("S", bound=msgspec.Struct)


def prepare(app: Flask) -> None:
    """Have every view of the app that says what it takes called with just that."""
    for name, view in app.view_functions.items():
        if told := endpoint_of(view):
            app.view_functions[name] = _called(view, told)


def _called(view: Callable[..., Any], told: Endpoint) -> Callable[..., ResponseReturnValue]:
    @functools.wraps(view)
    def call(**given: Any) -> ResponseReturnValue:  # noqa: ANN401  # the parts of the path
        if told.query:
            given["query"] = _query(told.query)
        if told.body:
            given["body"] = body(told.body)
        result = view(**given)
        if isinstance(result, Later):
            exchange_of(request.environ).later = functools.partial(_answered, result)
            return Response(content_type="application/json")
        return success(result.info, result.data) if isinstance(result, Done) else result

    return call


async def _answered(later: Later[Any]) -> tuple[int, bytes]:
    """Wait for what a view has begun; return the code and the body of the answer."""
    try:
        done = await later.wait()
    except KvmdError as error:
        code = code_of(error)
        if code == 500:
            raise
        return code, failure(code, str(error)).data
    return 200, success(done.info, done.data).data


def _query(shape: type[S]) -> S:
    """Read the members of the query that a struct has; others are no business of it.

    :raises RequestError: one cannot be used
    """
    given: dict[str, object] = {}
    hints = get_type_hints(shape, include_extras=True)
    for option in options_of(shape):
        value = request.args.get(option.key)
        if value is None and option.default is not msgspec.NODEFAULT:
            continue
        made = None if value is None else _made(value, hints[option.key])
        if made is None:
            problem = f"{option.key} is missing" if value is None else f"{option.key}={value} cannot be used"
            raise RequestError(f"{problem}; accepted: {option.type}")
        given[option.key] = made
    return to_struct(given, shape)


def _made(value: str, hint: Any) -> object:  # noqa: ANN401  # a type, or what stands for one
    """Make a member of the query what it should be; None if it is not."""
    try:
        made: object = to_struct(value, hint, strict=False)
    except msgspec.ValidationError:
        return None
    return None if isinstance(made, float) and not math.isfinite(made) else made
