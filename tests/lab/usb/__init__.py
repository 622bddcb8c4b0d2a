"""USB devices for the guest: QEMU redirects two of its USB ports to the host's side, which answers as a device would.

The guest's own drivers work with them, so plugging, pulling and faults take the way that they take with hardware.
From the connector inwards:

- service.py: the thread and the sockets that QEMU connects to
- control.py: the guest's commands
- port.py: a port, which speaks the protocol of usbredir.py and has a device plugged in or not
- device.py: what all devices answer alike
- camera/: an HDMI dongle
- ch340.py, ch9329.py, lcus.py: a serial adapter, and at the other end of its line the chip that types, or a relay board
- hid_relay.py: a relay board that is a HID device
"""

PORTS = (1, 2)
CONTROL = "kvmd.usb"
"""The name of the virtio port for commands."""
