"""Stands for PiDNG, which wants a compiler: picamera2 saves raw photographs with it."""


class Picamera2Camera:
    """What picamera2 imports."""
