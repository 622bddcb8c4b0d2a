"""A CH9329 behind a CH340 that can be plugged and pulled: a real /dev/ttyUSB of the kernel's own ch341.

Adapter, line, chip and target are at the host's side of the lab, tests/lab/usb/.
"""

from pathlib import Path
from typing import Any

import pytest

from .usb_ports import CONTROLLER, UsbPorts
from .waiting import eventually, settle


class Chip:
    """Chips in the guest's two USB ports, 1 and 2."""

    def __init__(self, ports: UsbPorts) -> None:
        self._ports = ports

    def plug(self, port: int = 1, **chip: Any) -> Path:
        """Plug a chip in and wait for its node.

        :param chip: what of ``Ch9329`` in tests/lab/usb/ch9329.py is to be different: ``baud``, ``clear_up_to``
        :return: the node
        """
        self._ports.plug(port, "ch9329", **chip)
        return self.node(port)

    def plug_loop(self, port: int = 1) -> Path:
        """Plug in an adapter of the same kind without a chip, that sends back what it is sent."""
        self._ports.plug(port, "loop")
        return self.node(port)

    def unplug(self, port: int = 1) -> None:
        """Pull it out; does not wait. Nothing happens without one."""
        self._ports.unplug(port)

    def act(self, words: str, port: int = 1) -> None:
        """Do something to the chip or its target, in words for ``kvmd ch9329 simulate``."""
        self._ports.command("act", port, words=words)

    def state(self, port: int = 1) -> dict[str, Any]:
        """How things stand: see ``state`` of tests/lab/usb/ch340.py and ch9329.py."""
        return self._ports.command("state", port)

    def arrived(self, port: int = 1) -> list[tuple[int, str]]:
        """What arrived at the target: command and data, in hexadecimal digits."""
        return [(command, data) for command, data in self.state(port)["arrived"]]

    def node(self, port: int = 1) -> Path:
        """The node, once it is there and udev is done with it."""
        found = eventually(lambda: list(CONTROLLER.glob(f"*/usb*/*-{port}/*/ttyUSB*")), f"a node of port {port}")
        settle()
        return Path("/dev") / found[0].name


@pytest.fixture
def chip(usb_ports: UsbPorts) -> Chip:
    """USB ports for chips, empty at first and in the end."""
    return Chip(usb_ports)
