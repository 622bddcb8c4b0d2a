"""One connection: requests are read, the app is asked, answers are sent, one after the other."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from kvmd.contract.addresses import UNIX
from kvmd.front.admission import Admission, Place, group_of
from kvmd.front.answer import CONTINUE, Answer, refusal, to_bytes
from kvmd.front.app import FAILED, Exchange, call, make_environ
from kvmd.front.pools import Pools
from kvmd.front.request import Reader, Refusal, Request
from kvmd.front.site import Site
from kvmd.front.tally import Tally
from kvmd.front.websocket import Code, WebSocket

logger = logging.getLogger(__name__)

WHOLE = 10.0
"""Seconds within which a request has to be there whole, with its connection and its encryption."""
IDLE = 20.0
"""Seconds for which a connection may wait for its next request."""
STALLED = 30.0
"""Seconds without progress after which an answer is given up."""
LEAVING = 5.0
"""Seconds for which a client that has sent its last, which may mean that it has left, can still get its answer."""
LINGER = 2.0
IGNORED = 1024 * 1024
"""Seconds for which, and bytes up to which, the rest of a refused request is read, so that its client sees why."""
AHEAD = 64 * 1024
"""Bytes of the next requests that are read while one is in work."""

RETRY = [("Retry-After", "1")]
"""With every refusal for want of room."""


@dataclass
class Hub:
    """What connections share."""

    admission: Admission
    pools: Pools = field(default_factory=Pools)
    tally: Tally = field(default_factory=Tally)
    connections: set[Connection] = field(default_factory=set)
    closing: bool = False


class Connection(asyncio.Protocol):
    """Serves one client."""

    def __init__(self, hub: Hub, site: Site, place: Place, peer: tuple[str, int], since: float) -> None:
        self._hub = hub
        self._site = site
        self.place = place
        self._peer = peer
        self._reader = Reader(site.max_body)
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._taker: asyncio.Protocol | None = None
        self._deaf = False
        self._ended = False
        self._ignored = 0
        self._blocked = False
        self._unsent = 0
        self._deadline = since + WHOLE
        self._begun = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read."""
        self._transport = transport
        self.place.end = self._make_room
        self._hub.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything."""
        self._hub.connections.discard(self)
        self._hub.admission.leave(self.place)
        if self._task:
            self._task.cancel()
        if self._taker:
            self._taker.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        if self._taker:
            self._taker.data_received(data)
        elif self._deaf:
            self._ignored += len(data)
            if self._ignored > IGNORED:
                self._transport.abort()
        else:
            self._reader.feed(data)
            if not self._task and not self._blocked:
                self._read()
            elif self._reader.ahead > AHEAD:
                self._transport.pause_reading()

    def eof_received(self) -> bool | None:
        """Send what is still owed to a client that has sent its last."""
        if self._taker:
            return self._taker.eof_received()
        self._ended = True
        owes = bool(self._task) or self._blocked
        if self._task:
            self._deadline = time.monotonic() + LEAVING
        return owes and self._site.certificate is None

    def pause_writing(self) -> None:
        """Wait with the next request."""
        self._blocked = True
        if self._taker:
            self._taker.pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        if self._taker:
            self._taker.resume_writing()
        elif not self._task and not self._deaf:
            self._read()

    def check(self, now: float) -> None:
        """End what takes too long; called once a second."""
        if self._taker:
            return
        if self._task:
            if self._ended and now >= self._deadline:
                self._transport.abort()
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._deadline = now + STALLED
        elif self._unsent and not unsent:
            self._deadline = now + IDLE
        self._unsent = unsent
        if now < self._deadline:
            return
        if self._begun and self._reader.begun and not self._deaf and not unsent:
            self._hub.tally.note(f"requests that were not there whole within {WHOLE:.0f} s", self._peer[0])
            self._refuse(Refusal(408, f"the request was not there whole within {WHOLE:.0f} s"))
        else:
            self._transport.abort()

    def close(self) -> None:
        """End once what is in work is done."""
        if isinstance(self._taker, WebSocket):
            self._taker.close(Code.GOING_AWAY, "the daemon stops")
        elif not self._task and not self._transport.get_write_buffer_size():
            self._transport.close()
        elif self._taker:
            self._transport.abort()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def _make_room(self) -> None:
        self._hub.tally.note("connections ended to make room for others", self._peer[0])
        self._transport.abort()

    def _read(self) -> None:
        """Look for the next request."""
        try:
            request = self._reader.next()
        except Refusal as reason:
            if reason.code == 400:
                self._hub.tally.note("malformed requests", f"{self._peer[0]}: {reason}")
            self._refuse(reason)
            return
        if request:
            self.place.evictable = False
            self._task = asyncio.get_running_loop().create_task(self._serve(request))
            return
        if self._ended:
            self._transport.close()
            return
        if not self._begun and self._reader.begun:
            self._begun = True
            self._deadline = time.monotonic() + WHOLE
        if self._reader.wants_continue():
            self._transport.write(CONTINUE)
        self._transport.resume_reading()

    async def _serve(self, request: Request) -> None:
        """Answer a request, and go on with the next one."""
        exchange = Exchange()
        try:
            answer = await self._ask(request, exchange)
        except Refusal as reason:
            self._hub.tally.note(f"requests refused: {reason}", self._peer[0])
            answer = refusal(reason.code, reason.info, RETRY)
        except Exception:
            logger.exception("%s %r failed", request.method, request.target.partition("?")[0])  # it may have a token
            answer = refusal(500, FAILED)
        self._task = None
        if exchange.taker and request.method != "HEAD":
            self._hand_over(answer, exchange.taker())
            return
        closes = not request.stays or self._hub.closing
        self._transport.write(to_bytes(answer, closes=closes, is_head=request.method == "HEAD"))
        self._begun = False
        self._unsent = self._transport.get_write_buffer_size()
        self._deadline = time.monotonic() + (STALLED if self._unsent else IDLE)
        self.place.evictable = True
        if closes:
            self._deaf = True
            self._transport.close()
        elif not self._blocked:
            self._read()

    async def _ask(self, request: Request, exchange: Exchange) -> Answer:
        peer, port = self._peer
        asked = self._site.proxies.asked(peer, self._site.scheme, request.headers)
        if peer in self._site.proxies:
            self._hub.admission.move(self.place, group_of(asked.address))
        server = ("localhost", 0) if peer == UNIX else self._transport.get_extra_info("sockname")[:2]
        environ = {**make_environ(request, exchange, asked, port=port, server=server), **self._site.environ}
        known = self.place.known or self._site.knows({**environ, "wsgi.input": io.BytesIO(request.body)})
        if self.place.trial and not (known and self._hub.admission.know(self.place)):
            raise self.place.trial
        pool = self._hub.pools.known if known else self._hub.pools.strangers
        answer = await pool.run(partial(call, self._site.app, environ))
        if exchange.known:
            self._hub.admission.know(self.place)
        if exchange.later:
            code, body = await exchange.later()
            headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
            answer = Answer(code, headers, body)
        return answer

    def _hand_over(self, answer: Answer, taker: asyncio.Protocol) -> None:
        """Let another protocol have the connection from here on."""
        self._transport.resume_reading()
        # A connection that speaks another protocol now does not end with this answer, as a stream's does.
        self._transport.write(to_bytes(answer, closes=answer.code != HTTPStatus.SWITCHING_PROTOCOLS, goes_on=True))
        self._taker = taker
        taker.connection_made(self._transport)
        if rest := self._reader.rest():
            taker.data_received(rest)

    def _refuse(self, reason: Refusal) -> None:
        """Answer what cannot be read any further, and end the connection."""
        self._deaf = True
        self.place.evictable = True
        self._transport.write(to_bytes(refusal(reason.code, reason.info), closes=True))
        self._deadline = time.monotonic() + LINGER
        if self._site.certificate is None:
            # Unread bytes would reset the connection, and the answer would not be seen (RFC 9112, section 9.6).
            self._transport.write_eof()
        else:
            self._transport.close()  # which reads on, too
