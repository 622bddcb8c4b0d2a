"""The slate is a picture that says something."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kvmd.contract.capture import Frame
from kvmd.video.encode import damage
from kvmd.video.slate import ACCENT, BACKGROUND, slate


def pixels(frame: Frame) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(frame.data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 480), (64, 48), (16, 16), (7680, 4320)])
def test_it_is_a_whole_jpeg_of_the_size_asked_for(size: tuple[int, int]) -> None:
    frame = slate("No signal", "the source sends nothing", *size)
    assert damage(frame) is None
    assert (frame.width, frame.height) == size
    assert pixels(frame).shape[:2] == size[::-1]


def test_other_words_are_another_picture() -> None:
    one, two, three = (
        pixels(slate(*words))
        for words in (
            ("No signal", "the source sends nothing"),
            ("No signal", "the cable is unplugged"),
            ("Lost", "the source sends nothing"),
        )
    )
    assert np.abs(one - two).max() > 100, "the reason is drawn"
    assert np.abs(one - three).max() > 100, "the title is drawn"


def test_it_has_background_accent_and_text() -> None:
    picture = pixels(slate("No signal", "the source sends nothing"))
    assert np.abs(picture[5, 5] - BACKGROUND).max() < 6
    assert np.abs(picture[300, 130] - ACCENT).max() < 12
    assert picture.max() > 200


def test_a_long_reason_is_broken_and_stays_inside() -> None:
    reason = "cannot open /dev/video0: device or resource busy, another program has it; " * 3
    picture = pixels(slate("Capture device unusable", reason))
    lines = (picture[:, 200:1152].max(axis=(1, 2)) > 120).astype(int)
    assert (np.diff(lines) == 1).sum() >= 4, "the title and several lines"
    assert picture[:, 1152 + 64 :].max() < 60, "nothing at the right edge"


@pytest.mark.parametrize("reason", ["", "x" * 500, "kein Gerät: größer als 4096 · ☃", "two\nlines"])
def test_every_reason_can_be_drawn(reason: str) -> None:
    assert damage(slate("No signal", reason)) is None


def test_the_same_words_are_the_same_bytes_with_a_new_time() -> None:
    one, two = slate("No signal", "why"), slate("No signal", "why")
    assert one.data is two.data
    assert one.timestamp < two.timestamp
