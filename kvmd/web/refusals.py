"""The codes of answers, and what each means."""

from __future__ import annotations

from kvmd.errors import (
    AuthError,
    Busy,
    Cancelled,
    DriverError,
    Forbidden,
    KvmdError,
    NotFound,
    RequestError,
    Taken,
    TooManyAttempts,
    Unavailable,
    Unsupported,
)

MEANINGS = {
    101: "From here on it is a WebSocket.",
    200: "Done.",
    206: "The part that was asked for.",
    302: "The page is served with TLS: see Location.",
    304: "It has not changed.",
    308: "This is served with TLS alone: see Location.",
    400: "The request makes no sense, and nothing was done.",
    401: "Not logged in, or a wrong password.",
    403: "The role does not allow it; or a browser asks for another site's page, or by a strange name.",
    404: "There is no such thing.",
    405: "Not with this method: see Allow.",
    408: "The request was not there whole in time.",
    409: "The hardware in use cannot do this; something else has to end first, and Retry-After may have the seconds; "
    "somebody else has the keyboard; or it was cancelled.",
    413: "The body is too large.",
    415: "The body has a Content-Encoding.",
    416: "There is no such part of it.",
    426: "This is a WebSocket, version 13, and the request was none.",
    429: "Too many wrong logins, or too many at once: Retry-After has the seconds.",
    431: "The headers are too large.",
    500: "The daemon failed; its log says why.",
    503: "The device or the host at its other end does not answer; or there is too much to do, and Retry-After has the "
    "seconds.",
    505: "Not HTTP/1.1 or 1.0.",
}
"""In words for people."""

EVERYWHERE = (308, 400, 403, 408, 413, 415, 429, 431, 500, 503, 505)
"""What any endpoint may answer, whatever it does."""

_CODES: list[tuple[type[KvmdError], int]] = [
    (NotFound, 404),
    (RequestError, 400),
    (Forbidden, 403),
    (TooManyAttempts, 429),
    (AuthError, 401),
    (Unsupported, 409),
    (Busy, 409),
    (Taken, 409),
    (Cancelled, 409),
    (DriverError, 503),
    (Unavailable, 503),
]


def code_of(error: KvmdError) -> int:
    """Return the code that tells of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 500)
