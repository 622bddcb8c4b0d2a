"""The envelope of every answer: ``{"status", "info", "data"}``; status 1 is success, and only success."""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec
from flask import Response, request

from kvmd.errors import RequestError

T = TypeVar("T")

_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}
_making = Lock()
"""One thread at a time: msgspec may crash where several meet a struct within a struct for the first time."""


class _Envelope(msgspec.Struct):
    status: int
    info: str
    data: object


def success(info: str, data: object = ()) -> Response:
    """Answer that it was done, with what is asked for."""
    return _answer(200, _Envelope(1, info, data))


def failure(code: int, info: str) -> Response:
    """Answer that it was not done, and why."""
    return _answer(code, _Envelope(0, info, ()))


def body(shape: type[T]) -> T:
    """Read the request's body as JSON, whatever its method and Content-Type.

    :raises RequestError: it is not JSON, or not of this shape
    """
    try:
        given: T = _decoder(shape).decode(request.get_data())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        problem = str(error).replace("Object", "the body").replace("`", '"').replace("$", "body")
        raise RequestError(f"the body is not what {request.path} takes: {problem}") from error
    except RecursionError as error:
        raise RequestError(f"the body is not what {request.path} takes: it is nested too deeply") from error
    return given


def _decoder(shape: type[Any]) -> msgspec.json.Decoder[Any]:
    with _making:
        if shape not in _decoders:
            _decoders[shape] = msgspec.json.Decoder(shape)
        return _decoders[shape]


def _answer(code: int, envelope: _Envelope) -> Response:
    return Response(msgspec.json.encode(envelope), code, content_type="application/json")
