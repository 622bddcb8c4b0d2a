"""The usbredir protocol, as much of it as our devices need: packets as values, values as bytes.

Our side is the "usb-host", which has the device; QEMU is the "usb-guest". All numbers are little-endian.
https://gitlab.freedesktop.org/spice/usbredir/-/blob/main/docs/usb-redirection-protocol.md
"""

import dataclasses
import enum
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


class Type(enum.IntEnum):
    """Packet types."""

    HELLO = 0
    DEVICE_CONNECT = 1
    DEVICE_DISCONNECT = 2
    RESET = 3
    INTERFACE_INFO = 4
    EP_INFO = 5
    SET_CONFIGURATION = 6
    GET_CONFIGURATION = 7
    CONFIGURATION_STATUS = 8
    SET_ALT_SETTING = 9
    GET_ALT_SETTING = 10
    ALT_SETTING_STATUS = 11
    START_INTERRUPT_RECEIVING = 15
    STOP_INTERRUPT_RECEIVING = 16
    INTERRUPT_RECEIVING_STATUS = 17
    CANCEL_DATA = 21
    CONTROL = 100
    BULK = 101


class Status(enum.IntEnum):
    """How a transfer ended."""

    SUCCESS = 0
    CANCELLED = 1
    STALL = 4


# bits of the capabilities that we announce, and which QEMU has had since 1.6
CONNECT_DEVICE_VERSION, EP_INFO_MAX_PACKET_SIZE, IDS_64_BITS, BULK_LENGTH_32_BITS = 1, 4, 5, 6
CAPABILITIES = sum(
    1 << bit for bit in (CONNECT_DEVICE_VERSION, EP_INFO_MAX_PACKET_SIZE, IDS_64_BITS, BULK_LENGTH_32_BITS)
)

FULL_SPEED, HIGH_SPEED = 1, 2
CONTROL_TYPE, BULK, INTERRUPT, NO_ENDPOINT = 0, 2, 3, 255
"""Types of endpoints (USB 2.0 table 9-13)."""
INPUT = 0x80
"""The bit of an endpoint's address, or of a request's type, that says: towards the host."""

_HELLO_HEADER = struct.Struct("<III")
_HEADER = struct.Struct("<IIQ")
_CONTROL = struct.Struct("<BBBBHHH")
_BULK = struct.Struct("<BBHIH")


@dataclass(frozen=True)
class Packet:
    """A packet.

    :param number: of the transfer that it belongs to; 0 for none
    """

    type: int
    number: int = 0
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes that travel."""
        return _HEADER.pack(self.type, len(self.body), self.number) + self.body


@dataclass(frozen=True)
class Endpoint:
    """An endpoint beside the one for control.

    :param address: its number, with the bit ``INPUT`` if it is towards the host
    :param kind: ``BULK`` or ``INTERRUPT``
    :param packet: bytes of the largest packet
    """

    address: int
    kind: int
    interface: int
    packet: int


@dataclass(frozen=True)
class Request:
    """A control transfer (USB 2.0 section 9.3); ``data`` is what the host sends with it."""

    endpoint: int
    request: int
    request_type: int
    value: int
    index: int
    length: int
    data: bytes = b""

    @classmethod
    def decode(cls, body: bytes) -> "Request":
        """Read a packet's body."""
        endpoint, request, request_type, _status, value, index, length = _CONTROL.unpack_from(body)
        return cls(endpoint, request, request_type, value, index, length, body[_CONTROL.size :])

    def encode(self, status: Status = Status.SUCCESS) -> bytes:
        """The packet's body, of a request or of its answer."""
        head = (self.endpoint, self.request, self.request_type, status, self.value, self.index, self.length)
        return _CONTROL.pack(*head) + self.data

    def answer(self, data: bytes | None) -> bytes:
        """The body of the answer; None for a request that the device refuses."""
        if self.request_type & INPUT:
            sent = (data or b"")[: self.length]
            answer = dataclasses.replace(self, data=sent, length=len(sent))
        else:
            answer = dataclasses.replace(self, data=b"")
        return answer.encode(Status.STALL if data is None else Status.SUCCESS)


@dataclass(frozen=True)
class Transfer:
    """A bulk transfer.

    :param length: bytes that the host sends, or has room for
    :param data: what it sends
    """

    number: int
    endpoint: int
    length: int
    data: bytes = b""

    @classmethod
    def decode(cls, packet: Packet) -> "Transfer":
        """Read QEMU's packet."""
        endpoint, _status, low, _stream, high = _BULK.unpack_from(packet.body)
        return cls(packet.number, endpoint, high << 16 | low, packet.body[_BULK.size :])

    def answer(self, data: bytes = b"", status: Status = Status.SUCCESS) -> Packet:
        """The packet that ends one towards the host."""
        return Packet(Type.BULK, self.number, self._head(len(data), status) + data)

    def acknowledgement(self) -> Packet:
        """The packet that ends one from the host."""
        return Packet(Type.BULK, self.number, self._head(self.length, Status.SUCCESS))

    def _head(self, length: int, status: Status) -> bytes:
        return _BULK.pack(self.endpoint, status, length & 0xFFFF, 0, length >> 16)


class Parser:
    """Cuts what QEMU sends into packets."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Take some bytes and yield the packets that are complete."""
        self._received += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        # before each side knows what the other is capable of, numbers have 32 bits
        header = _HEADER if self._greeted else _HELLO_HEADER
        if len(self._received) < header.size:
            return None
        kind, length, number = header.unpack_from(self._received)
        end = header.size + length
        if len(self._received) < end:
            return None
        body = bytes(self._received[header.size : end])
        del self._received[:end]
        self._greeted = True
        return Packet(kind, number, body)


def hello(version: str) -> bytes:
    """The first packet of each side, all of it."""
    body = version.encode().ljust(64, b"\0") + struct.pack("<I", CAPABILITIES)
    return _HELLO_HEADER.pack(Type.HELLO, len(body), 0) + body


def device_connect(vendor: int, product: int, device_class: Sequence[int], speed: int) -> Packet:
    """A device is there; comes after its interfaces and endpoints."""
    body = struct.pack("<BBBBHHH", speed, *device_class, vendor, product, 0x0100)
    return Packet(Type.DEVICE_CONNECT, body=body)


def interface_info(classes: Mapping[int, tuple[int, int, int]]) -> Packet:
    """The interfaces by number: class, subclass and protocol of each."""
    rows = [(number, *triple) for number, triple in sorted(classes.items())]
    columns = [bytes(column).ljust(32, b"\0") for column in zip(*rows, strict=True)]
    return Packet(Type.INTERFACE_INFO, body=struct.pack("<I", len(rows)) + b"".join(columns))


def endpoint_info(endpoints: Iterable[Endpoint]) -> Packet:
    """The control endpoint, and these."""
    types, intervals, interfaces, sizes = [NO_ENDPOINT] * 32, [0] * 32, [0] * 32, [0] * 32
    for place in (0, 16):  # endpoints 0 to 15 from the host, then those towards it
        types[place], sizes[place] = CONTROL_TYPE, 64
    for endpoint in endpoints:
        place = (endpoint.address & 0x0F) + (16 if endpoint.address & INPUT else 0)
        types[place], interfaces[place], sizes[place] = endpoint.kind, endpoint.interface, endpoint.packet
        intervals[place] = 1  # QEMU takes no interrupt endpoint without one
    return Packet(Type.EP_INFO, body=struct.pack("<32B32B32B32H", *types, *intervals, *interfaces, *sizes))
