"""USB devices for the guest: QEMU redirects two of its USB ports to the host's side, which answers as a device would.

The guest's own drivers work with them, so plugging, pulling and faults take the way that they take with hardware.
From the connector inwards:

- process.py and __main__.py: the process with all of them, of which each guest has one
- service.py: the thread in it, and the sockets that QEMU connects to
- control.py: the guest's commands
- port.py: a port, which speaks the protocol of usbredir.py and has a device plugged in or not
- device.py: what all devices answer alike
- camera/: an HDMI dongle
- ch340.py, ch9329.py, lcus.py: a serial adapter, and at the other end of its line the chip that types, or a relay board
- hid_relay.py: a relay board that is a HID device
"""

from pathlib import Path

PORTS = (1, 2)
CONTROL = "kvmd.usb"
"""The name of the virtio port for commands."""
COMMANDS = "usb-control"
"""The name of the socket for commands."""


def port_name(number: int) -> str:
    """Name a port's socket."""
    return f"usb{number}"


def arguments(folder: Path) -> list[str]:
    """What QEMU is told: a controller with the ports, and a virtio port for commands; it needs a virtio-serial.

    :param folder: with the sockets
    """
    words = ["-device", "qemu-xhci,id=usb"]
    for name in (*map(port_name, PORTS), COMMANDS):
        words += ["-chardev", f"socket,id={name},path={folder / name}"]
    for number in PORTS:
        words += ["-device", f"usb-redir,chardev={port_name(number)},bus=usb.0,port={number}"]
    return [*words, "-device", f"virtserialport,chardev={COMMANDS},name={CONTROL}"]
