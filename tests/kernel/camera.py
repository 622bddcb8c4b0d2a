"""A USB camera that can be plugged, pulled and spoilt: an emulated HDMI dongle behind the kernel's own uvcvideo.

The device is served by the host's side of the lab, tests/lab/usb/camera/.
"""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.lab.usb.camera.descriptors import Identity
from tests.lab.usb.camera.pictures import COLOURS, Fault

from .usb_ports import CONTROLLER, UsbPorts
from .viewer import Part
from .waiting import eventually, run, settle

# pytest's tests take what they need from here
__all__ = ["COLOURS", "Camera", "Fault", "Identity", "camera", "colour"]

NEAR = 8
"""How far a colour may be off, of 255, after JPEG."""


class Camera:
    """Cameras in the guest's two USB ports, 1 and 2."""

    def __init__(self, ports: UsbPorts) -> None:
        self._ports = ports

    def plug(self, port: int = 1, **identity: Any) -> Path:
        """Plug a camera in and wait for its node.

        :param identity: what of ``Identity`` is to be different: ``usb_id``, ``serial``, ``product``, ``rate``
        :return: the node that captures
        """
        self.plug_briefly(port, **identity)
        return self.node(port)

    def plug_briefly(self, port: int = 1, **identity: Any) -> None:
        """Plug a camera in without waiting for anything."""
        self._ports.plug(port, "camera", **identity)

    def unplug(self, port: int = 1) -> None:
        """Pull a camera out; does not wait. Nothing happens without one."""
        self._ports.unplug(port)

    def remove(self, port: int = 1) -> None:
        """Pull a camera out, and wait until it is gone."""
        self.unplug(port)
        eventually(lambda: not self.nodes(port), f"the camera in port {port} to be gone")

    def fault(self, fault: Fault, port: int = 1, every: int = 1) -> None:
        """Make something wrong with it from now on, or all well again with ``Fault.NONE``.

        :param every: where pictures are spoilt: 1 spoils all of them, 2 every second, and so on
        """
        self._ports.command("fault", port, kind=fault.value, every=every)

    def state(self, port: int = 1) -> dict[str, Any]:
        """What the camera has done: see ``Camera.state`` of tests/lab/usb/camera/firmware.py."""
        return self._ports.command("state", port)

    def node(self, port: int = 1) -> Path:
        """The node that captures, once it is there; the other of the two has metadata."""
        found = eventually(lambda: self._settled(port), f"both nodes of the camera in port {port}")
        return found[0]

    def _settled(self, port: int) -> list[Path]:
        """Both nodes, once udev has dealt with what was pulled out before, and with these."""
        settle()
        found = self.nodes(port)
        return found if len(found) == 2 else []

    def nodes(self, port: int = 1) -> list[Path]:
        """The nodes of the camera in a port, by their index: the one that captures, and the one with metadata."""
        found = {}
        for entry in CONTROLLER.glob(f"*/usb*/*-{port}/*/video4linux/video*"):
            with contextlib.suppress(OSError):  # it has just gone
                found[int((entry / "index").read_text())] = Path("/dev") / entry.name
        return [found[index] for index in sorted(found)]


@pytest.fixture
def camera(usb_ports: UsbPorts) -> Camera:
    """USB ports for cameras, empty at first and in the end."""
    run("modprobe", "uvcvideo")
    return Camera(usb_ports)


def colour(part: Part) -> int | None:
    """Which of ``COLOURS`` the upper half of a picture has; None for none of them, as in a slate."""
    seen = part.pixel(320, 120)
    near = (max(abs(a - b) for a, b in zip(seen, each, strict=True)) <= NEAR for each in COLOURS)
    return next((number for number, is_near in enumerate(near) if is_near), None)
