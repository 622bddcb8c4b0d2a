"""One-time codes by the clock, as authenticator apps show them (RFC 6238, with the parameters that all take)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from kvmd.errors import CodeNeeded, RequestError

PERIOD = 30
"""Seconds for which a code is shown."""
DIGITS = 6
DRIFT = 1
"""Periods by which the two clocks may differ (RFC 6238, section 5.2)."""
SIZE = 20
"""Bytes of a secret, as long as the hash (RFC 4226, section 4)."""
LEAST = 16
"""Bytes that one has at least (the same)."""


def new_secret() -> str:
    """Make a secret, in Base32, as it is typed into an app."""
    return base64.b32encode(secrets.token_bytes(SIZE)).decode()


def uri(secret: str, user: str, machine: str) -> str:
    """Return what the QR code of a secret holds (the key URI of Google's Authenticator)."""
    label = quote(f"{machine}:{user}", safe=":")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': machine})}"


def code_at(secret: str, period: int) -> str:
    """Return the code of a period, counted from 1970 (RFC 4226, section 5.3).

    :raises ValueError: the secret is not Base32
    """
    digest = hmac.digest(_key(secret), period.to_bytes(8, "big"), hashlib.sha1)
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def period_of(secret: str, code: str, after: int = -1) -> int | None:
    """Return the period of which this is the code; None where it is wrong, or not later than one that was used.

    :param after: the last period of which a code was used, so that none is taken twice (RFC 6238, section 5.2)
    """
    given = "".join(code.split()).encode()
    now = int(time.time()) // PERIOD
    for period in range(max(now - DRIFT, after + 1), now + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, period).encode(), given):
            return period
    return None


def check_new(secret: str, code: str) -> None:
    """Refuse a new secret of which somebody's app does not show the codes.

    :raises RequestError: it does not, or the secret is none
    """
    try:
        if len(_key(secret)) < LEAST:
            raise RequestError(f"the secret is shorter than {LEAST} bytes")
        period = period_of(secret, code)
    except ValueError as error:
        raise RequestError(str(error)) from error
    if period is None:
        raise RequestError(f"the code is not that of this secret now; {_clock()}")


class Codes:
    """Checks codes, and takes each once."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def check(self, user: str, secret: str, code: str) -> None:
        """Take a user's code.

        :raises CodeNeeded: it is wrong, or was taken before, or the secret is damaged
        """
        with self._lock:
            try:
                period = period_of(secret, code, self._last.get(user, -1))
            except ValueError as error:
                raise CodeNeeded(f"{user}'s secret is damaged; an admin can make another one") from error
            if period is None:
                raise CodeNeeded(f"the one-time code is wrong, or was used before; {_clock()}")
            self._last[user] = period


def _clock() -> str:
    """Tell what codes go by, which may be wrong: boards have no battery for it."""
    return f"this machine's clock is at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _key(secret: str) -> bytes:
    try:
        return base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    except binascii.Error as error:
        raise ValueError(f"not a secret in Base32: {error}") from error
