"""An asyncio loop for what runs in one, beside the test."""

from __future__ import annotations

import asyncio
import socket
import threading

from tests.waiting import patience


class Loop:
    """An asyncio loop in a thread of its own, as the front has one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def connect(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        """Let a protocol have a connected socket."""
        made = self.loop.connect_accepted_socket(lambda: protocol, sock)
        asyncio.run_coroutine_threadsafe(made, self.loop).result(patience())

    def settle(self) -> None:
        """Wait until everything is done that was asked of it before."""

        async def settled() -> None:
            pass

        asyncio.run_coroutine_threadsafe(settled(), self.loop).result(patience())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
