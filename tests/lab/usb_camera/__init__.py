"""A USB camera for the guest: QEMU redirects two of its USB ports to the host's side, which answers as a camera would.

The guest's own uvcvideo drives it, so plugging, pulling and spoilt pictures take the way that they take with hardware.
From the connector inwards:

- service.py: the thread and the sockets that QEMU connects to, and the guest's commands
- port.py: a port, which speaks the protocol of usbredir.py and has a camera plugged in or not
- firmware.py: the camera, which answers requests and sends its pictures in payloads
- descriptors.py, pictures.py: what it says of itself, and what it shows
"""
