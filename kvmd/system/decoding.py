"""The one place where what comes from outside becomes a struct.

msgspec up to 0.22 dereferences NULL where two threads decode a struct with a struct in it for the first time at once
(docs/upstream.md): here every type is made ready by one thread. Elsewhere ruff (TID251) refuses msgspec's own.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_turn = threading.Lock()


def decode_json(data: bytes, shape: type[T]) -> T:
    """Read JSON as this type.

    :raises msgspec.MsgspecError: it is not JSON, or not of this type
    :raises UnicodeDecodeError: it is not UTF-8
    """
    return _decoder(shape).decode(data)


def to_struct(given: object, shape: type[T], *, strict: bool = True) -> T:
    """Make dicts, lists and plain values one of this type.

    :param strict: whether texts are no numbers
    :raises msgspec.ValidationError: they are not of this type
    """
    _decoder(shape)
    return msgspec.convert(given, shape, strict=strict)


def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Make a decoder, and with it all that msgspec keeps of the type; no second thread does so meanwhile."""
    decoder = _decoders.get(shape)
    if decoder is None:
        with _turn:
            decoder = _decoders.setdefault(shape, msgspec.json.Decoder(shape))
    return decoder
