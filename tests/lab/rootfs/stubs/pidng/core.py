"""Stands for PiDNG, which wants a compiler: picamera2 saves raw photographs with it."""


class PICAM2DNG:
    """What picamera2 imports."""
