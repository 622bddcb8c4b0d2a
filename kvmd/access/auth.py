"""Who is asking: sessions, API keys, passwords, and slowing down those who guess.

Tokens are random and long, and live in memory: a restart ends every session, and so does a new password.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import limits

from kvmd.access.credentials import Credentials, digest
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, TooManyAttempts

logger = logging.getLogger(__name__)

WRONG_LOGINS = limits.RateLimitItemPerMinute(5)


class _Session(NamedTuple):
    """Who logged in, with which password (its hash), and until when, in seconds of ``time.monotonic()``."""

    user: str
    password: str | None
    end: float


class Auth:
    """Decides who is asking.

    :param settings: the section ``auth``
    :param verify_password: asks the plug-ins, which come before the file; None means that they do not know
    """

    def __init__(self, settings: AuthSettings, verify_password: Callable[[str, str], bool | None]) -> None:
        self.credentials = Credentials(Path(settings.file))
        self._lifetime = settings.token_lifetime
        self._verify_password = verify_password
        self._sessions: dict[str, _Session] = {}
        self._proven: dict[str, str] = {}
        self._pepper = secrets.token_hex()
        self._limiter = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
        self._lock = threading.Lock()

    def login(self, user: str, password: str, address: str) -> str:
        """Check a password and return a token.

        :param address: where the request comes from
        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from this address
        """
        self._check(user, password, address)
        token = secrets.token_hex(16)
        session = _Session(user, self.credentials.hash_of(user), time.monotonic() + self._lifetime)
        with self._lock:
            self._sessions = {client: known for client, known in self._sessions.items() if self._holds(known)}
            self._sessions[_client(token)] = session
        return token

    def logout(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_client(token), None)

    def identify_token(self, token: str) -> str | None:
        """Return who has this token or API key, as a name for the client; None if nobody has."""
        if self.alive(_client(token)):
            return _client(token)
        name = self.credentials.key_name(token)
        return f"key:{name}" if name else None

    def identify_password(self, user: str, password: str, address: str) -> str:
        """Return who sends this with HTTP Basic, which comes with every request and is hashed only once.

        :raises AuthError: wrong
        """
        proof = digest(f"{self._pepper}\0{user}\0{password}")
        stored = self.credentials.hash_of(user)
        # Also before a look at what is known, or guessing at that would not be slowed.
        self._refuse_guessers(address)
        if stored is None or self._proven.get(proof) != stored:
            by_file = self._check(user, password, address)
            # A plug-in may judge otherwise the next time, so it is asked each time.
            if by_file and stored is not None:
                self._proven[proof] = stored
        return f"basic:{user}@{address}"

    def alive(self, client: str) -> bool:
        """Tell whether a client may still be there: only sessions end by themselves."""
        if not client.startswith("session:"):
            return True
        session = self._sessions.get(client)
        return session is not None and self._holds(session)

    def _holds(self, session: _Session) -> bool:
        """Tell whether a session has not ended, be it by its time or by a new password."""
        return session.end > time.monotonic() and self.credentials.hash_of(session.user) == session.password

    def _check(self, user: str, password: str, address: str) -> bool:
        """Check a password; tell whether our own file was asked, and no plug-in knew.

        :raises AuthError: wrong
        """
        # One at a time: a hash takes 64 MiB, and guesses in parallel must be counted like others.
        with self._lock:
            self._refuse_guessers(address)
            verdict = self._verify_password(user, password)
            if not (self.credentials.verify(user, password) if verdict is None else verdict):
                self._limiter.hit(WRONG_LOGINS, address)
                logger.warning("wrong login for %r from %s", user, address)
                raise AuthError("wrong user name or password")
            return verdict is None

    def _refuse_guessers(self, address: str) -> None:
        """Look at nothing that an address sends which was wrong too often."""
        if not self._limiter.test(WRONG_LOGINS, address):
            wait = max(1.0, self._limiter.get_window_stats(WRONG_LOGINS, address).reset_time - time.time())
            raise TooManyAttempts(f"too many wrong logins; try again in {wait:.0f} s", wait)


def _client(token: str) -> str:
    """Name a session in logs and tables without giving its token away."""
    return f"session:{digest(token)[:32]}"
