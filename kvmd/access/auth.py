"""Who is asking: sessions, API keys, passwords.

Tokens are random and long, and live in memory: a restart ends every session, and so does a new password. A password is
hashed under no lock, so that those with a token never wait for those who log in.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from kvmd.access.credentials import Credentials, digest
from kvmd.access.limiter import Limiter, network_of
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, ConfigError
from kvmd.system.logs import SparingLog, printable

logger = logging.getLogger(__name__)

MOST_SESSIONS = 100
"""Beyond which the one that was quiet for longest ends."""
MOST_PROVEN = 256
"""Passwords by HTTP Basic that are known to be right."""


class _Session(NamedTuple):
    """Who logged in, with which password (its hash), and until when, in seconds of ``time.monotonic()``."""

    user: str
    password: str | None
    end: float

    def holds(self, users: Mapping[str, str], now: float) -> bool:
        """Tell whether it has not ended, be it by its time or by a new password."""
        return self.end > now and users.get(self.user) == self.password


class Auth:
    """Decides who is asking.

    :param settings: the section ``auth``
    :param verify_password: asks the plug-ins, which come before the file; None means that they do not know
    """

    def __init__(self, settings: AuthSettings, verify_password: Callable[[str, str], bool | None]) -> None:
        self.credentials = Credentials(Path(settings.file))
        self._lifetime = settings.token_lifetime
        self._verify_password = verify_password
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._proven: OrderedDict[str, str] = OrderedDict()
        self._pepper = secrets.token_hex()
        self._limiter = Limiter()
        self._log = SparingLog(logger)
        self._lock = threading.Lock()

    def login(self, user: str, password: str, address: str) -> str:
        """Check a password and return a token.

        :param address: where the request comes from
        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from there, or there are too many at once
        """
        stored = self.credentials.hash_of(user)
        self._check(user, password, address)
        token = secrets.token_hex(16)
        self._begin(_client(token), _Session(user, stored, time.monotonic() + self._lifetime))
        self._log.log(logging.INFO, "login", "'%s' logged in from %s", printable(user), address)
        return token

    def _begin(self, client: str, session: _Session) -> None:
        """Add a session, in place of those that have ended and of the one that was quiet for longest."""
        users, now = self.credentials.read().users, time.monotonic()
        with self._lock:
            for known, each in list(self._sessions.items()):
                if not each.holds(users, now):
                    del self._sessions[known]
            crowded = len(self._sessions) >= MOST_SESSIONS
            if crowded:
                self._sessions.popitem(last=False)
            self._sessions[client] = session
        if crowded:
            self._log.log(logging.WARNING, "crowd", "ended the quietest of %d sessions for a new one", MOST_SESSIONS)

    def logout(self, token: str, address: str) -> None:
        """End a session.

        :param address: where the request comes from
        """
        with self._lock:
            session = self._sessions.pop(_client(token), None)
        if session:
            self._log.log(logging.INFO, "logout", "'%s' logged out from %s", printable(session.user), address)

    def identify_token(self, token: str) -> str | None:
        """Return who has this token or API key, as a name for the client; None if nobody has.

        :raises ConfigError: the file with users and API keys cannot be read
        """
        client = _client(token)
        if self._holds(client):
            with self._lock:
                if client in self._sessions:
                    self._sessions.move_to_end(client)
            return client
        name = self.credentials.key_name(token)
        return f"key:{name}" if name else None

    def identify_password(self, user: str, password: str, address: str) -> str:
        """Return who sends this with HTTP Basic, which comes with every request and is hashed only once.

        What was right from the same network is let in also while others there guess, up to a limit of its own.

        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from there, or there are too many at once
        :raises ConfigError: the file with users and API keys cannot be read
        """
        network = network_of(address)
        proof = digest(repr((self._pepper, user, password, network)))
        stored = self.credentials.hash_of(user)
        self._limiter.refuse_guesses_at_known(network)
        if stored is None or self._proven.get(proof) != stored:
            try:
                by_file = self._check(user, password, address)
            except AuthError:
                self._limiter.count_guess_at_known(network)
                raise
            # A plug-in may judge otherwise the next time, so it is asked each time.
            if by_file and stored is not None:
                self._remember(proof, stored)
                self._log.log(logging.INFO, "basic", "'%s' uses HTTP Basic from %s", printable(user), address)
        return f"basic:{user}@{address}"

    def alive(self, client: str) -> bool:
        """Tell whether a client may still be there: only sessions end by themselves."""
        if not client.startswith("session:"):
            return True
        try:
            return self._holds(client)
        except ConfigError:
            return False  # whoever cannot be known any more is let go of; requests are told why

    def _holds(self, client: str) -> bool:
        """Tell whether a session has not ended."""
        session = self._sessions.get(client)
        return session is not None and session.holds(self.credentials.read().users, time.monotonic())

    def _check(self, user: str, password: str, address: str) -> bool:
        """Check a password; tell whether our own file was asked, and no plug-in knew.

        :raises AuthError: wrong
        """
        with self._limiter.attempt(user, network_of(address)):
            verdict = self._verify_password(user, password)
            if not (self.credentials.verify(user, password) if verdict is None else verdict):
                self._log.log(logging.WARNING, "wrong", "wrong login for '%s' from %s", printable(user), address)
                raise AuthError("wrong user name or password")
        return verdict is None

    def _remember(self, proof: str, stored: str) -> None:
        with self._lock:
            self._proven[proof] = stored
            if len(self._proven) > MOST_PROVEN:
                self._proven.popitem(last=False)


def _client(token: str) -> str:
    """Name a session in logs and tables without giving its token away."""
    return f"session:{digest(token)[:32]}"
