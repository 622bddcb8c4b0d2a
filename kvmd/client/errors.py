"""What can go wrong for a client.

KvmdError
└── ClientError
├── Unreachable      no whole answer came in time
│   └── Untrusted    whoever answers shows another certificate than was expected; nothing was sent
├── Refused          the daemon says no, and why
│   └── NoPicture    there is none now
└── StreamEnded      no more pictures will come
"""

from __future__ import annotations

from kvmd.errors import KvmdError


class ClientError(KvmdError):
    """Anything that a client reports in words."""


class Unreachable(ClientError):
    """No whole answer came in time; the message says whether something may have been done all the same."""


class Untrusted(Unreachable):
    """Whoever answers shows another certificate than was expected; neither request nor password was sent."""


class Refused(ClientError):
    """The daemon says no; the message is its own.

    :param code: of HTTP
    :param retry_after: seconds after which it may be tried again; None where the daemon does not say
    """

    def __init__(self, message: str, code: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class NoPicture(Refused):
    """There is no picture now.

    :param slate: a JPEG that says why
    """

    def __init__(self, message: str, code: int, slate: bytes) -> None:
        super().__init__(message, code)
        self.slate = slate


class StreamEnded(ClientError):
    """The daemon sends no more pictures; the message says why, where the daemon does."""
