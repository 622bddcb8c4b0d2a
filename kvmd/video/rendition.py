"""The screen in one quality, encoded while somebody watches it so, and shown to all who do."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

from kvmd.contract.capture import Frame
from kvmd.video.broadcast import Broadcaster
from kvmd.video.encode import Encoder
from kvmd.video.viewers import Viewers


class Quality(enum.Enum):
    """What pictures look like: as the settings have it, or for a slower network."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    def of(self, highest: int) -> int:
        """Return the JPEG quality.

        :param highest: what is set
        """
        return min(highest, {Quality.HIGH: 100, Quality.MEDIUM: 60, Quality.LOW: 35}[self])


class Rendition:
    """One quality.

    :param quality: of JPEG, 1 to 100; pictures that are JPEG already pass untouched
    :param numbers: of pictures, which all renditions share
    :param farewell: see ``Viewers``; sockets have words of their own
    """

    def __init__(self, quality: int, numbers: Iterator[int], farewell: Callable[[str], bytes]) -> None:
        self.broadcaster = Broadcaster(numbers)
        self.encoder = Encoder(quality, self.broadcaster.publish)
        self.streams = Viewers(self.broadcaster, farewell)
        self.sockets = Viewers(self.broadcaster, farewell, self.broadcaster.message)

    def feed(self, frame: Frame) -> None:
        """Take the next frame, if anybody wants it; its memory is not needed any more when this returns."""
        if self.broadcaster.watched:
            self.encoder.feed(frame)
        else:
            self.encoder.forget()
