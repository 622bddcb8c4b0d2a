"""QEMU's end of a USB port, for tests of the lab's devices without QEMU and without a kernel."""

import struct

from tests.lab.usb import usbredir
from tests.lab.usb.device import Device
from tests.lab.usb.port import Port
from tests.lab.usb.usbredir import Packet, Parser, Request, Status, Type

ROOM = 16384


class Host:
    """QEMU's end of a port."""

    def __init__(self, device: Device | None = None) -> None:
        self.port = Port()
        self.parser = Parser()
        self.sent = 0
        self.port.receive(usbredir.hello("qemu"))
        if device:
            self.port.plug(device)
        self.greeting = self.take()

    def take(self) -> list[Packet]:
        """Return what was sent since."""
        packets = list(self.parser.feed(bytes(self.port.outgoing)))
        self.port.outgoing.clear()
        return packets

    def ask(self, kind: int, body: bytes) -> Packet:
        """Send a packet; return the answer."""
        self.sent += 1
        self.port.receive(Packet(kind, self.sent, body).encode())
        [answer] = self.take()
        assert answer.number == self.sent
        return answer

    def control(self, *setup: int, data: bytes = b"") -> bytes | None:
        """Send a request (USB 2.0 table 9-2); return the data of the answer, None if it was refused."""
        kind, request, value, index, length = setup
        asked = Request(kind & 0x80, request, kind, value, index, length, data)
        body = self.ask(Type.CONTROL, asked.encode()).body
        return None if body[3] == Status.STALL else body[10:]

    def submit(self, count: int = 1, endpoint: int = 0x81, room: int = ROOM) -> None:
        """Wait for data with some transfers."""
        for _ in range(count):
            self.sent += 1
            body = struct.pack("<BBHIH", endpoint, 0, room, 0, 0)
            self.port.receive(Packet(Type.BULK, self.sent, body).encode())

    def receive(self, now: float) -> list[bytes]:
        """Return what those that wait have got by now."""
        self.port.stream(now)
        return [packet.body[10:] for packet in self.take()]
