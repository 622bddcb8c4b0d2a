"""Two USB ports of the guest, into which the host's side of the lab plugs devices: tests/lab/usb/."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.lab.usb import CONTROL, PORTS

from .waiting import eventually, run

CONTROLLER = Path("/sys/bus/pci/drivers/xhci_hcd")


class UsbPorts:
    """The ports, 1 and 2.

    :param line: the virtio port on which the lab is commanded
    """

    def __init__(self, line: BinaryIO) -> None:
        self._line = line

    def plug(self, port: int, device: str, **rest: Any) -> None:
        """Plug something in; does not wait.

        :param device: one of ``DEVICES`` in tests/lab/usb/control.py, and what else it takes
        """
        self.command("plug", port, device=device, **rest)

    def unplug(self, port: int) -> None:
        """Pull it out; does not wait. Nothing happens without it."""
        self.command("unplug", port)

    def command(self, command: str, port: int, **rest: Any) -> dict[str, Any]:
        """Have the lab do something; return how things stand at the port.

        :raise RuntimeError: it refuses, and says why
        """
        self._line.write(json.dumps({"command": command, "port": port, **rest}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._line.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@pytest.fixture
def usb_ports() -> Iterator[UsbPorts]:
    """USB ports, empty at first and in the end."""
    # udev must not load it for tests that want no USB: it is on the kernel's command line
    run("modprobe", "xhci_pci")
    with Path("/dev/virtio-ports", CONTROL).open("r+b", buffering=0) as line:
        ports = UsbPorts(line)
        yield ports
        for port in PORTS:
            ports.unplug(port)
        eventually(lambda: not list(CONTROLLER.glob("*/usb*/*-[0-9]")), "the devices to be gone")
