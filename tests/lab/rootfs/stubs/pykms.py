"""Stands for the kernel mode setting library, of which PyPI has none: picamera2 shows previews on a screen with it."""


class PixelFormat:
    """The names that picamera2 puts into a table when it is imported."""

    RGB888 = BGR888 = XRGB8888 = XBGR8888 = YUV420 = YVU420 = NV12 = None
