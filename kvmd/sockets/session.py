"""One socket: what is said on it, and what is done about that."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Protocol

from kvmd.access.grant import Grant, UserRole
from kvmd.front.websocket import MAX_MESSAGE, Code, WebSocket
from kvmd.kvm import Kvm
from kvmd.sockets import messages
from kvmd.sockets.handover import HandOver
from kvmd.sockets.hands import Hands
from kvmd.sockets.lane import LATE, Entry, Lane, Outcome, Refusal, refusal_of
from kvmd.sockets.messages import Why
from kvmd.sockets.writing import Writing
from kvmd.video.watcher import Watcher

if TYPE_CHECKING:
    from kvmd.sockets.messages import News, Pictures

logger = logging.getLogger(__name__)

SILENT = 2.0
"""Seconds of silence after which a client holds nothing any more."""
TYPING = 2.0
"""Seconds after which who typed types no more."""
WAITING = 64
"""Inputs that may wait."""
PRESSING = 2
"""Wishes for the target's power at once, and texts: one that is done, and one that learns that it has to wait."""

WhyNot = Callable[[Grant, UserRole], str | None]


class Crowd(Protocol):
    """All who have a socket, as one of them knows them."""

    @property
    def pool(self) -> Executor:
        """Threads for what may block."""

    @property
    def keyboard(self) -> HandOver:
        """Who has it."""

    def admit(self, session: Session) -> str | None:
        """Let somebody in, or say why not."""

    def leave(self, session: Session) -> None:
        """Forget somebody."""

    def tell_clients(self) -> None:
        """Let all know who is here, and does what, where that has changed."""


class Session:
    """Somebody who has a socket, and is a client of their own to keyboard and mouse.

    :param crowd: all who have one
    :param grant: who it is
    :param why_not: tells why a grant does not allow something any more; asked again and again
    :param number: of this socket
    """

    def __init__(self, crowd: Crowd, kvm: Kvm, grant: Grant, why_not: WhyNot, number: int) -> None:
        self.grant = grant
        self.number = number
        self.fresh = True
        """Whether the status was not sent yet."""
        self.role = grant.role
        self._crowd = crowd
        self._kvm = kvm
        self._why_not = why_not
        self.client = f"socket:{number}"
        """Under which name this one types."""
        self._writing = Writing(kvm, self, self._why_stop, self._begin_text, self._tell_typed)
        handed = partial(self._call_soon, crowd.tell_clients)
        self._hands = Hands(kvm, self, self._writing, crowd.keyboard, handed)
        self._socket: WebSocket
        self._loop: asyncio.AbstractEventLoop
        self._watcher: Watcher
        self._typist: Lane
        self._presser: Lane
        self._writer: Lane
        self._let_in = False
        self._heard = self._typed = time.monotonic()
        self._typing = False
        self._denied: str | None = None
        self._denied_before = False
        self._ended = False

    @property
    def report(self) -> messages.Client:
        """Who this is, and does what, for all to know."""
        return messages.Client(
            self.number, self.grant.who, self.role.value, typing=self._typing, watching=self._watcher.watches
        )

    def opened(self, socket: WebSocket) -> None:
        """Greet."""
        self._socket, self._loop, self._watcher = socket, asyncio.get_running_loop(), Watcher(socket.offer)
        if why := self._crowd.admit(self):
            socket.close(Code.TOO_MANY, why)
            return
        self._let_in = True
        self.look(time.monotonic())
        pool = self._crowd.pool
        self._typist = Lane(pool, self._hands.type, self._told, WAITING)
        self._presser = Lane(pool, self._hands.press, self._told, PRESSING, PRESSING)
        self._writer = Lane(pool, self._writing.work, self._told_text, PRESSING, PRESSING)
        self._kvm.input.vouch(self.client, self._why_gone)
        bounds = messages.Bounds(LATE * 1000, SILENT * 1000, MAX_MESSAGE)
        self.send(
            messages.Hello(
                version=messages.VERSION, number=self.number, who=self.grant.who, role=self.role.value, bounds=bounds
            )
        )

    def heard(self, message: bytes) -> None:
        """Do what a message asks for."""
        self._heard = time.monotonic()
        try:
            self._take(messages.read(message))
        except messages.Unreadable as error:
            self._refuse(error.id, error.what, Why.MALFORMED, str(error))
        except Exception:
            logger.exception("a message on a socket failed")
            self._socket.close(Code.FAILED, "the daemon failed; its log says why")

    def drained(self) -> None:
        """Take the newest picture, as nothing waits before it."""
        self._watcher.want()

    def last_words(self, code: int, reason: str) -> bytes:
        """Say why the connection is closed."""
        return messages.Ended(code=code, reason=reason).frame()

    def closed(self) -> None:
        """Let go of everything."""
        self._ended = True
        if not self._let_in:
            return
        self._watcher.watch(None)
        self._typist.clear()
        self._presser.clear()
        self._writer.clear()
        with contextlib.suppress(RuntimeError):  # the end has come, and with it everything is let go
            self._crowd.pool.submit(self._hands.leave)
        self._crowd.leave(self)

    def send(self, news: News | bytes) -> None:
        """Send a message, or a frame that others get, too."""
        self._socket.send(news if isinstance(news, bytes) else news.frame())

    def end(self, code: int, reason: str) -> None:
        """Say why, and close."""
        self._socket.close(code, reason)

    def look(self, now: float) -> None:
        """Ask for the right to be here and to type, and see who types still; called twice a second."""
        reasons = {role: self._why_not(self.grant, role) for role in UserRole}
        if why := reasons[UserRole.VIEWER]:
            self.end(Code.LOGGED_OUT, why)
            return
        self._denied = reasons[UserRole.OPERATOR]
        if self._denied and self._crowd.keyboard.number == self.number:
            self._crowd.pool.submit(self._crowd.keyboard.free, self)
        self.role = next(role for role in reversed(UserRole) if reasons[role] is None)
        self._typing = self._typing and now - self._typed < TYPING

    def _take(self, message: messages.Message) -> None:
        match message:
            case messages.Ping():
                self.send(messages.Pong(id=message.id))
            case messages.Seen():
                self._watcher.seen(message.number)
                self._answer(message.id)
            case messages.Pictures():
                self._show(message)
                self._answer(message.id)
            case _ if self._denied:
                self._deny(message, self._denied)
            case messages.Power():
                self._presser.add(message)
            case messages.CancelText():
                self._kvm.input.text.cancel(f"{self.grant.who} cancelled it")
                self._answer(message.id)
            case _:
                self._queue(message)

    def _queue(self, order: messages.Input | messages.Turns | messages.Text) -> None:
        if not isinstance(order, messages.Take | messages.Give):
            self._begin_to_type()
        self._typist.add(order)

    def _deny(self, message: messages.Message, why: str) -> None:
        what = messages.type_of(message)
        if not self._denied_before:  # once is enough: who points is refused with each move
            self._denied_before = True
            self._kvm.audit.note("refusal", self.grant.who, self.grant.address, f"{what} on a socket: {why}")
        self._refuse(message.id, what, Why.DENIED, why)

    def _show(self, wanted: Pictures) -> None:
        viewers = self._kvm.video.watchers(wanted.quality) if wanted.on else None
        self._watcher.watch(viewers, wanted.fps)
        self._watcher.want()
        self._crowd.tell_clients()

    def _begin_to_type(self) -> None:
        if self._kvm.input.turn.why_not(self.client):
            return
        self._typed = time.monotonic()
        if not self._typing:
            self._typing = True
            self._crowd.tell_clients()

    def _why_stop(self) -> str | None:
        return "the socket has ended" if self._ended else self._denied

    def _begin_text(self, text: messages.Text) -> None:
        """Have a text typed beside what is done with the mouse meanwhile; from a thread."""
        self._call_soon(partial(self._writer.add, text))

    def _tell_typed(self, news: messages.Typed) -> None:
        """Tell how far a text is, from a thread."""
        self._call_soon(partial(self._send_typed, news))

    def _send_typed(self, news: messages.Typed) -> None:
        self._begin_to_type()
        self.send(news)

    def _why_gone(self) -> str | None:
        """Tell keyboard and mouse, in a thread of theirs, why what is held is to be let go; asked while it is."""
        why = None
        if time.monotonic() - self._heard > SILENT:
            why = f"was silent for {SILENT:g} s"
        elif self._denied:
            why = f"may not type any more: {self._denied}"
        elif taken := self._kvm.input.turn.why_not(self.client):
            why = f"may not type now: {taken}"
        if why:
            self._call_soon(partial(self._send_released, why))
        return why

    def _call_soon(self, function: Callable[[], None]) -> None:
        """Have this called in the loop, from a thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function)

    def _send_released(self, why: str) -> None:
        self.send(messages.Released(reason=why))

    def _told_text(self, entry: Entry, outcome: Outcome) -> None:
        if isinstance(entry.order, messages.Text):
            self._writing.end(entry.order)
        self._told(entry, outcome)

    def _told(self, entry: Entry, outcome: Outcome) -> None:
        """Tell the client what came of it."""
        if outcome is None:
            return
        if isinstance(outcome, str):
            for number in entry.ids:
                self.send(messages.Done(id=number, info=outcome))
            return
        refusal = refusal_of(outcome)
        if refusal is None:
            logger.error("a message on a socket failed", exc_info=outcome)
            refusal = Refusal(Why.FAILED, "the daemon failed; its log says why")
        answered: list[int | None] = [*entry.ids] or [None]
        for each in answered:
            self._refuse(each, messages.type_of(entry.order), refusal.reason, str(refusal))

    def _answer(self, number: int | None) -> None:
        if number is not None:
            self.send(messages.Done(id=number, info=""))

    def _refuse(self, number: int | None, what: str, reason: Why, info: str) -> None:
        self.send(messages.Refused(id=number, what=what, reason=reason, info=info))
