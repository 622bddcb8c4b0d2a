"""The camera itself: answers control requests and cuts its pictures into payloads."""

import hashlib
from typing import Any, ClassVar

from .. import usbredir
from ..device import TYPE_MASK, Device
from ..usbredir import BULK, Endpoint, Request
from . import descriptors
from .descriptors import MAX_PAYLOAD, MJPEG, YUYV, Identity
from .pictures import Fault, jpegs, raws, spoil

# requests of UVC table A-8, their type, and selectors of table A-15
SET_CUR, GET_LEN, GET_INFO = 0x01, 0x85, 0x86
CLASS_TYPE = 0x20
PROBE, COMMIT = 1, 2

# bits of a payload's header, UVC table 2-5
FRAME_ID, END_OF_FRAME, END_OF_HEADER = 0x01, 0x02, 0x80


class Camera(Device):
    """A camera that somebody plugged in."""

    speed = usbredir.HIGH_SPEED
    device_class = descriptors.DEVICE_CLASS
    interfaces: ClassVar = {
        descriptors.CONTROL_INTERFACE: (descriptors.VIDEO_CLASS, 1, 0),
        descriptors.STREAMING_INTERFACE: (descriptors.VIDEO_CLASS, 2, 0),
    }
    endpoints = (Endpoint(descriptors.ENDPOINT, BULK, descriptors.STREAMING_INTERFACE, descriptors.PACKET),)

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.usb_id = identity.usb_id
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
        """When it has something to send, in seconds of the clock that :meth:`read` is given."""
        if self.fault is Fault.STALL:
            return float("inf")
        return 0.0 if self._rest or self.halted else self._due

    def descriptor(self, kind: int, index: int) -> bytes | None:
        """See Device."""
        return descriptors.descriptor(self.identity, kind, index)

    def own_request(self, request: Request) -> bytes | None:
        """Negotiate what is streamed (UVC section 4.3.1); all that can be chosen is the format."""
        if request.request_type & TYPE_MASK != CLASS_TYPE or request.index & 0xFF != descriptors.STREAMING_INTERFACE:
            return None
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

    def obey(self, command: str, **rest: Any) -> None:
        """Make something wrong: ``fault``, with ``kind`` and ``every``."""
        if command != "fault":
            raise ValueError(f"no such command: {command}")
        self.set_fault(Fault(rest["kind"]), rest["every"])

    def state(self) -> dict[str, Any]:
        """Tell what it has done; ``pictures`` are the SHA-256 of the JPEGs, in their order."""
        return {
            "frames": self.frames,
            "spoilt": self.spoilt,
            "format": "MJPEG" if self.format == MJPEG else "YUYV",
            "pictures": [hashlib.sha256(jpeg).hexdigest() for jpeg in jpegs()],
        }

    def read(self, room: int, now: float) -> bytes | None:
        """Return the next payload: a header of two bytes and a piece of a picture; None if halted."""
        if self.halted:
            return None
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
        """Begin with a new picture; clearing the endpoint is how Linux and Windows tell that the stream has stopped."""
        self._rest = b""
        if self.halted:
            self.fault = Fault.NONE

    def close(self) -> None:
        """See Device."""

    def _next_picture(self) -> bytes:
        pictures = jpegs() if self.format == MJPEG else raws()
        picture = pictures[self.frames % len(pictures)]
        if self.fault is Fault.NONE or self.frames % self._every:
            return picture
        self.spoilt += 1
        return spoil(picture, self.fault)

    def _choose(self, selector: int, format_index: int) -> None:
        self._probed = format_index if format_index in (MJPEG, YUYV) else MJPEG
        if selector == COMMIT:
            self.format = self._probed
