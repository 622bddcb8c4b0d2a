"""A relay board that is a HID device, driven by the kernel's usbhid; its firmware is built on V-USB.

The report descriptor is that of V-USB's example of data over HID: a vendor's page, one feature report of eight bytes
without a number. What the reports mean is what public clients use.
"""

from typing import Any, ClassVar

from . import device as usb
from . import usbredir
from .device import Device, block, u16
from .usbredir import INTERRUPT, Endpoint, Request

HID, REPORT = 0x21, 0x22
GET_REPORT, SET_REPORT, SET_IDLE = (0xA1, 0x01), (0x21, 0x09), (0x21, 0x0A)
FEATURE = 0x03
STATE = FEATURE << 8 | 1
COMMAND = FEATURE << 8

REPORT_DESCRIPTOR = bytes.fromhex("06 00ff 09 01 a1 01 15 00 26 ff00 75 08 95 08 09 00 b2 0201 c0")
MANUFACTURER = "www.dcttech.com"
EVENTS = 0x81


class HidRelay(Device):
    """A board that somebody plugged in, with all relays open.

    :param relays: how many it has
    :param product: its name; by default USBRelay and their number
    """

    usb_id = "16c0:05df"
    speed = usbredir.FULL_SPEED
    device_class = (0, 0, 0)
    interfaces: ClassVar = {0: (3, 0, 0)}
    endpoints = (Endpoint(EVENTS, INTERRUPT, 0, 8),)

    def __init__(self, relays: int = 2, product: str = "") -> None:
        self.closed: set[int] = set()
        self.log: list[tuple[int, bool]] = []
        """Every time a relay moved: which, and whether it closed."""
        self._relays = range(1, relays + 1)
        self._product = product or f"USBRelay{relays}"
        self._stuck = False

    @property
    def due(self) -> float:
        """See Device; it never has anything."""
        return float("inf")

    def read(self, room: int, now: float) -> bytes | None:
        """See Device."""
        raise NotImplementedError

    def descriptor(self, kind: int, index: int) -> bytes | None:
        """See Device."""
        if kind == usb.STRING:
            texts = {0: block(usb.STRING, usb.ENGLISH), 1: usb.string(MANUFACTURER), 2: usb.string(self._product)}
            return texts.get(index)
        descriptors = {usb.DEVICE: self._device(), usb.CONFIGURATION: self._configuration(), HID: _hid()}
        return (descriptors | {REPORT: REPORT_DESCRIPTOR}).get(kind)

    def own_request(self, request: Request) -> bytes | None:
        """Switch a relay, or tell how they stand (HID 1.11 section 7.2)."""
        match (request.request_type, request.request), request.value:
            case (kind, value) if kind == GET_REPORT and value == STATE:
                return (b"QWERT\0\0" + bytes((sum(1 << relay - 1 for relay in self.closed),)))[: request.length]
            case (kind, value) if kind == SET_REPORT and value == COMMAND:
                return self._obey_report(request.data)
            case (kind, _) if kind == SET_IDLE:
                return b""
        return None

    def restart(self) -> None:
        """See Device; relays stay as they are."""

    def obey(self, command: str, **_rest: Any) -> None:
        """Let the relays stick from now on: ``stick``."""
        if command != "stick":
            raise ValueError(f"no such command: {command}")
        self._stuck = True

    def state(self) -> dict[str, Any]:
        """Tell which relays are closed, and how they moved."""
        return {"closed": sorted(self.closed), "log": self.log}

    def close(self) -> None:
        """See Device."""

    def _obey_report(self, report: bytes) -> bytes | None:
        if len(report) != 8 or report[0] not in {0xFD, 0xFF} or report[1] not in self._relays:
            return None
        relay, closed = report[1], report[0] == 0xFF
        if closed != (relay in self.closed) and not self._stuck:
            self.closed ^= {relay}
            self.log.append((relay, closed))
        return b""

    def _device(self) -> bytes:
        return block(usb.DEVICE, u16(0x0110), bytes(self.device_class), 8, *map(u16, self.ids), u16(0x0100), 1, 2, 0, 1)

    def _configuration(self) -> bytes:
        ends = (block(usb.ENDPOINT, each.address, each.kind, u16(each.packet), 20) for each in self.endpoints)
        interface = block(usb.INTERFACE, 0, 0, len(self.endpoints), *self.interfaces[0], 0)
        return usb.configuration(1, 20, interface + _hid() + b"".join(ends))


def _hid() -> bytes:
    """The HID descriptor (HID 1.11 section 6.2.1)."""
    return block(HID, u16(0x0101), 0, 1, REPORT, u16(len(REPORT_DESCRIPTOR)))
