"""All sockets: who has one, and what all are told. One looks at the status for everybody, while anybody is there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor

import msgspec

from kvmd.access.grant import Grant
from kvmd.front.websocket import WebSocket
from kvmd.kvm import Kvm
from kvmd.plugins.hookspecs import Event
from kvmd.sockets.handover import HandOver
from kvmd.sockets.messages import Clients, EventNews, StatusNews
from kvmd.sockets.session import TYPING, Session, WhyNot
from kvmd.system.logs import SparingLog

logger = logging.getLogger(__name__)
_log = SparingLog(logger, most=1)

MOST, MOST_EACH = 64, 16
"""Sockets in all, and of one user or API key."""
THREADS = 8
"""For what may block, such as typing; each waits for the hardware alone."""
PACE = 0.5
"""Seconds between two looks at the status, and at who may do what still."""
PAUSE = 0.05
"""Seconds between a look and the next one, however much happens."""

Members = Mapping[str, bytes]
"""The members of the status, as JSON."""


class Hub:
    """Everybody who has a socket; its methods run in the loop, but where it says otherwise.

    :param why_not: tells why a grant does not allow something any more
    """

    def __init__(self, kvm: Kvm, why_not: WhyNot) -> None:
        self._kvm = kvm
        self._why_not = why_not
        self._numbers = itertools.count(1)
        self._sessions: dict[int, Session] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._members: Members = {}
        self._clients = Clients(clients=[])
        self.keyboard = HandOver(kvm.input, kvm.audit)
        """Who has it."""
        kvm.on_change(self._changed)

    def make(self, grant: Grant) -> WebSocket:
        """Make what takes a connection over."""
        return WebSocket(Session(self, self._kvm, grant, self._why_not, next(self._numbers)))

    @property
    def pool(self) -> Executor:
        """Threads for what may block; they are there while anybody is."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "kvmd-socket")
        return self._pool

    def admit(self, session: Session) -> str | None:
        """Let somebody in, or say why not."""
        who = session.grant.who
        if len(self._sessions) >= MOST:
            return f"there are {MOST} sockets already, which is the most"
        if sum(each.grant.who == who for each in self._sessions.values()) >= MOST_EACH:
            return f"{who} has {MOST_EACH} sockets already, which is the most"
        self._sessions[session.number] = session
        self.keyboard.join(session)
        self._loop = asyncio.get_running_loop()
        self._woken.set()
        if self._following is None:
            self._following = self._loop.create_task(self._follow())
        if self._looking is None:
            self._looking = self._loop.call_later(PACE, self._look)
        return None

    def leave(self, session: Session) -> None:
        """Forget somebody."""
        self._sessions.pop(session.number, None)
        self.tell_clients()
        if not self._sessions and self._pool:
            self._pool.shutdown(wait=False)
            self._pool = None
            self._woken.set()

    def tell_clients(self) -> None:
        """Let all know who is here, and does what, where that has changed."""
        clients = self._all_clients()
        if clients != msgspec.structs.replace(self._clients, now=clients.now):
            self._clients = clients
            self._tell(clients.frame())

    def _all_clients(self) -> Clients:
        sessions = self._sessions.values()
        logins = {session.grant.client for session in sessions}
        typing = self._kvm.audit.typists(TYPING)
        return Clients(
            clients=[session.report for session in sessions],
            keyboard=self.keyboard.number,
            typists=sorted({who for client, who in typing.items() if client not in logins}),
        )

    def _tell(self, frame: bytes) -> None:
        for session in tuple(self._sessions.values()):
            if not session.fresh:
                session.send(frame)

    def _look(self) -> None:
        """See who may be here still."""
        self._looking = None
        if not self._sessions or not self._loop:
            return
        now = time.monotonic()
        for session in tuple(self._sessions.values()):
            session.look(now)
        self.tell_clients()
        self._looking = self._loop.call_later(PACE, self._look)

    def _changed(self, event: Event | None) -> None:
        """Note in whichever thread that something has happened, or that lamps have changed."""
        if self._loop and self._sessions:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._happened, event)

    def _happened(self, event: Event | None) -> None:
        if event:
            self._tell(EventNews(role=event.role, state=event.state, reason=event.reason).frame())
        self._woken.set()

    async def _follow(self) -> None:
        """Tell all what changes, as long as anybody is there."""
        while self._sessions:
            self._woken.clear()
            try:
                self._tell_status(await asyncio.to_thread(self._ask_status))
            except Exception as error:
                _log.log(logging.ERROR, type(error).__name__, "the status cannot be told", exc_info=error)
            await asyncio.sleep(PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), PACE)
        self._following, self._members = None, {}

    def _ask_status(self) -> Members:
        status = self._kvm.status()
        return {name: msgspec.json.encode(getattr(status, name)) for name in status.__struct_fields__}

    def _tell_status(self, members: Members) -> None:
        changed = {name: data for name, data in members.items() if self._members.get(name) != data}
        self._members = members
        if changed:
            self._tell(_status(changed))
        fresh = [session for session in self._sessions.values() if session.fresh]
        if not fresh:
            return
        whole, clients = _status(members), self._all_clients()
        for session in fresh:
            session.fresh = False
            session.send(whole)
            session.send(clients.frame())


def _status(members: Members) -> bytes:
    return StatusNews(status={name: msgspec.Raw(data) for name, data in members.items()}).frame()
