"""The thread behind the guest's USB ports: it joins QEMU's sockets with the ports and with the guest's commands."""

import contextlib
import selectors
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from . import COMMANDS, PORTS, port_name
from .control import Control
from .port import Port

CHUNK = 1 << 16


class Peer(Protocol):
    """Who is at our end of a line."""

    outgoing: bytearray

    def receive(self, data: bytes) -> None:
        """Take bytes that came."""


class Line:
    """A socket that QEMU connects to, and what comes and goes there."""

    def __init__(self, path: Path, peer: Peer, selector: selectors.BaseSelector) -> None:
        self._peer = peer
        self._selector = selector
        self._connection: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def flush(self) -> None:
        """Send what our end has to say."""
        if self._connection is not None and self._peer.outgoing:
            with contextlib.suppress(OSError):  # QEMU has ended; the next read tells
                self._connection.sendall(self._peer.outgoing)
            self._peer.outgoing.clear()

    def close(self) -> None:
        """Hang up, and listen no more."""
        self._hang_up()
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        self._hang_up()
        self._connection, _ = self._listener.accept()
        self._selector.register(self._connection, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        assert self._connection is not None
        try:
            data = self._connection.recv(CHUNK)
        except ConnectionError:
            data = b""
        if data:
            self._peer.receive(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None


class Service:
    """Two ports of the guest's USB controller, empty at first, and the line for commands.

    :param folder: where the sockets are made
    :param failed: told by the thread why it ends, where that is a mistake of ours: the guest would wait for ever
    """

    def __init__(self, folder: Path, failed: Callable[[str], None]) -> None:
        self._folder = folder
        self._failed = failed
        self._ports = {number: Port() for number in PORTS}
        self._peers: dict[str, Peer] = {port_name(number): port for number, port in self._ports.items()}
        self._peers[COMMANDS] = Control(self._ports)
        self._lines: list[Line] = []
        self._selector = selectors.DefaultSelector()
        self._stopper, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="usb-devices", daemon=True)

    def start(self) -> None:
        """Listen, and serve QEMU from now on."""
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        for name, peer in self._peers.items():
            self._lines.append(Line(self._folder / name, peer, self._selector))
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the sockets, started or not; after QEMU's end, which a send could wait for."""
        self._stopper.close()
        if self._thread.is_alive():
            self._thread.join()
        for port in self._ports.values():
            port.unplug()
        for line in self._lines:
            line.close()
        self._selector.close()
        self._stopped.close()

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:  # whatever it is, the guest must not be left without an answer
            self._failed(traceback.format_exc())

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj is self._stopped:
                    return
                key.data()
            for port in self._ports.values():
                port.stream(time.monotonic())
            for line in self._lines:
                line.flush()

    def _timeout(self) -> float | None:
        """Seconds until a device may have something to send; None if none has."""
        due = min(port.due for port in self._ports.values())
        return None if due == float("inf") else max(0.0, due - time.monotonic())
