"""One picture of a desktop, 1920x1080, in the formats that capture devices give."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kvmd.contract.capture import Frame, PixelFormat

WIDTH, HEIGHT = 1920, 1080
TEXT = "The quick brown fox jumps over the lazy dog; 0123456789 {}[]()<>"

Plane = NDArray[np.uint8]


def desktop() -> Image.Image:
    """Draw a gradient, a window full of text, a bar, and a photograph's worth of noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    back = np.dstack([columns * 90 // WIDTH, rows * 110 // HEIGHT, 140 - rows * 60 // HEIGHT]).astype(np.uint8)
    image = Image.fromarray(back)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, HEIGHT - 40, WIDTH, HEIGHT), fill=(40, 44, 52))
    draw.rectangle((60, 60, 1160, 980), fill=(250, 250, 250))
    draw.rectangle((60, 60, 1160, 92), fill=(70, 110, 170))
    font = ImageFont.load_default(16)
    for line in range(42):
        draw.text((80, 104 + line * 20), f"{line:3} {TEXT} {TEXT[line:]}"[:118], (30, 30, line * 4), font)
    image.paste(_photograph(640, 480), (1220, 200))
    return image


def frame(image: Image.Image, pixels: PixelFormat, full_range: bool = True) -> Frame:
    """Turn the picture into what a device would give."""
    data, stride = _packed(image, pixels, full_range)
    return Frame(data, pixels, WIDTH, HEIGHT, stride, 0.0, 0, full_range)


def luma(image: Image.Image) -> Plane:
    """Return the picture's brightness, as JPEG counts it."""
    return np.asarray(image.convert("YCbCr"))[:, :, 0]


def _photograph(width: int, height: int) -> Image.Image:
    """Clouds of several sizes and the grain of a sensor."""
    random = np.random.default_rng(1)
    total = np.zeros((height, width, 3))
    for size, weight in ((8, 60), (40, 35), (160, 15)):
        coarse = random.integers(0, 256, (size * height // width, size, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth, np.float64) * weight / 110
    grain = random.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(total + grain, 0, 255).astype(np.uint8))


def _packed(image: Image.Image, pixels: PixelFormat, full_range: bool) -> tuple[bytes, int]:
    if pixels is PixelFormat.RGB24:
        return image.tobytes(), WIDTH * 3
    y, u, v = np.moveaxis(np.asarray(image.convert("YCbCr"), np.float64), 2, 0)
    if not full_range:
        y, u, v = 16 + y * 219 / 255, 128 + (u - 128) * 224 / 255, 128 + (v - 128) * 224 / 255
    u, v = ((plane[:, 0::2] + plane[:, 1::2]) / 2 for plane in (u, v))
    if pixels is PixelFormat.YUYV:
        packed = np.empty((HEIGHT, WIDTH * 2))
        packed[:, 0::2], packed[:, 1::4], packed[:, 3::4] = y, u, v
        return packed.round().astype(np.uint8).tobytes(), WIDTH * 2
    pairs = np.empty((HEIGHT // 2, WIDTH))
    pairs[:, 0::2], pairs[:, 1::2] = ((plane[0::2] + plane[1::2]) / 2 for plane in (u, v))
    return np.vstack([y, pairs]).round().astype(np.uint8).tobytes(), WIDTH
