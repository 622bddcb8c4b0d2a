"""The envelope of every answer: ``{"status", "info", "data"}``; status 1 is success, and only success."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import Response, request

from kvmd.errors import RequestError
from kvmd.system.decoding import decode_json

T = TypeVar("T")


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
        return decode_json(request.get_data(), shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        problem = str(error).replace("Object", "the body").replace("`", '"').replace("$", "body")
        raise RequestError(f"the body is not what {request.path} takes: {problem}") from error
    except RecursionError as error:
        raise RequestError(f"the body is not what {request.path} takes: it is nested too deeply") from error


def _answer(code: int, envelope: _Envelope) -> Response:
    return Response(msgspec.json.encode(envelope), code, content_type="application/json")
