"""From libcamera to HTTP: pictures of the installed daemon, which runs as its own user, through picamera2."""

import io
from typing import Any

from PIL import Image

from .camera import Camera, colour
from .daemon import STREAM_PORT, Daemon
from .viewer import Viewer, pixel
from .waiting import eventually

VIRTUAL = """
[capture]
driver = "picamera2"
options = { camera = "Virtual0", width = 640, height = 480, timeout = 10 }
"""
USB = '[capture]\ndriver = "picamera2"\noptions = { camera = "*534d:2109*", timeout = 10 }\n'

BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))
"""Which of red, green and blue is lit from the white bar on; the pattern goes round."""


def lit(image: Image.Image) -> list[tuple[int, ...]]:
    """What the bars are, from left to right, each once."""
    width, height = image.size
    colours = [tuple(int(value > 128) for value in pixel(image, x, height // 2)) for x in range(0, width, 4)]
    return [one for number, one in enumerate(colours) if one != colours[number - 1]]


def has_bars(image: Image.Image) -> bool:
    """Tell whether the bars are there in their order, wherever it begins; a line between two may be a mixture."""
    seen = [one for one in lit(image) if one in BARS]
    return any(seen == [*BARS[start:], *BARS[:start]] for start in range(8))


def capture(daemon: Daemon) -> dict[str, Any]:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["capture"]
    return status


def in_state(daemon: Daemon, state: str) -> dict[str, Any]:

    def look() -> dict[str, Any] | None:
        status = capture(daemon)
        return status if status["state"] == state else None

    return eventually(look, f"capture to be {state}")


def test_snapshot_shows_the_bars_of_the_virtual_camera_and_the_daemon_lets_go_of_it(daemon: Daemon) -> None:
    daemon.start(VIRTUAL)
    status = in_state(daemon, "online")
    assert (status["driver"], status["format"]) == ("picamera2", "NV12")
    assert status["resolution"] == {"width": 640, "height": 480}
    assert "Virtual0" in str(status["device"])
    answer = daemon.request("GET", "/snapshot?timeout=60", port=STREAM_PORT)
    assert answer.code == 200, answer.body[:200]
    image = Image.open(io.BytesIO(answer.body)).convert("RGB")
    assert image.size == (640, 480)
    assert has_bars(image), lit(image)
    daemon.stop()
    assert "left behind" not in daemon.journal()


def test_unknown_camera_is_told_in_the_status(daemon: Daemon) -> None:
    daemon.start('[capture]\ndriver = "picamera2"\noptions = { camera = 7 }\n')
    reason = in_state(daemon, "absent")["reason"]
    assert reason == "there is no camera 7: 0 is Virtual Video Device (Virtual0); set `camera` to one of these"


def test_usb_camera_that_is_pulled_comes_back_in_either_port_on_the_same_connection(
    camera: Camera, daemon: Daemon
) -> None:
    camera.plug(port=1)
    daemon.start(USB)
    assert in_state(daemon, "online")["format"] == "MJPEG"
    viewer = Viewer(daemon)
    viewer.wait_for(lambda part: colour(part) is not None, "a picture of the camera")

    for old, new in ((1, 1), (1, 2)):
        camera.unplug(port=old)
        viewer.wait_for(lambda part: colour(part) is None, "a slate")
        status = in_state(daemon, "lost")
        assert str(status["reason"]).endswith("534d:2109) is gone; plug it in again")
        assert status["resolution"] is None

        camera.plug(port=new)
        viewer.wait_for(lambda part: colour(part) is not None, "a picture of the camera again")
        assert in_state(daemon, "online")["driver"] == "picamera2"
    assert not viewer.ended.is_set()
    viewer.close()
