"""A part of the screen -> a picture that Tesseract reads well: dark letters, twice as large, on a light ground."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from kvmd import RequestError

if TYPE_CHECKING:
    from PIL import Image

SCALE = 2.0
"""Tesseract wants capitals of 20 to 30 pixels (tessdoc, "Improving the quality of the output"); consoles have half."""
MOST = 8_000_000
"""Pixels: what is larger than that is enlarged by less, so that memory and time have a bound."""
LEAST = 8
"""Pixels of the shorter side, below which there is no letter."""

Start = Annotated[float, Meta(ge=0, lt=1)]
Length = Annotated[float, Meta(gt=0, le=1)]


class Region(msgspec.Struct, frozen=True):
    """A part of the picture, in parts of its width and height: 0 is the left or top edge, 1 the right or bottom one."""

    left: Start = 0
    top: Start = 0
    width: Length = 1
    height: Length = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the picture."""
        return (self.left, self.top, self.width, self.height) == (0, 0, 1, 1)

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return its left, top, right and bottom edge in a picture of this size, in pixels.

        :raises RequestError: it is too small to have text
        """
        right, bottom = min(1, self.left + self.width), min(1, self.top + self.height)
        box = round(self.left * width), round(self.top * height), round(right * width), round(bottom * height)
        if min(box[2] - box[0], box[3] - box[1]) < LEAST:
            raise RequestError(f"the region is smaller than {LEAST} pixels; mark a larger one")
        return box


def cut(jpeg: bytes, region: Region) -> bytes:
    """Cut a region out of a picture, and make it ready.

    :return: a PGM (netpbm's ``pgm(5)``)
    :raises RequestError: it is too small to have text
    """
    from PIL import Image, ImageOps  # noqa: PLC0415  # slow to import

    with Image.open(io.BytesIO(jpeg)) as picture:
        part = picture.convert("L").crop(region.box(*picture.size))
    scale = min(SCALE, math.sqrt(MOST / (part.width * part.height)))
    if scale > 1:
        part = part.resize((round(part.width * scale), round(part.height * scale)), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    (ImageOps.invert(part) if _is_dark(part) else part).save(out, "PPM")
    return out.getvalue()


def _is_dark(part: Image.Image) -> bool:
    """Tell whether most of it is dark."""
    return sum(part.histogram()[:128]) * 2 > part.width * part.height
