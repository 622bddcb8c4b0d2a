"""A USB port that QEMU redirects to us, with a camera in it or none. No I/O: bytes in, bytes out."""

from collections import deque

from . import descriptors, usbredir
from .firmware import Camera
from .usbredir import Packet, Parser, Request, Status, Transfer, Type


class Port:
    """The other end of QEMU's usb-redir device.

    ``outgoing`` is what it has to send; who sends it clears it.
    """

    def __init__(self) -> None:
        self.camera: Camera | None = None
        self.outgoing = bytearray(usbredir.hello("kvmd-lab"))
        self._parser = Parser()
        self._waiting: deque[Transfer] = deque()
        self._ready = False

    def plug(self, camera: Camera) -> None:
        """Plug a camera in.

        :raise ValueError: there is one, or QEMU has not said hello
        """
        if self.camera is not None:
            raise ValueError("a camera is plugged in already")
        if not self._ready:
            raise ValueError("QEMU is not connected")
        self.camera = camera
        video = descriptors.VIDEO_CLASS
        interfaces = {descriptors.CONTROL_INTERFACE: (video, 1, 0), descriptors.STREAMING_INTERFACE: (video, 2, 0)}
        self._send(usbredir.interface_info(interfaces))
        self._send(usbredir.endpoint_info(descriptors.ENDPOINT, descriptors.STREAMING_INTERFACE, descriptors.PACKET))
        self._send(usbredir.device_connect(*camera.identity.ids, descriptors.DEVICE_CLASS))

    def unplug(self) -> None:
        """Pull the camera out; nothing happens without one."""
        if self.camera is not None:
            self.camera = None
            self._waiting.clear()
            self._send(Packet(Type.DEVICE_DISCONNECT))

    def receive(self, data: bytes) -> None:
        """Take bytes from QEMU and answer what they complete."""
        for packet in self._parser.feed(data):
            if packet.type == Type.HELLO:
                self._ready = True
            elif self.camera is not None:
                # without one, after a pull, QEMU may have sent something that it did not know to be in vain
                self._answer(packet, self.camera)

    @property
    def due(self) -> float:
        """When :meth:`stream` has something to say; see ``Camera.due``."""
        return self.camera.due if self.camera and self._waiting else float("inf")

    def stream(self, now: float) -> None:
        """Send what the camera has to send now, as far as the host waits for it."""
        while self.camera and self.due <= now:
            transfer = self._waiting.popleft()
            if self.camera.halted:
                self._send(transfer.answer(status=Status.STALL))
            else:
                self._send(transfer.answer(self.camera.payload(transfer.length, now)))

    def _send(self, packet: Packet) -> None:
        self.outgoing += packet.encode()

    def _answer(self, packet: Packet, camera: Camera) -> None:
        number, body = packet.number, packet.body
        match packet.type:
            case Type.CONTROL:
                request = Request.decode(body)
                self._send(Packet(Type.CONTROL, number, request.answer(camera.control(request))))
            case Type.BULK:
                self._waiting.append(Transfer.decode(packet))
            case Type.CANCEL_DATA:
                self._cancel(number)
            case Type.RESET:
                self._waiting.clear()
                camera.restart()
            # there is one configuration, and one setting of each interface
            case Type.SET_CONFIGURATION | Type.GET_CONFIGURATION:
                self._send(Packet(Type.CONFIGURATION_STATUS, number, bytes([Status.SUCCESS, 1])))
            case Type.SET_ALT_SETTING | Type.GET_ALT_SETTING:
                self._send(Packet(Type.ALT_SETTING_STATUS, number, bytes([Status.SUCCESS, body[0], 0])))

    def _cancel(self, number: int) -> None:
        for transfer in [each for each in self._waiting if each.number == number]:
            self._waiting.remove(transfer)
            self._send(transfer.answer(status=Status.CANCELLED))
