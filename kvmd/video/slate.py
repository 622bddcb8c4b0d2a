"""The picture to show when there is none: it says why."""

from __future__ import annotations

import io
import time
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from kvmd.contract.capture import Frame, PixelFormat

BACKGROUND = (16, 20, 26)
TITLE = (232, 236, 241)
REASON = (146, 158, 173)
ACCENT = (229, 160, 60)


def slate(title: str, reason: str, width: int = 1280, height: int = 720) -> Frame:
    """Draw a slate.

    :param title: what is the matter, in a word or two
    :param reason: why, in words; lines are broken where needed
    :param width: in pixels
    :param height: in pixels
    :return: a frame of MJPEG
    """
    data = _draw(title, reason, width, height)
    return Frame(data, PixelFormat.MJPEG, width, height, 0, time.monotonic(), 0)


@lru_cache(maxsize=8)
def _draw(title: str, reason: str, width: int, height: int) -> bytes:
    image = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    large, small = (ImageFont.load_default(max(8, height / part)) for part in (12, 24))
    left, top = width // 10, height // 3
    draw.rectangle((left, top, left + max(2, width // 200), top + height // 3), fill=ACCENT)
    left += width // 40
    draw.text((left, top), title, TITLE, large)
    for number, line in enumerate(_wrap(draw, reason, small, width - left - width // 10)):
        draw.text((left, top + height / 8 + number * height / 18), line, REASON, small)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _wrap(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int
) -> list[str]:
    """Break a text into lines that fit into the room, in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


_draw("", "", 16, 16)  # Pillow loads what it needs for this when it first needs it; later no file may be left to open
