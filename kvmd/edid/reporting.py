"""An EDID with all that can be said about it, for programs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kvmd.edid.blocks import check
from kvmd.edid.decoding import Edid, decode
from kvmd.errors import RequestError


class Report(msgspec.Struct, frozen=True):
    """An EDID, whole or damaged.

    :param hex: all of it; empty if there is none
    :param problem: what is wrong with it
    :param decoded: what it says; None where it cannot be read
    """

    hex: str
    problem: str | None
    decoded: Edid | None


def report(data: bytes) -> Report:
    """Tell all about an EDID; empty if there is none."""
    if not data:
        return Report("", None, None)
    return Report(data.hex(), _refusal(check, data), None if _refusal(decode, data) else decode(data))


def _refusal(judge: Callable[[bytes], object], data: bytes) -> str | None:
    """Return what is wrong with an EDID; None if nothing is."""
    try:
        judge(data)
    except RequestError as error:
        return str(error)
    return None
