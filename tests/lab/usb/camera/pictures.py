"""What the camera shows: a cycle of colours, whole or spoilt; pure functions."""

import enum
from functools import cache

from .descriptors import HEIGHT, MAX_FRAME, WIDTH

COLOURS = ((200, 60, 60), (200, 200, 60), (60, 200, 60), (60, 200, 200), (60, 60, 200), (200, 60, 200))
"""The pictures' colours one after the other, as red, green and blue."""


class Fault(enum.Enum):
    """What is wrong with a picture, or with the camera."""

    NONE = "none"
    TORN = "torn"
    """It breaks off in the middle."""
    HEADLESS = "headless"
    """It lacks its beginning."""
    TINY = "tiny"
    """It is smaller than any picture could be, though it begins and ends like one."""
    TRAILING = "trailing"
    """Garbage follows its end."""
    PADDED = "padded"
    """Zeros follow its end, which is no harm."""
    OVERSIZED = "oversized"
    """It is larger than what was negotiated."""
    STALL = "stall"
    """No pictures come, and nothing says why."""
    HALT = "halt"
    """The endpoint refuses every transfer until the host clears it."""


@cache
def jpegs() -> tuple[bytes, ...]:
    """The pictures as JPEG: the upper half is plain, the lower is noise, so that one takes more than one payload."""
    import numpy as np  # noqa: PLC0415  # the guest imports this module too, slowly, and makes no pictures
    import simplejpeg  # noqa: PLC0415  # likewise

    noise = np.random.default_rng(seed=1).integers(-60, 56, (HEIGHT // 2, WIDTH, 1))

    def picture(colour: tuple[int, int, int]) -> bytes:
        pixels = np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
        pixels[HEIGHT // 2 :] = np.array(colour) + noise
        return bytes(simplejpeg.encode_jpeg(pixels, quality=80))

    return tuple(picture(colour) for colour in COLOURS)


@cache
def raws() -> tuple[bytes, ...]:
    """The plain pictures as YUYV, luma from 16 to 235 (ITU-R BT.601, section 2.5)."""
    return tuple(_yuyv(*colour) for colour in COLOURS)


def spoil(picture: bytes, fault: Fault) -> bytes:
    """Return what arrives of a picture with this fault."""
    middle = len(picture) // 2
    spoilt = {
        Fault.TORN: picture[:middle],
        Fault.HEADLESS: picture[2:],
        Fault.TINY: picture[:100] + picture[-2:],
        Fault.TRAILING: picture + b"\xa5" * 500,
        Fault.PADDED: picture + bytes(500),
        Fault.OVERSIZED: picture[:middle] + b"\xa5" * MAX_FRAME + picture[middle:],
    }
    return spoilt.get(fault, picture)


def _yuyv(red: int, green: int, blue: int) -> bytes:
    luma = 16 + round((65.481 * red + 128.553 * green + 24.966 * blue) / 255)
    u = 128 + round((-37.797 * red - 74.203 * green + 112.0 * blue) / 255)
    v = 128 + round((112.0 * red - 93.786 * green - 18.214 * blue) / 255)
    return bytes([luma, u, luma, v]) * (WIDTH * HEIGHT // 2)
