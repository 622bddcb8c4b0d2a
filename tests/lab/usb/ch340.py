"""WCH's CH340: a USB device with a serial line behind it, driven by the kernel's ch341.

What it is asked, and its registers, are not documented by WCH; they are what Linux' drivers/usb/serial/ch341.c uses.
"""

from typing import Any, ClassVar, Protocol

from . import device as usb
from . import usbredir
from .device import Device, block, u16
from .usbredir import BULK, INTERRUPT, Endpoint, Request

READ_VERSION, READ_REGISTERS, WRITE_REGISTERS, MODEM_CONTROL = 0x5F, 0x95, 0x9A, 0xA4
VERSION = 0x31
PRESCALER, DIVISOR, MODEM_STATUS = 0x12, 0x13, 0x06
CLOCK = 48_000_000
DTR, RTS = 0x20, 0x40

OUT, IN, EVENTS = 0x02, 0x82, 0x81
PACKET = 32

INTERVAL = 0.005
"""Seconds from one look at the line to the next."""


class Line(Protocol):
    """What the adapter's serial pins are connected to."""

    def tune(self, baud: float) -> None:
        """Hear and talk at so many bits a second from now on."""

    def read(self) -> bytes:
        """Return what has come in."""

    def write(self, data: bytes) -> None:
        """Send."""

    def obey(self, command: str, **rest: Any) -> None:
        """See ``Device.obey``."""

    def state(self) -> dict[str, Any]:
        """See ``Device.state``."""

    def close(self) -> None:
        """Let go of what it has."""


class Loop:
    """A wire from one pin to the other: what is sent comes back."""

    def __init__(self) -> None:
        self._under_way = b""

    def tune(self, baud: float) -> None:
        """See Line; any speed is fine."""

    def read(self) -> bytes:
        """See Line."""
        data, self._under_way = self._under_way, b""
        return data

    def write(self, data: bytes) -> None:
        """See Line."""
        self._under_way += data

    def obey(self, command: str, **_rest: Any) -> None:
        """See Line."""
        raise ValueError(f"no such command: {command}")

    def state(self) -> dict[str, Any]:
        """See Line."""
        return {}

    def close(self) -> None:
        """See Line."""


class Ch340(Device):
    """An adapter that somebody plugged in; it has no serial number, as real ones have none.

    :param line: what its pins are connected to
    """

    usb_id = "1a86:7523"
    speed = usbredir.FULL_SPEED
    device_class = (0xFF, 0, 0)
    interfaces: ClassVar = {0: (0xFF, 1, 2)}
    endpoints = (Endpoint(IN, BULK, 0, PACKET), Endpoint(OUT, BULK, 0, PACKET), Endpoint(EVENTS, INTERRUPT, 0, 8))

    def __init__(self, line: Line) -> None:
        self.baud = 0.0
        self.dtr = self.rts = False
        self._line = line
        self._registers = dict.fromkeys(range(256), 0) | {MODEM_STATUS: 0xFF}
        self._came = b""
        self._due = 0.0

    @property
    def due(self) -> float:
        """See Device."""
        return 0.0 if self._came else self._due

    def read(self, room: int, now: float) -> bytes:
        """Return what has come in on the line."""
        if not self._came:
            self._came = self._line.read()
            self._due = now + INTERVAL
        data, self._came = self._came[:room], self._came[room:]
        return data

    def write(self, data: bytes) -> None:
        """Send it on the line."""
        self._line.write(data)

    def descriptor(self, kind: int, index: int) -> bytes | None:
        """See Device."""
        if kind == usb.STRING:
            return {0: block(usb.STRING, usb.ENGLISH), 2: usb.string("USB Serial")}.get(index)
        return {usb.DEVICE: self._device(), usb.CONFIGURATION: self._configuration()}.get(kind)

    def own_request(self, request: Request) -> bytes | None:
        """Answer a request of the vendor's; those that are not known are taken, and do nothing."""
        low, high = request.value & 0xFF, request.value >> 8
        if request.request == READ_VERSION:
            return bytes((VERSION, 0))
        if request.request == READ_REGISTERS:
            return bytes((self._registers[low], self._registers[high]))
        if request.request == WRITE_REGISTERS:
            self._registers |= {low: request.index & 0xFF, high: request.index >> 8}
            if PRESCALER in {low, high}:
                self._tune()
        elif request.request == MODEM_CONTROL:
            self.dtr, self.rts = (not request.value & pin for pin in (DTR, RTS))
        return b""

    def restart(self) -> None:
        """See Device."""
        self._came = b""

    def obey(self, command: str, **rest: Any) -> None:
        """Have what is at the other end of the line obey."""
        self._line.obey(command, **rest)

    def state(self) -> dict[str, Any]:
        """Tell how the line stands, and what is at its other end."""
        return {"baud": self.baud, "dtr": self.dtr, "rts": self.rts, **self._line.state()}

    def close(self) -> None:
        """See Device."""
        self._line.close()

    def _tune(self) -> None:
        prescaler, divisor = self._registers[PRESCALER], 0x100 - self._registers[DIVISOR]
        self.baud = CLOCK / (1 << (12 - 3 * (prescaler & 3) - (prescaler >> 2 & 1))) / divisor
        self._line.tune(self.baud)

    def _device(self) -> bytes:
        return block(usb.DEVICE, u16(0x0110), bytes(self.device_class), 8, *map(u16, self.ids), u16(0x0254), 0, 2, 0, 1)

    def _configuration(self) -> bytes:
        ends = (block(usb.ENDPOINT, each.address, each.kind, u16(each.packet), 1) for each in self.endpoints)
        interface = block(usb.INTERFACE, 0, 0, len(self.endpoints), *self.interfaces[0], 0)
        return usb.configuration(1, 96, interface + b"".join(ends))
