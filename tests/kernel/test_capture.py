"""From a real V4L2 device to HTTP: vivid's picture in /snapshot and /stream of the installed daemon."""

import io

import pytest
from PIL import Image

from .daemon import STREAM_PORT, Daemon
from .viewer import Viewer, pixel
from .vivid import Vivid
from .waiting import eventually

HDMI = {"num_inputs": 1, "input_types": 0x3}
"""vivid's HDMI input; 1280x720 at 60 after it was loaded."""

BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
"""vivid's first pattern: bars of 75 %, from left to right."""

NEAR = 12
"""How far a colour may be off, of 255, after JPEG."""


def configuration(pixel_format: str) -> str:
    return f'[capture]\noptions = {{ format = "{pixel_format}" }}\n'


def has_bars(image: Image.Image) -> bool:
    """Tell whether each bar has its colour in its middle, at three heights below vivid's lines of text."""
    width, height = image.size
    return all(
        all(abs(a - b) <= NEAR for a, b in zip(pixel(image, x, y), bar, strict=True))
        for number, bar in enumerate(BARS)
        for x in [round((number + 0.5) * width / len(BARS))]
        for y in (height // 2, height * 3 // 4, height - 8)
    )


def snapshot(daemon: Daemon) -> Image.Image:
    answer = daemon.request("GET", "/snapshot?timeout=60", port=STREAM_PORT)
    assert answer.code == 200, answer.body[:200]
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


@pytest.mark.parametrize(("pixel_format", "planar"), [("YUYV", 1), ("NV12", 2), ("RGB24", 1)])
def test_snapshot_shows_the_colour_bars_and_the_stream_advances(
    vivid: Vivid, daemon: Daemon, pixel_format: str, planar: int
) -> None:
    vivid.load(**HDMI, multiplanar=planar)
    daemon.start(configuration(pixel_format))
    image = snapshot(daemon)
    assert image.size == (1280, 720)
    colours = [image.getpixel((80 + 160 * number, 540)) for number in range(8)]
    assert has_bars(image), f"bars of {colours}"
    viewer = Viewer(daemon)
    # one is sent again where the next is late
    eventually(lambda: len({part.sequence for part in viewer.parts}) >= 5, "five pictures")
    viewer.close()
    sequences = [part.sequence for part in viewer.parts]
    assert sequences == sorted(sequences)
    assert has_bars(viewer.parts[-1].sketch())


def test_status_tells_what_is_captured(vivid: Vivid, daemon: Daemon) -> None:
    node = vivid.load(**HDMI)
    daemon.run_with(configuration("YUYV"))
    snapshot(daemon)
    capture = daemon.request("GET", "/api/status").json["data"]["capture"]
    assert capture["state"] == "online"
    assert capture["driver"] == "v4l2"
    assert str(node) in capture["device"]
    assert (capture["resolution"], capture["format"]) == ({"width": 1280, "height": 720}, "YUYV")
    devices = {device["node"]: device for device in daemon.request("GET", "/api/devices").json["data"]}
    assert devices[str(node)]["drivers"] == ["v4l2"]


def test_an_explicit_device_works(vivid: Vivid, daemon: Daemon) -> None:
    node = vivid.load(**HDMI)
    daemon.start(f'[capture]\noptions = {{ device = "{node}" }}\n')
    assert has_bars(snapshot(daemon))


def test_a_device_that_is_pulled_is_told_and_comes_back_on_the_same_connection(vivid: Vivid, daemon: Daemon) -> None:
    vivid.load(**HDMI)
    daemon.run_with(configuration("YUYV"))
    viewer = Viewer(daemon)
    viewer.wait_for(lambda part: has_bars(part.sketch()), "the colour bars")

    vivid.unbind()
    viewer.wait_for(lambda part: not has_bars(part.sketch()), "a slate")
    capture = daemon.request("GET", "/api/status").json["data"]["capture"]
    assert capture["state"] == "lost"
    assert "/dev/video" in capture["reason"]
    answer = daemon.request("GET", "/snapshot?timeout=0", port=STREAM_PORT)
    assert answer.code == 503
    assert not has_bars(Image.open(io.BytesIO(answer.body)).convert("RGB"))

    vivid.bind()
    viewer.wait_for(lambda part: has_bars(part.sketch()), "the colour bars again")
    assert not viewer.ended.is_set()
    viewer.close()


def test_nobody_watching_encodes_nothing(vivid: Vivid, daemon: Daemon) -> None:
    vivid.load(**HDMI)
    daemon.run_with(configuration("YUYV"))
    capture = eventually(lambda: _captured(daemon), "pictures from the device")
    assert capture["sent_fps"] == 0
    assert capture["viewers"] == 0


def _captured(daemon: Daemon) -> dict[str, float] | None:
    capture: dict[str, float] = daemon.request("GET", "/api/status").json["data"]["capture"]
    return capture if capture["captured_fps"] > 0 and capture["sent_fps"] == 0 else None


def test_plugging_a_device_in_starts_the_daemon(vivid: Vivid, daemon: Daemon) -> None:
    daemon.stop()
    assert not daemon.active()
    vivid.load(**HDMI)
    eventually(daemon.active, "kvmd to be started by udev")
