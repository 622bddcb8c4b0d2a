"""From a USB dongle to HTTP: the camera's own JPEGs in /stream of the installed daemon, wherever it is plugged in."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .camera import COLOURS, Camera, Fault, Identity
from .daemon import Daemon
from .viewer import Part, Viewer
from .waiting import eventually, run

DONGLE = Identity()
AUTO = ""
BY_IDENTITY = f'[capture]\noptions = {{ usb_id = "{DONGLE.usb_id}", serial = "{DONGLE.serial}" }}\n'

NEAR = 8
"""How far a colour may be off, of 255, after JPEG."""

Watch = Callable[[], Viewer]


@pytest.fixture
def watch(daemon: Daemon) -> Iterator[Watch]:
    """Opens a viewer; closed in the end."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(contextlib.closing(Viewer(daemon)))


def digest(part: Part) -> str:
    return hashlib.sha256(part.jpeg).hexdigest()


def shows(camera: Camera, port: int = 1) -> Callable[[Part], bool]:
    """Tell whether a part is a picture that the camera sent, to the byte."""
    sent = camera.state(port)["pictures"]
    return lambda part: digest(part) in sent


def is_slate(part: Part) -> bool:
    return part.image().size == (640, 480) and colour(part) is None


def colour(part: Part) -> int | None:
    """The number of the colour of the upper half; None if it is none of the camera's."""
    pixel = part.image().getpixel((320, 120))
    near = (max(abs(a - b) for a, b in zip(pixel, each, strict=True)) <= NEAR for each in COLOURS)
    return next((number for number, is_near in enumerate(near) if is_near), None)


def capture(daemon: Daemon) -> dict[str, Any]:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["capture"]
    return status


def in_state(daemon: Daemon, state: str) -> dict[str, Any]:
    """Wait until capture is in this state; return the status."""
    return eventually(lambda: (now := capture(daemon))["state"] == state and now, f"capture to be {state}")


def test_dongle_that_is_plugged_in_later_is_found_and_its_jpegs_go_through(
    camera: Camera, daemon: Daemon, watch: Watch
) -> None:
    daemon.start(AUTO)
    assert in_state(daemon, "absent")["reason"].startswith("no capture device")
    viewer = watch()
    node = camera.plug()
    viewer.wait_for(shows(camera), "a picture of the camera")
    seen = len(viewer.parts)
    eventually(lambda: len(viewer.parts) >= seen + 12, "twelve more")
    pictures = camera.state()["pictures"]
    numbers = [pictures.index(digest(part)) for part in viewer.parts[seen:]]
    assert [colour(part) for part in viewer.parts[seen:]] == numbers
    # none was mixed up with another on its way
    assert (
        len(
            {(number - part.sequence) % len(COLOURS) for number, part in zip(numbers, viewer.parts[seen:], strict=True)}
        )
        == 1
    )
    status = capture(daemon)
    assert (status["state"], status["driver"], status["format"], status["frame_rate"]) == (
        "online",
        "v4l2",
        "MJPEG",
        10,
    )
    assert (status["resolution"], status["dropped"]) == ({"width": 640, "height": 480}, 0)
    assert str(node) in status["device"]


def test_devices_shows_the_dongle_and_its_metadata_node_as_nobodys(camera: Camera) -> None:
    node = camera.plug(port=2)
    listed = json.loads(run("kvmd", "devices", "--json"))
    mine = {each["node"]: each for each in listed if each["serial"] == DONGLE.serial}
    assert list(mine) == [str(each) for each in camera.nodes(2)]
    assert [each["drivers"] for each in mine.values()] == [["v4l2"], []]
    assert mine[str(node)]["usb_id"] == DONGLE.usb_id
    assert mine[str(node)]["path"].endswith("usb-0:2:1.0")


@pytest.mark.parametrize("config", [AUTO, BY_IDENTITY], ids=["auto", "by-identity"])
def test_dongle_that_moves_to_another_port_goes_on_for_the_same_viewer(
    camera: Camera, daemon: Daemon, watch: Watch, config: str
) -> None:
    first = camera.plug(port=1)
    daemon.start(config)
    viewer = watch()
    viewer.wait_for(shows(camera), "a picture of the camera")

    camera.unplug(port=1)
    viewer.wait_for(is_slate, "a slate")
    status = in_state(daemon, "lost")
    assert status["reason"] == f"{first}: the device is gone; plug it in again"
    assert status["resolution"] is None

    camera.plug(port=2)
    viewer.wait_for(shows(camera, port=2), "a picture from the other port")
    assert in_state(daemon, "online")["driver"] == "v4l2"
    assert not viewer.ended.is_set()


def test_dongle_with_another_serial_number_is_left_alone(camera: Camera, daemon: Daemon, watch: Watch) -> None:
    camera.plug(port=1, serial="somebody else's")
    daemon.start(BY_IDENTITY)
    viewer = watch()
    assert "with these options" in in_state(daemon, "absent")["reason"]
    mine = camera.plug(port=2)
    viewer.wait_for(shows(camera, port=2), "a picture of the right camera")
    assert str(mine) in capture(daemon)["device"]
    assert camera.state(port=1)["frames"] == 0


@pytest.fixture(scope="module")
def nodrop() -> Iterator[Callable[[bool], None]]:
    """Says whether uvcvideo hands on pictures that it knows to be damaged, as kernels after 6.12 do; off in the end."""
    parameter = "/sys/module/uvcvideo/parameters/nodrop"

    def choose(keep: bool) -> None:
        run("sh", "-c", f"echo {int(keep)} > {parameter}")

    yield choose
    choose(False)


@pytest.mark.parametrize("fault", [Fault.TORN, Fault.HEADLESS, Fault.TINY, Fault.TRAILING])
def test_damaged_jpegs_are_dropped_and_counted_and_the_good_ones_between_them_shown(
    camera: Camera, daemon: Daemon, watch: Watch, fault: Fault
) -> None:
    camera.plug()
    daemon.start(AUTO)
    viewer = watch()
    viewer.wait_for(shows(camera), "a picture of the camera")
    camera.fault(fault, every=2)
    eventually(lambda: capture(daemon)["dropped"] >= 5, "five dropped pictures")
    seen = len(viewer.parts)
    eventually(lambda: len(viewer.parts) >= seen + 5, "five pictures between them")
    camera.fault(Fault.NONE)
    spoilt = camera.state()["spoilt"]
    eventually(lambda: capture(daemon)["dropped"] == spoilt, f"all {spoilt} spoilt pictures to be counted")
    known = shows(camera)
    first = next(number for number, part in enumerate(viewer.parts) if known(part))
    assert all(known(part) for part in viewer.parts[first:]), "no slate, and no damaged picture"
