"""dummy_hcd: a USB device controller and a USB host, joined by a cable, in one kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .waiting import eventually, run, settle

CONTROLLERS = Path("/sys/class/udc")
GADGETS = Path("/sys/kernel/config/usb_gadget")
HOST = Path("/sys/devices/platform/dummy_hcd.0")
CONTROLLER_DRIVER = Path("/sys/bus/platform/drivers/dummy_udc")


class DummyHcd:
    """The controller that gadgets bind to, and the cable to its host."""

    def load(self) -> str:
        """Load the modules that a gadget and its host need.

        :return: the name of the UDC
        """
        run("modprobe", "--all", "dummy_hcd", "libcomposite", "usb_f_hid", "usbhid", "hid_generic", "evdev")
        return eventually(self._find, "a UDC")

    def unload(self) -> None:
        """Take all gadgets off the controller and remove the module.

        With a gadget on it, Linux 6.12 does not survive that: it corrupts a list in dummy_hcd. So udev, which starts
        kvmd-gadget.service when the controller becomes free, looks at all of it afterwards.
        """
        settle()
        run("udevadm", "control", "--stop-exec-queue")
        try:
            for gadget in GADGETS.glob("*/UDC"):
                if gadget.read_text().strip():
                    gadget.write_text("\n")
            run("modprobe", "--remove", "dummy_hcd")
        finally:
            run("udevadm", "control", "--start-exec-queue")
        settle()

    @property
    def udc(self) -> str:
        """The name of the UDC, ``dummy_udc.0``."""
        return self._find() or "(none)"

    def state(self) -> str:
        """What the controller says about its host: ``configured``, ``not attached``, ..."""
        return (CONTROLLERS / self.udc / "state").read_text().strip()

    def unplug(self) -> None:
        """Pull the cable: the host sees the device go, the gadget stays bound and writes to it fail (ESHUTDOWN).

        :meth:`state` stays ``configured`` meanwhile: that is dummy_hcd's doing, and some boards' too.
        The host's port is switched off, since soft_connect is one-way here: after "connect" dummy_hcd of Linux 6.12
        answers no descriptor requests (error -71).
        """
        self._port().write_text("1")

    def plug(self) -> None:
        """Put the cable back; the host enumerates the gadget anew."""
        self._port().write_text("0")

    def remove(self) -> None:
        """Take the controller itself away, and with it the gadget's binding."""
        (CONTROLLER_DRIVER / "unbind").write_text(self.udc)

    def restore(self) -> str:
        """Bring the controller back; gadgets must be bound to it again.

        :return: the name of the UDC
        """
        (CONTROLLER_DRIVER / "bind").write_text("dummy_udc.0")
        return eventually(self._find, "a UDC")

    def _port(self) -> Path:
        [port] = HOST.glob("usb*/*-0:1.0/usb*-port1/disable")
        return port

    def _find(self) -> str:
        return next((path.name for path in sorted(CONTROLLERS.glob("dummy_udc.*"))), "")


@pytest.fixture
def dummy_hcd() -> Iterator[DummyHcd]:
    """A USB controller with a host on its other end; unloaded in the end."""
    controller = DummyHcd()
    controller.load()
    yield controller
    controller.unload()
