"""A USB port that QEMU redirects to us, with a device in it or none. No I/O with QEMU: bytes in, bytes out."""

from collections import deque

from . import usbredir
from .device import Device
from .usbredir import INPUT, Packet, Parser, Request, Status, Transfer, Type


class Port:
    """The other end of QEMU's usb-redir device.

    ``outgoing`` is what it has to send; who sends it clears it.
    """

    def __init__(self) -> None:
        self.device: Device | None = None
        self.outgoing = bytearray(usbredir.hello("kvmd-lab"))
        self._parser = Parser()
        self._waiting: deque[Transfer] = deque()
        self._ready = False

    def plug(self, device: Device) -> None:
        """Plug a device in.

        :raise ValueError: there is one, or QEMU has not said hello
        """
        if self.device is not None:
            raise ValueError("something is plugged in already")
        if not self._ready:
            raise ValueError("QEMU is not connected")
        self.device = device
        self._send(usbredir.interface_info(device.interfaces))
        self._send(usbredir.endpoint_info(device.endpoints))
        self._send(usbredir.device_connect(*device.ids, device.device_class, device.speed))

    def unplug(self) -> None:
        """Pull the device out; nothing happens without one."""
        if self.device is not None:
            self.device.close()
            self.device = None
            self._waiting.clear()
            self._send(Packet(Type.DEVICE_DISCONNECT))

    def receive(self, data: bytes) -> None:
        """Take bytes from QEMU and answer what they complete."""
        for packet in self._parser.feed(data):
            if packet.type == Type.HELLO:
                self._ready = True
            elif self.device is not None:
                # without one, after a pull, QEMU may have sent something that it did not know to be in vain
                self._answer(packet, self.device)

    @property
    def due(self) -> float:
        """When :meth:`stream` has something to say; see ``Device.due``."""
        return self.device.due if self.device and self._waiting else float("inf")

    def stream(self, now: float) -> None:
        """Send what the device has to send now, as far as the host waits for it."""
        while self.device and self.due <= now:
            data = self.device.read(self._waiting[0].length, now)
            if data is None:
                self._send(self._waiting.popleft().answer(status=Status.STALL))
            elif data:
                self._send(self._waiting.popleft().answer(data))

    def _send(self, packet: Packet) -> None:
        self.outgoing += packet.encode()

    def _answer(self, packet: Packet, device: Device) -> None:
        number, body = packet.number, packet.body
        match packet.type:
            case Type.CONTROL:
                request = Request.decode(body)
                self._send(Packet(Type.CONTROL, number, request.answer(device.control(request))))
            case Type.BULK:
                self._transfer(Transfer.decode(packet), device)
            case Type.START_INTERRUPT_RECEIVING | Type.STOP_INTERRUPT_RECEIVING:  # there is never anything
                self._send(Packet(Type.INTERRUPT_RECEIVING_STATUS, number, bytes([Status.SUCCESS, body[0]])))
            case Type.CANCEL_DATA:
                self._cancel(number)
            case Type.RESET:
                self._waiting.clear()
                device.restart()
            # there is one configuration, and one setting of each interface
            case Type.SET_CONFIGURATION | Type.GET_CONFIGURATION:
                self._send(Packet(Type.CONFIGURATION_STATUS, number, bytes([Status.SUCCESS, 1])))
            case Type.SET_ALT_SETTING | Type.GET_ALT_SETTING:
                self._send(Packet(Type.ALT_SETTING_STATUS, number, bytes([Status.SUCCESS, body[0], 0])))

    def _transfer(self, transfer: Transfer, device: Device) -> None:
        if transfer.endpoint & INPUT:
            self._waiting.append(transfer)
        else:
            device.write(transfer.data)
            self._send(transfer.acknowledgement())

    def _cancel(self, number: int) -> None:
        for transfer in [each for each in self._waiting if each.number == number]:
            self._waiting.remove(transfer)
            self._send(transfer.answer(status=Status.CANCELLED))
