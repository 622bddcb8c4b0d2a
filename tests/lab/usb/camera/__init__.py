"""An HDMI dongle: a UVC camera with a bulk endpoint.

- firmware.py: the camera, which answers requests and sends its pictures in payloads
- descriptors.py, pictures.py: what it says of itself, and what it shows
"""
