"""Who is asking: sessions, API keys, passwords; and whether they still may.

A password is hashed under no lock, so that those with a token never wait for those who log in.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kvmd.access.accounts import Accounts, ApiKey
from kvmd.access.audit import Audit
from kvmd.access.credentials import Credentials, digest
from kvmd.access.grant import Grant, UserRole
from kvmd.access.limiter import Limiter, network_of
from kvmd.access.sessions import MOST, Session, Sessions, client_of
from kvmd.access.totp import Codes
from kvmd.contract.settings import AuthSettings
from kvmd.errors import AuthError, CodeNeeded, ConfigError

logger = logging.getLogger(__name__)

MOST_KNOWN = 256
"""Passwords by HTTP Basic that are known to be right, and browsers that have logged in before."""
MOST_GRANTS = 1024
"""Clients of which it is remembered what they have shown."""
WRONG = "wrong user name or password"


class Login(NamedTuple):
    """What a login gives: a token, and a browser's own mark, with which others' wrong logins do not hold it up."""

    token: str
    browser: str


class Auth:
    """Decides who is asking.

    :param settings: the section ``auth``
    :param verify_password: asks the plug-ins, which come before the file; None means that they do not know
    :param audit: told who comes, goes and is refused
    """

    def __init__(
        self, settings: AuthSettings, verify_password: Callable[[str, str], bool | None], audit: Audit | None = None
    ) -> None:
        self.audit = audit or Audit()
        self.credentials = Credentials(Path(settings.file), self._file_changed)
        self.sessions = Sessions(settings.token_lifetime, settings.token_longest)
        self._plugin_role = UserRole(settings.plugin_role)
        self._verify_password = verify_password
        self._proven: OrderedDict[str, str] = OrderedDict()
        self._browsers: OrderedDict[str, str] = OrderedDict()
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._codes = Codes()
        self._pepper = secrets.token_hex()
        self._device = ""
        self._limiter = Limiter()
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """A name of this installation, for cookies: browsers send them to all ports of a host."""
        if not self._device:
            try:
                self._device = self.credentials.device()
            except ConfigError as error:
                logger.warning("%s; cookies have another name after the next start", error)
                self._device = secrets.token_hex(4)
        return self._device

    def login(self, user: str, password: str, address: str, code: str = "", browser: str = "") -> Login:
        """Check a password and begin a session.

        :param address: where the request comes from
        :param code: the one-time code, of users who have such
        :param browser: the mark that an earlier login gave
        :raises CodeNeeded: it is the right password, and a code is needed, or another one
        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from there, or there are too many at once
        """
        known = self._browsers.get(digest(browser)) == user
        with self._refused(user, address):
            stored = self.credentials.hash_of(user)
            self._check(user, password, digest(browser) if known else network_of(address), code)
        token, crowded_out = self.sessions.begin(user, stored, address)
        if crowded_out is not None:
            self.audit.note("logout", crowded_out, "", f"the quietest of {MOST} sessions was ended for a new one")
        self.audit.note("login", user, address, "logged in")
        return Login(token, browser if known else self._know_browser(user))

    def logout(self, token: str, address: str) -> None:
        """End a session.

        :param address: where the request comes from
        """
        session = self.sessions.end(client_of(token), "it was logged out")
        if session:
            self.audit.note("logout", session.user, address, "logged out")

    def identify_token(self, token: str, address: str = "") -> Grant | None:
        """Return who has this token or API key; None if nobody has.

        :param address: where the request comes from
        :raises ConfigError: the file with users and API keys cannot be read
        """
        accounts, client = self.credentials.read(), client_of(token)
        session = self._session(client, accounts)
        if session:
            return self._remember(Grant(client, session.user, self._role(session.user, accounts), address))
        name = self.credentials.key_name(token)
        if name is None:
            return None
        key = accounts.keys[name]
        return self._remember(Grant(f"key:{name}", f"API key {name}", key.role, address, key.sha256))

    def why_unknown(self, token: str) -> str:
        """Tell whoever shows a token that is none, or none any more, why."""
        known = self.sessions.why_ended(client_of(token))
        return f"the token is wrong, or its session has ended: {known}; log in again"

    def identify_password(self, user: str, password: str, address: str) -> Grant:
        """Return who sends this with HTTP Basic, which comes with every request and is hashed only once.

        What was right from the same network is let in also while others there guess, up to a limit of its own.

        :raises AuthError: wrong
        :raises TooManyAttempts: there were too many wrong ones from there, or there are too many at once
        :raises ConfigError: the file with users and API keys cannot be read
        """
        network = network_of(address)
        proof = digest(repr((self._pepper, user, password, network)))
        accounts = self.credentials.read()
        known = accounts.users.get(user)
        stored = known.password if known else None
        with self._refused(user, address):
            if known and known.totp:
                raise AuthError(f"{user} has one-time codes, which HTTP Basic cannot send; use an API key")
            self._limiter.refuse_guesses_at_known(user, network)
            if stored is None or self._proven.get(proof) != stored:
                try:
                    by_file = self._check(user, password, network)
                except AuthError:
                    self._limiter.count_guess_at_known(user, network)
                    raise
                # A plug-in may judge otherwise the next time, so it is asked each time.
                if by_file and stored is not None:
                    self._keep(self._proven, proof, stored)
                    self.audit.note("login", user, address, "uses HTTP Basic")
        grant = Grant(f"basic:{user}@{address}", user, self._role(user, accounts), address, digest(stored or ""))
        return self._remember(grant)

    def why_not(self, grant: Grant, needed: UserRole) -> str | None:
        """Tell why somebody who was known may not do this any more, in words for people; None while it may.

        Quick, for any thread; streams and sockets ask it again and again, which counts as use of a session.
        """
        try:
            accounts = self.credentials.read()
        except ConfigError:
            return "the file with users cannot be read"  # whoever cannot be known any more is let go of
        kind, _, name = grant.client.partition(":")
        if kind == "session":
            why = None if self._session(grant.client, accounts) else self.sessions.why_ended(grant.client)
            role = self._role(grant.who, accounts)
        elif kind == "key":
            key = accounts.keys.get(name)
            why = _why_key_not(grant, accounts.keys.get(name))
            role = key.role if key else grant.role
        elif kind == "basic":
            holds = digest(_hash(accounts, grant.who) or "") == grant.stamp
            why = None if holds else _why_changed(accounts, grant.who)
            role = self._role(grant.who, accounts)
        else:
            return None
        if why is None and not role.includes(needed):
            why = f"{grant.who} has the role {role.value} now, and this needs {needed.value}"
        return why

    def alive(self, client: str) -> bool:
        """Tell whether a client may still hold keys."""
        if client.partition(":")[0] not in {"session", "key", "basic"}:
            return True
        grant = self._grants.get(client)
        return grant is not None and self.why_not(grant, UserRole.OPERATOR) is None

    def _session(self, client: str, accounts: Accounts) -> Session | None:
        """Return a session that holds: it has not ended, and its password is the user's still."""
        session = self.sessions.use(client)
        if session and _hash(accounts, session.user) != session.stamp:
            self.sessions.end(client, _why_changed(accounts, session.user))
            return None
        return session

    def _role(self, user: str, accounts: Accounts) -> UserRole:
        known = accounts.users.get(user)
        return known.role if known else self._plugin_role

    def _check(self, user: str, password: str, place: str, code: str = "") -> bool:
        """Check a password; tell whether our own file was asked, and no plug-in knew.

        :param place: whom wrong ones are counted for
        :raises AuthError: wrong
        """
        with self._limiter.attempt(user, place):
            verdict = self._verify_password(user, password)
            if not (self.credentials.verify(user, password) if verdict is None else verdict):
                raise AuthError(WRONG)
            known = self.credentials.read().users.get(user)
            secret = known.totp if known else None
            if secret and code:
                self._codes.check(user, secret, code)
        if secret and not code:  # which is no wrong login
            raise CodeNeeded("a one-time code is needed, too; send it as code")
        return verdict is None

    @contextmanager
    def _refused(self, user: str, address: str) -> Iterator[None]:
        """Note who is refused inside of this."""
        try:
            yield
        except AuthError as error:
            self.audit.note("refusal", user, address, str(error))
            raise

    def _know_browser(self, user: str) -> str:
        mark = secrets.token_hex(16)
        self._keep(self._browsers, digest(mark), user)
        return mark

    def _remember(self, grant: Grant) -> Grant:
        with self._lock:
            self._grants[grant.client] = grant
            self._grants.move_to_end(grant.client)
            if len(self._grants) > MOST_GRANTS:
                self._grants.popitem(last=False)
        return grant

    def _keep(self, known: OrderedDict[str, str], key: str, value: str) -> None:
        with self._lock:
            known[key] = value
            if len(known) > MOST_KNOWN:
                known.popitem(last=False)

    def _file_changed(self, change: str) -> None:
        self.audit.note("users", "root", "", change)


def _hash(accounts: Accounts, user: str) -> str | None:
    known = accounts.users.get(user)
    return known.password if known else None


def _why_changed(accounts: Accounts, user: str) -> str:
    return "the password was changed" if user in accounts.users else "the user was removed"


def _why_key_not(grant: Grant, key: ApiKey | None) -> str | None:
    if key is None or key.sha256 != grant.stamp:
        return "the API key was removed"
    return "the API key's end has come" if key.is_over else None
