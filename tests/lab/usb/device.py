"""A USB device: what a port asks of it, and the standard requests, which all answer alike (USB 2.0 chapter 9)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .usbredir import INPUT, Endpoint, Request

# table 9-5
DEVICE, CONFIGURATION, STRING, INTERFACE, ENDPOINT, QUALIFIER = 1, 2, 3, 4, 5, 6

ENGLISH = b"\x09\x04"

# table 9-4, and the bits of a request's type that say whose it is
GET_STATUS, CLEAR_FEATURE, GET_DESCRIPTOR = 0x00, 0x01, 0x06
STANDARD, TYPE_MASK = 0x00, 0x60
TO_ENDPOINT = 0x02
"""The type of a standard request that is for an endpoint."""


class Device(ABC):
    """Something that can be plugged in. No I/O with the host, no clock of its own."""

    speed: ClassVar[int]
    device_class: ClassVar[tuple[int, int, int]]
    """Class, subclass and protocol."""
    interfaces: ClassVar[Mapping[int, tuple[int, int, int]]]
    """Class, subclass and protocol of each interface."""
    endpoints: ClassVar[Sequence[Endpoint]]
    """At most one is bulk and towards the host."""

    usb_id: str

    @property
    def ids(self) -> tuple[int, int]:
        """Vendor and product as numbers."""
        vendor, product = self.usb_id.split(":")
        return int(vendor, 16), int(product, 16)

    @property
    @abstractmethod
    def due(self) -> float:
        """When :meth:`read` may have something, in seconds of the clock that it is given."""

    @abstractmethod
    def read(self, room: int, now: float) -> bytes | None:
        """Return what goes to the host now, nothing, or None to refuse the transfer.

        :param room: bytes that the host has room for
        """

    def write(self, data: bytes) -> None:
        """Take what the host sends."""
        raise NotImplementedError

    @abstractmethod
    def descriptor(self, kind: int, index: int) -> bytes | None:
        """Return what GET_DESCRIPTOR asks for; None if there is no such."""

    @abstractmethod
    def own_request(self, request: Request) -> bytes | None:
        """Answer a request of its class or vendor; None to refuse it."""

    @abstractmethod
    def restart(self) -> None:
        """Forget what is under way: the bus was reset, or the host has cleared an endpoint."""

    @abstractmethod
    def obey(self, command: str, **rest: Any) -> None:
        """Do what the guest's tests say.

        :raise ValueError: it knows no such command
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Tell the guest's tests how things stand."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it has; it was pulled out."""

    def control(self, request: Request) -> bytes | None:
        """Answer a control request; None to refuse it. What the host sends is acknowledged by no bytes."""
        if request.request_type & TYPE_MASK != STANDARD:
            return self.own_request(request)
        if request.request == GET_DESCRIPTOR:
            return self.descriptor(request.value >> 8, request.value & 0xFF)
        if request.request == GET_STATUS:
            return bytes(2)
        if request.request == CLEAR_FEATURE and request.request_type == TO_ENDPOINT:
            self.restart()
        return None if request.request_type & INPUT else b""


def configuration(interfaces: int, milliamperes: int, body: bytes) -> bytes:
    """The configuration descriptor with all that belongs to it (section 9.6.3)."""
    return block(CONFIGURATION, u16(9 + len(body)), interfaces, 1, 0, 0x80, milliamperes // 2) + body


def string(text: str) -> bytes:
    """A string descriptor (section 9.6.7)."""
    return block(STRING, text.encode("utf-16le"))


def block(*parts: int | bytes) -> bytes:
    """A descriptor: its length, and then its bytes."""
    body = b"".join(part if isinstance(part, bytes) else bytes([part]) for part in parts)
    return bytes([1 + len(body)]) + body


def u16(value: int) -> bytes:
    """Two bytes, the low one first."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four bytes, the lowest first."""
    return value.to_bytes(4, "little")
