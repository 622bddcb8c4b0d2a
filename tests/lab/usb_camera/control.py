"""The guest's commands: a JSON object a line, and one in answer to each. No I/O.

``{"command": "plug", "port": 1, "serial": "7"}``; the answer is the state of that port, or ``{"error": "…"}``.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .descriptors import MJPEG, Identity
from .firmware import Camera
from .pictures import Fault, jpegs
from .port import Port


class Control:
    """Lets the guest plug, pull and spoil the cameras of its ports.

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
                place.plug(Camera(Identity(**rest)))
            case "unplug":
                place.unplug()
            case "fault":
                _camera(place).set_fault(Fault(rest["kind"]), rest["every"])
            case "state":
                pass
            case _:
                raise ValueError("no such command")
        return _state(place)


def _camera(port: Port) -> Camera:
    if port.camera is None:
        raise ValueError("no camera is plugged in")
    return port.camera


def _state(port: Port) -> dict[str, Any]:
    """Tell what a port has done; ``pictures`` are the SHA-256 of the JPEGs, in their order."""
    camera = port.camera
    if camera is None:
        return {"plugged": False}
    return {
        "plugged": True,
        "frames": camera.frames,
        "spoilt": camera.spoilt,
        "format": "MJPEG" if camera.format == MJPEG else "YUYV",
        "pictures": [hashlib.sha256(jpeg).hexdigest() for jpeg in jpegs()],
    }
