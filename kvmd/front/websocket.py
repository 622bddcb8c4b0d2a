"""A WebSocket (RFC 6455): messages that come and go on a connection, once the handshake is done.

wsproto takes frames apart. What is sent is put together here: a server's frames have no mask, so that one buffer, with
its frame's head, is sent to everybody.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import time
from itertools import islice
from typing import Protocol

from wsproto import events
from wsproto.connection import Connection, ConnectionState, ConnectionType

MAX_MESSAGE = 64 * 1024
"""Bytes of a message."""
MAX_WAITING = 256 * 1024
"""Bytes of messages, beside a picture, that may wait to be sent."""
UNSENT = 128 * 1024
"""Bytes that may wait in the kernel for a slow network."""
AT_ONCE = 64
"""Frames that are read in one turn of the loop."""
PER_SECOND, BURST = 1000, 2000
"""Frames that are read: on average, and at once; what comes faster waits, and then its sender does."""
BEAT = 10.0
"""Seconds between two pings; proxies end what is idle for longer (nginx: 60)."""
SILENCE = 30.0
"""Seconds after which a connection on which nothing comes is given up."""
GOODBYE = 1.5
"""Seconds that the other side has to close, too."""

TEXT, BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_LAST = 0x80


class Code(enum.IntEnum):
    """Why a connection is closed (RFC 6455, section 7.4.1, and from 4000 our own)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    TOO_LARGE = 1009
    FAILED = 1011
    LOGGED_OUT = 4401
    SILENT = 4408
    SLOW = 4413
    TOO_MANY = 4429


def frame(opcode: int, payload: bytes, size: int | None = None) -> bytes:
    """Return a whole message as one frame (RFC 6455, section 5.2).

    :param size: of a payload that follows, of which ``payload`` is only the beginning
    """
    size = len(payload) if size is None else size
    if size < 126:
        head = bytes([_LAST | opcode, size])
    elif size < 1 << 16:
        head = bytes([_LAST | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([_LAST | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


class Handler(Protocol):
    """What gives messages a meaning; all of it is called in the loop."""

    def opened(self, socket: WebSocket) -> None:
        """Begin: messages can be sent."""

    def heard(self, message: bytes) -> None:
        """Take a text message, in UTF-8."""

    def drained(self) -> None:
        """Note that nothing waits to be sent any more."""

    def last_words(self, code: int, reason: str) -> bytes:
        """Return the frame that is sent before the connection is closed from here."""

    def closed(self) -> None:
        """End."""


class Pace:
    """How many frames may be read: a bucket that fills up with time."""

    def __init__(self) -> None:
        self._room = float(BURST)
        self._since = time.monotonic()

    def room(self) -> int:
        """Return how many may be read now."""
        now = time.monotonic()
        self._room = min(BURST, self._room + (now - self._since) * PER_SECOND)
        self._since = now
        return int(self._room)

    def spend(self, count: int) -> None:
        """Note that so many were read."""
        self._room -= count


class WebSocket(asyncio.Protocol):
    """One connection on which the answer 101 was sent.

    :param handler: gives messages a meaning
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = Connection(ConnectionType.SERVER)
        self._pace = Pace()
        self._message = bytearray()
        self._transport: asyncio.Transport
        self._heard = time.monotonic()
        self._waiting = 0
        self._closing = False
        self._deaf = False
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport
        transport.set_write_buffer_limits(0)
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
        self._handler.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # what asyncio calls
        """End."""
        self._closing = True
        for handle in (self._timer, self._rest):
            if handle:
                handle.cancel()
        self._handler.closed()

    def data_received(self, data: bytes) -> None:
        """Take frames, or parts of them."""
        self._heard = time.monotonic()
        if not self._deaf:
            self._parser.receive_data(data)
            if not self._rest:
                self._read()

    def eof_received(self) -> bool | None:
        """Close, as the other side has."""
        return None

    def resume_writing(self) -> None:
        """Let the handler know that nothing waits any more."""
        self._waiting = 0
        if not self._closing:
            self._handler.drained()

    def send(self, message: bytes) -> None:
        """Send a frame, behind all that waits.

        Where too much waits already, the connection is closed.
        """
        if self._closing:
            return
        self._waiting = self._waiting + len(message) if self._transport.get_write_buffer_size() else 0
        if self._waiting > MAX_WAITING:
            self.close(Code.SLOW, f"more than {MAX_WAITING} bytes of messages waited to be sent")
        else:
            self._transport.write(message)

    def offer(self, message: bytes) -> bool:
        """Send a frame where nothing waits; tell whether it was."""
        if self._closing or self._transport.get_write_buffer_size():
            return False
        self._transport.write(message)
        return True

    def close(self, code: int, reason: str) -> None:
        """Say why, and close; the other side has a moment to close, too."""
        if self._closing:
            return
        self._closing = True
        self._transport.write(self._handler.last_words(code, reason))
        self._transport.write(self._parser.send(events.CloseConnection(code, reason)))
        self._end_within(GOODBYE)

    def _beat(self) -> None:
        """See whether the other side is there."""
        if time.monotonic() - self._heard > SILENCE:
            self.close(Code.SILENT, f"nothing came for {SILENCE:.0f} s")
            return
        self.send(frame(_PING, b""))
        if not self._closing:
            self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def _read(self) -> None:
        """Take what has come, in turns, and no faster than the pace allows."""
        self._rest = None
        room = self._pace.room()
        most = min(AT_ONCE, room)
        count = 0
        for event in islice(self._parser.events(), most):
            count += 1
            self._take(event)
        self._pace.spend(count)
        if self._deaf or self._transport.is_closing():
            return
        if count < most:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
            wait = 0.0 if room > count else AT_ONCE / PER_SECOND
            self._rest = asyncio.get_running_loop().call_later(wait, self._read)

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.CloseConnection):
            # wsproto says so of what it cannot read, too; then nobody has closed yet.
            if self._parser.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
                self._fail(event.code, event.reason or "malformed frames")
            else:
                self._answer_close(event)
        elif self._closing:
            pass  # whoever is being closed has nothing to say any more
        elif isinstance(event, events.TextMessage):
            self._take_text(event)
        elif isinstance(event, events.BytesMessage):
            self._fail(Code.UNSUPPORTED_DATA, "binary messages are not taken; messages are JSON")
        elif isinstance(event, events.Ping):
            self.send(frame(_PONG, bytes(event.payload)))

    def _take_text(self, event: events.TextMessage) -> None:
        self._message += event.data.encode()
        if len(self._message) > MAX_MESSAGE:
            self._fail(Code.TOO_LARGE, f"the message is larger than {MAX_MESSAGE} bytes")
        elif event.message_finished:
            message, self._message = bytes(self._message), bytearray()
            self._handler.heard(message)

    def _answer_close(self, event: events.CloseConnection) -> None:
        """Close, as the other side has; or it has answered ours."""
        if not self._closing:
            self._closing = True
            self._transport.write(self._parser.send(event.response()))
        self._deaf = True
        if self._transport.get_write_buffer_size():
            self._end_within(GOODBYE)
        self._transport.close()

    def _fail(self, code: int, reason: str) -> None:
        """Close for what cannot be read any further, and wait for no answer."""
        if self._deaf:
            return
        self._deaf = True
        self.close(code, reason)
        self._message.clear()
        if self._transport.can_write_eof():
            # Unread bytes would reset the connection, and the reason would not be seen.
            self._transport.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    def _end_within(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.abort)
