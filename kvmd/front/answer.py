"""Answers, and their bytes: those of the app, and those that are given without asking it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

import msgspec

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers that every answer has, whoever gives it, unless it has others of these names."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answer(NamedTuple):
    """A whole answer, or the head of one that goes on."""

    code: int
    headers: list[tuple[str, str]]
    body: bytes


def envelope(info: str) -> bytes:
    """Say why something was not done, as every answer of the API does."""
    return msgspec.json.encode({"status": 0, "info": info, "data": ()})


def refusal(code: int, info: str, extra: Iterable[tuple[str, str]] = ()) -> Answer:
    """Make the answer to what the app is not asked about.

    :param extra: headers beside the usual ones
    """
    return Answer(code, [("Content-Type", "application/json"), *SECURITY.items(), *extra], envelope(info))


def to_bytes(answer: Answer, *, closes: bool, is_head: bool = False, goes_on: bool = False) -> bytes:
    """Write an answer as HTTP/1.1.

    :param closes: whether the connection ends with it
    :param is_head: whether HEAD was asked, so that no body follows
    :param goes_on: whether its body comes later, and ends with the connection
    """
    lines = [f"HTTP/1.1 {answer.code} {_phrase(answer.code)}", f"Date: {formatdate(time.time(), usegmt=True)}"]
    has_length = answer.code < 200 or answer.code in {204, 304} or goes_on
    for name, value in answer.headers:
        if name.lower() == "content-length":
            if goes_on:
                continue
            has_length = True
        lines.append(f"{name}: {value}")
    if not has_length:
        lines.append(f"Content-Length: {len(answer.body)}")
    if closes and answer.code >= 200:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if is_head or answer.code < 200 or answer.code in {204, 304} else head + answer.body


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""
