"""Requests as somebody: logged in, or with an API key; and what the envelope of their answers says."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import msgspec

from kvmd.client.connection import Answer, Connections, Opened, Request
from kvmd.client.errors import ClientError, Refused, Unreachable
from kvmd.system.decoding import decode_json

T = TypeVar("T")


class _Envelope(msgspec.Struct):
    status: int
    info: str
    data: msgspec.Raw


class _Token(msgspec.Struct):
    token: str


class Session:
    """Sends requests, and logs in where that is needed.

    :param user: empty: nobody, for what needs no login
    :param code: a one-time code, or what gives one; empty: none
    :param key: an API key, in place of user and password
    """

    def __init__(
        self, connections: Connections, *, user: str, password: str, code: str | Callable[[], str], key: str
    ) -> None:
        self._connections = connections
        self._user = user
        self._password = password
        self._code = code
        self._secret = key.strip()
        self._has_key = bool(key)
        self._can_log_in = bool(user) and not key
        self._lock = threading.Lock()

    def log_in(self) -> None:
        """Begin a session, in place of the one before.

        :raises Refused: that is not let in
        """
        with self._lock:
            self._log_in()

    def log_out(self) -> None:
        """End the session, if one was begun."""
        if self._secret and not self._has_key:
            self.ask("POST", "/api/logout", {})
            self._secret = ""

    def ask(self, method: str, path: str, body: object = None, *, longer: float = 0.0) -> Answer:
        """Send a request, once more where the session has ended meanwhile, and return its answer.

        :param body: what becomes JSON; None: there is none
        :param longer: seconds that the daemon may need beyond the usual time
        :raises Unreachable: there is no answer
        """
        content = None if body is None else msgspec.json.encode(body)

        def send() -> Answer:
            return self._connections.ask(Request(method, path, content, self._headers(), longer))

        return self._known(send, lambda answer: answer.code)

    def open(self, path: str) -> Opened:
        """Ask for what does not end; who gets the answer closes it.

        :raises Refused: the daemon gives another answer
        :raises Unreachable: it gives none
        """

        def send() -> Opened:
            return self._connections.open(Request("GET", path, None, self._headers()))

        opened = self._known(send, lambda opened: opened.response.status)
        response = opened.response
        if response.status == 200:
            return opened
        with closing(opened):
            try:
                answer = Answer(response.status, response.headers, response.read())
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"the answer {response.status} broke off") from error
        read(answer, object)
        raise Refused(f"HTTP {response.status} in place of the video", response.status)

    def _known(self, send: Callable[[], T], code_of: Callable[[T], int]) -> T:
        """Send as somebody, and once more where the session has ended; what is refused with 401 was not carried out."""
        if self._can_log_in and not self._secret:
            self._log_in_unless(another_than="")
        used = self._secret
        answer = send()
        if code_of(answer) == 401 and self._can_log_in:
            if isinstance(answer, Opened):
                answer.close()
            self._log_in_unless(another_than=used)
            answer = send()
        return answer

    def _log_in_unless(self, another_than: str) -> None:
        """Log in, unless another thread has done so meanwhile."""
        with self._lock:
            if self._secret == another_than:
                self._log_in()

    def _log_in(self) -> None:
        code = self._code if isinstance(self._code, str) else self._code()
        wanted = {"username": self._user, "password": self._password, **({"code": code} if code else {})}
        answer = self._connections.ask(Request("POST", "/login_api", msgspec.json.encode(wanted), JSON))
        self._secret = read(answer, _Token)[1].token
        if isinstance(self._code, str) and code:
            self._can_log_in = False  # a code holds for one login

    def _headers(self) -> dict[str, str]:
        return {**JSON, **({"Authorization": f"Bearer {self._secret}"} if self._secret else {})}


JSON = {"Content-Type": "application/json"}


def read(answer: Answer, shape: type[T]) -> tuple[str, T]:
    """Return the words of a success, and its data.

    :raises Refused: it is none
    :raises ClientError: its data is of another shape, as of another version
    """
    try:
        envelope = decode_json(answer.body, _Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        what = f"HTTP {answer.code}, and not as kvmd answers: is this its address?"
        raise Refused(what, answer.code, _seconds(answer)) from None
    if answer.code != 200 or envelope.status != 1:
        where = answer.headers.get("Location")
        raise Refused(envelope.info + (f": {where}" if where else ""), answer.code, _seconds(answer))
    try:
        return envelope.info, decode_json(bytes(envelope.data), shape)
    except msgspec.MsgspecError as error:
        raise ClientError(f"the daemon is of another version than this client: {error}") from error


def _seconds(answer: Answer) -> float | None:
    try:
        return float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return None
