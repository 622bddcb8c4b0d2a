"""The guest's commands: a JSON object a line, and one in answer to each.

``{"command": "plug", "port": 1, "device": "camera", "serial": "7"}``, ``unplug``, ``state``, and those that the device
itself knows; the answer is the state of that port, or ``{"error": "…"}``.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from .camera.descriptors import Identity
from .camera.firmware import Camera
from .ch340 import Ch340, Loop
from .ch9329 import Ch9329
from .device import Device
from .hid_relay import HidRelay
from .lcus import Lcus
from .port import Port

DEVICES: dict[str, Callable[..., Device]] = {
    "camera": lambda **identity: Camera(Identity(**identity)),
    "ch9329": lambda **chip: Ch340(Ch9329(**chip)),
    "hid_relay": HidRelay,
    "lcus": lambda: Ch340(Lcus()),
    "loop": lambda: Ch340(Loop()),
}


class Control:
    """Lets the guest plug and pull devices at its ports, and do things to them.

    ``outgoing`` is what it has to answer; who sends it clears it.
    """

    def __init__(self, ports: Mapping[int, Port]) -> None:
        self.outgoing = bytearray()
        self._ports = ports
        self._received = b""

    def receive(self, data: bytes) -> None:
        """Take bytes from the guest and obey what they complete."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            try:
                answer = self._obey(**json.loads(line))
            except (KeyError, TypeError, ValueError) as error:
                answer = {"error": f"{line.decode(errors='replace')}: {type(error).__name__}: {error}"}
            self.outgoing += json.dumps(answer).encode() + b"\n"

    def _obey(self, command: str, port: int, **rest: Any) -> dict[str, Any]:
        place = self._ports[port]
        match command:
            case "plug":
                _plug(place, DEVICES[rest.pop("device")](**rest))
            case "unplug":
                place.unplug()
            case "state":
                pass
            case _ if place.device is None:
                raise ValueError("nothing is plugged in")
            case _:
                place.device.obey(command, **rest)
        return {"plugged": False} if place.device is None else {"plugged": True, **place.device.state()}


def _plug(port: Port, device: Device) -> None:
    try:
        port.plug(device)
    except ValueError:
        device.close()
        raise
