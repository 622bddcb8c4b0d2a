"""A USB camera that can be plugged, pulled and spoilt: an emulated HDMI dongle behind the kernel's own uvcvideo.

The device is served by the host's side of the lab, tests/lab/usb_camera/.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.lab.usb_camera.descriptors import Identity
from tests.lab.usb_camera.pictures import COLOURS, Fault
from tests.lab.usb_camera.service import CONTROL, PORTS

from .waiting import eventually, run

CONTROLLER = Path("/sys/bus/pci/drivers/xhci_hcd")

# pytest's tests take what they need from here
__all__ = ["COLOURS", "Camera", "Fault", "Identity", "camera"]


class Camera:
    """Two USB ports of the guest, 1 and 2, and what is plugged into them.

    :param line: the virtio port on which the lab is commanded
    """

    def __init__(self, line: BinaryIO) -> None:
        self._line = line

    def plug(self, port: int = 1, **identity: Any) -> Path:
        """Plug a camera in and wait for its node.

        :param identity: what of ``Identity`` is to be different: ``usb_id``, ``serial``, ``product``, ``rate``
        :return: the node that captures
        """
        self.plug_briefly(port, **identity)
        return self.node(port)

    def plug_briefly(self, port: int = 1, **identity: Any) -> None:
        """Plug a camera in without waiting for anything."""
        self.command("plug", port, **identity)

    def unplug(self, port: int = 1) -> None:
        """Pull a camera out; does not wait. Nothing happens without one."""
        self.command("unplug", port)

    def fault(self, fault: Fault, port: int = 1, every: int = 1) -> None:
        """Make something wrong with it from now on, or all well again with ``Fault.NONE``.

        :param every: where pictures are spoilt: 1 spoils all of them, 2 every second, and so on
        """
        self.command("fault", port, kind=fault.value, every=every)

    def state(self, port: int = 1) -> dict[str, Any]:
        """What the camera has done: see ``tests/lab/usb_camera/control.py``."""
        return self.command("state", port)

    def node(self, port: int = 1) -> Path:
        """The node that captures, once it is there; the other of the two has metadata."""
        eventually(lambda: len(self.nodes(port)) == 2, f"both nodes of the camera in port {port}", timeout=60)
        run("udevadm", "settle")
        return self.nodes(port)[0]

    def nodes(self, port: int = 1) -> list[Path]:
        """The nodes of the camera in a port, by their index: the one that captures, and the one with metadata."""
        found = {}
        for entry in CONTROLLER.glob(f"*/usb*/*-{port}/*/video4linux/video*"):
            with contextlib.suppress(OSError):  # it has just gone
                found[int((entry / "index").read_text())] = Path("/dev") / entry.name
        return [found[index] for index in sorted(found)]

    def command(self, command: str, port: int, **rest: Any) -> dict[str, Any]:
        """Have the lab do something; return its answer.

        :raise RuntimeError: it refuses, and says why
        """
        self._line.write(json.dumps({"command": command, "port": port, **rest}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._line.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@pytest.fixture
def camera() -> Iterator[Camera]:
    """USB ports for cameras, empty at first and in the end."""
    # udev must not load it for tests that want no USB: it is on the kernel's command line
    run("modprobe", "--all", "xhci_pci", "uvcvideo")
    with Path("/dev/virtio-ports", CONTROL).open("r+b", buffering=0) as line:
        ports = Camera(line)
        yield ports
        for port in PORTS:
            ports.unplug(port)
        eventually(lambda: not any(ports.nodes(port) for port in PORTS), "the cameras to be gone")
