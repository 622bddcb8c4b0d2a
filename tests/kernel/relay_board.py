"""Relay boards that can be plugged and pulled: HID devices behind usbhid, and serial ones behind ch341.

The boards are at the host's side of the lab, tests/lab/usb/.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kvmd import PowerDriver

from .usb_ports import CONTROLLER, UsbPorts
from .waiting import eventually, settle

PRESS_FOR_EVER = """
import sys
from kvmd import Device, PowerButton
from kvmd.plugins.registry import Registry

name, node, options = sys.argv[1], sys.argv[2], {"power_channel": int(sys.argv[3])}
[kind] = [driver for driver in Registry().drivers if driver.name == name]
driver = kind(kind.Options(device=node, **options), Device("", "", node=node))
driver.open()
driver.press(PowerButton.POWER, 3600)
"""


class RelayBoard:
    """Boards of one kind in the guest's two USB ports, 1 and 2.

    :param kind: what it is to the lab, see ``DEVICES`` in tests/lab/usb/control.py
    :param nodes: where its node is in sysfs, below the device
    """

    def __init__(self, ports: UsbPorts, kind: str, nodes: str) -> None:
        self._ports = ports
        self._kind = kind
        self._nodes = nodes

    def plug(self, port: int = 1, **board: Any) -> Path:
        """Plug a board in and wait for its node.

        :param board: what of the lab's device is to be different
        """
        self._ports.plug(port, self._kind, **board)
        return self.node(port)

    def unplug(self, port: int = 1) -> None:
        """Pull it out, and wait until the kernel has noticed."""
        self._ports.unplug(port)
        eventually(lambda: not self._found(port), f"the node of port {port} to be gone")

    def state(self, port: int = 1) -> dict[str, Any]:
        """How things stand: see ``state`` of tests/lab/usb/hid_relay.py and lcus.py."""
        return self._ports.command("state", port)

    def closed(self, port: int = 1) -> list[int]:
        """The relays that are closed."""
        closed: list[int] = self.state(port)["closed"]
        return closed

    def wait_for(self, *closed: int, port: int = 1) -> None:
        """Wait until these relays are closed, and no other."""
        eventually(lambda: self.closed(port) == list(closed), f"the closed relays to be {closed}")

    def moves(self, port: int = 1) -> list[tuple[int, bool]]:
        """How relays moved: which, and whether it closed."""
        return [(relay, closed) for relay, closed in self.state(port)["log"]]

    def stick(self, port: int = 1) -> None:
        """Let its relays stick from now on."""
        self._ports.command("stick", port)

    def node(self, port: int = 1) -> Path:
        """The node, once it is there and udev is done with it."""
        found = eventually(lambda: self._found(port), f"a node of port {port}")
        settle()
        return Path("/dev") / found[0].name

    def press_and_be_killed(self, driver: type[PowerDriver], node: str, channel: int) -> None:
        """Have another process press the power button, and kill it meanwhile (SIGKILL)."""
        words = [sys.executable, "-c", PRESS_FOR_EVER, driver.name, node, str(channel)]
        with subprocess.Popen(words) as process:
            try:
                eventually(lambda: process.poll() is not None or self.closed() == [channel], "the press")
                assert process.poll() is None, "the driver failed in a process of its own"
            finally:
                process.kill()

    def _found(self, port: int) -> list[Path]:
        return list(CONTROLLER.glob(f"*/usb*/*-{port}/{self._nodes}"))


@pytest.fixture
def hid_board(usb_ports: UsbPorts) -> RelayBoard:
    """USB ports for HID relay boards."""
    return RelayBoard(usb_ports, "hid_relay", "*/*/hidraw/hidraw*")


@pytest.fixture
def serial_board(usb_ports: UsbPorts) -> RelayBoard:
    """USB ports for serial relay boards."""
    return RelayBoard(usb_ports, "lcus", "*/ttyUSB*")
