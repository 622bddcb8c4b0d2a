"""The camera itself: answers control requests and cuts its pictures into payloads. No I/O, no clock of its own."""

from . import descriptors
from .descriptors import MAX_PAYLOAD, MJPEG, YUYV, Identity
from .pictures import Fault, jpegs, raws, spoil
from .usbredir import INPUT, Request

# requests of USB 2.0 table 9-4 and UVC table A-8
GET_STATUS, CLEAR_FEATURE, GET_DESCRIPTOR = 0x00, 0x01, 0x06
SET_CUR, GET_LEN, GET_INFO = 0x01, 0x85, 0x86
# UVC table A-15
PROBE, COMMIT = 1, 2
STANDARD, CLASS_TYPE = 0x00, 0x20
TYPE_MASK = 0x60

# bits of a payload's header, UVC table 2-5
FRAME_ID, END_OF_FRAME, END_OF_HEADER = 0x01, 0x02, 0x80


class Camera:
    """A camera that somebody plugged in."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.fault = Fault.NONE
        self.format = MJPEG
        self.frames = 0
        """Pictures that were sent, to their end."""
        self.spoilt = 0
        """How many of them had a fault."""
        self._every = 1
        self._probed = MJPEG
        self._rest = b""
        self._due = 0.0

    def set_fault(self, fault: Fault, every: int) -> None:
        """Make something wrong from now on.

        :param every: where pictures are spoilt: 1 spoils all of them, 2 every second, and so on
        """
        self.fault = fault
        self._every = every

    @property
    def halted(self) -> bool:
        """Whether the endpoint refuses transfers."""
        return self.fault is Fault.HALT

    @property
    def due(self) -> float:
        """When it has something to send, in seconds of the clock that :meth:`payload` is given."""
        if self.fault is Fault.STALL:
            return float("inf")
        return 0.0 if self._rest or self.halted else self._due

    def control(self, request: Request) -> bytes | None:
        """Answer a request; None to refuse it. What the host sends is acknowledged by no bytes."""
        kind = request.request_type & TYPE_MASK
        if kind == STANDARD:
            return self._standard(request)
        if kind == CLASS_TYPE and request.index & 0xFF == descriptors.STREAMING_INTERFACE:
            return self._stream_control(request)
        return None

    def payload(self, room: int, now: float) -> bytes:
        """Return the next payload: a header of two bytes and a piece of a picture.

        :param room: bytes that the host has room for
        """
        if not self._rest:
            self._rest = self._next_picture()
            interval = 1 / self.identity.rate
            # what the host was too slow for is not made up for
            self._due = max(self._due + interval, now)
        size = min(room, MAX_PAYLOAD) - 2
        piece, self._rest = self._rest[:size], self._rest[size:]
        flags = END_OF_HEADER | (self.frames & 1) * FRAME_ID
        if not self._rest:
            flags |= END_OF_FRAME
            self.frames += 1
        return bytes([2, flags]) + piece

    def restart(self) -> None:
        """Begin with a new picture: the bus was reset, or the host has stopped the stream."""
        self._rest = b""
        if self.halted:
            self.fault = Fault.NONE

    def _next_picture(self) -> bytes:
        pictures = jpegs() if self.format == MJPEG else raws()
        picture = pictures[self.frames % len(pictures)]
        if self.fault is Fault.NONE or self.frames % self._every:
            return picture
        self.spoilt += 1
        return spoil(picture, self.fault)

    def _standard(self, request: Request) -> bytes | None:
        if request.request == GET_DESCRIPTOR:
            return descriptors.descriptor(self.identity, request.value >> 8, request.value & 0xFF)
        if request.request == GET_STATUS:
            return bytes(2)
        if request.request == CLEAR_FEATURE and request.index == descriptors.ENDPOINT:
            # how Linux and Windows tell a camera with a bulk endpoint that the stream has stopped
            self.restart()
        return None if request.request_type & INPUT else b""

    def _stream_control(self, request: Request) -> bytes | None:
        """UVC section 4.3.1; all that can be chosen is the format."""
        selector = request.value >> 8
        if selector not in (PROBE, COMMIT):
            return None
        if request.request == SET_CUR:
            self._choose(selector, request.data[2])
            return b""
        if request.request == GET_INFO:
            return b"\x03"  # can be got and set
        control = descriptors.stream_control(self._probed, self.identity.rate)
        return len(control).to_bytes(2, "little") if request.request == GET_LEN else control

    def _choose(self, selector: int, format_index: int) -> None:
        self._probed = format_index if format_index in (MJPEG, YUYV) else MJPEG
        if selector == COMMIT:
            self.format = self._probed
