"""From a USB dongle to HTTP: the camera's own JPEGs in /stream of the installed daemon, wherever it is plugged in."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .camera import COLOURS, Camera, Fault, Identity, colour
from .daemon import Daemon
from .viewer import Part, Viewer
from .waiting import eventually, run

DONGLE = Identity()
AUTO = ""
BY_LINK = f'[capture]\noptions = {{ device = "/dev/v4l/by-id/usb-kvmd_USB_Video_{DONGLE.serial}-video-index0" }}\n'
BY_IDENTITY = f'[capture]\noptions = {{ usb_id = "{DONGLE.usb_id}", serial = "{DONGLE.serial}" }}\n'

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
    return part.size() == (640, 480) and colour(part) is None


def has_colour(number: int, part: Part) -> bool:
    return colour(part) == number


def capture(daemon: Daemon) -> dict[str, Any]:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["capture"]
    return status


def in_state(daemon: Daemon, state: str) -> dict[str, Any]:
    """Wait until capture is in this state; return the status."""

    def look() -> dict[str, Any] | None:
        status = capture(daemon)
        return status if status["state"] == state else None

    return eventually(look, f"capture to be {state}")


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
    parts = viewer.parts[seen:]
    pictures = camera.state()["pictures"]
    numbers = [pictures.index(digest(part)) for part in parts]
    assert [colour(part) for part in parts] == numbers
    # the camera shows its colours in turn, and none was passed off as another
    turns = {(number - part.sequence) % len(COLOURS) for number, part in zip(numbers, parts, strict=True)}
    assert len(turns) == 1
    status = capture(daemon)
    assert (status["state"], status["driver"], status["dropped"]) == ("online", "v4l2", 0)
    assert (status["format"], status["frame_rate"]) == ("MJPEG", 10)
    assert status["resolution"] == {"width": 640, "height": 480}
    assert str(node) in status["device"]


def test_devices_shows_the_dongle_and_its_metadata_node_as_nobodys(camera: Camera) -> None:
    node = camera.plug(port=2)
    listed = json.loads(run("kvmd", "devices", "--json"))["devices"]
    mine = {each["node"]: each for each in listed if each["serial"] == DONGLE.serial}
    assert list(mine) == [str(each) for each in camera.nodes(2)]
    assert [each["drivers"] for each in mine.values()] == [["v4l2"], []]
    assert mine[str(node)]["usb_id"] == DONGLE.usb_id
    assert mine[str(node)]["path"].endswith("usb-0:2:1.0")


def test_metadata_node_that_is_named_is_refused_in_the_status(camera: Camera, daemon: Daemon) -> None:
    camera.plug()
    _, metadata = camera.nodes()
    daemon.start(f'[capture]\noptions = {{ device = "{metadata}" }}\n')
    assert in_state(daemon, "retrying")["reason"].startswith(f"{metadata} cannot capture: it is a metadata node")


@pytest.mark.parametrize("config", [AUTO, BY_IDENTITY, BY_LINK], ids=["auto", "by-identity", "by-link"])
def test_dongle_that_moves_to_another_port_goes_on_for_the_same_viewer(
    camera: Camera, daemon: Daemon, watch: Watch, config: str
) -> None:
    camera.plug(port=1)
    daemon.start(config)
    viewer = watch()
    viewer.wait_for(shows(camera), "a picture of the camera")

    camera.unplug(port=1)
    eventually(lambda: is_slate(viewer.parts[-1]), "a slate")
    status = in_state(daemon, "lost")
    assert status["reason"].endswith(": the device is gone; plug it in again")
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


@pytest.fixture
def show(camera: Camera, daemon: Daemon, watch: Watch) -> Viewer:
    """A viewer who sees a camera, which is in port 1, at the start of the test."""
    daemon.run_with(AUTO)
    eventually(lambda: capture(daemon)["state"] != "online", "the camera of the test before to be gone")
    camera.plug()
    viewer = watch()
    viewer.wait_for(shows(camera), "a picture of the camera")
    return viewer


def assert_nothing_else(viewer: Viewer, camera: Camera) -> None:
    """Fail if anything but whole pictures of the camera came after its first."""
    known = shows(camera)
    first = next(number for number, part in enumerate(viewer.parts) if known(part))
    assert all(known(part) for part in viewer.parts[first:])


@pytest.mark.parametrize("fault", [Fault.TORN, Fault.HEADLESS, Fault.TINY, Fault.TRAILING])
def test_damaged_jpegs_are_dropped_and_counted_and_the_good_ones_between_them_shown(
    camera: Camera, daemon: Daemon, show: Viewer, fault: Fault
) -> None:
    camera.fault(fault, every=2)
    eventually(lambda: capture(daemon)["dropped"] >= 5, "five dropped pictures")
    seen = len(show.parts)
    eventually(lambda: len(show.parts) >= seen + 5, "five pictures between them")
    assert capture(daemon)["dropped"] <= camera.state()["spoilt"]
    assert_nothing_else(show, camera)


@pytest.fixture(params=[False, True], ids=["kernel-drops", "kernel-hands-on"])
def nodrop(camera: Camera, request: pytest.FixtureRequest) -> Iterator[bool]:  # noqa: ARG001  # it loads uvcvideo
    """Whether uvcvideo hands on what it knows to be damaged, marked so; for cameras that are plugged in from now on."""
    parameter = Path("/sys/module/uvcvideo/parameters/nodrop")
    parameter.write_text(str(int(request.param)))
    yield request.param
    parameter.write_text("0")


def test_oversized_jpegs_are_never_shown(nodrop: bool, camera: Camera, daemon: Daemon, show: Viewer) -> None:
    camera.fault(Fault.OVERSIZED, every=2)
    eventually(lambda: camera.state()["spoilt"] >= 5, "five pictures larger than was negotiated")
    seen = len(show.parts)
    eventually(lambda: len(show.parts) >= seen + 3, "three pictures after them")
    assert (capture(daemon)["dropped"] > 0) is nodrop, "what the kernel drops it does not tell"
    assert_nothing_else(show, camera)


def test_silent_camera_is_no_signal_and_comes_back(camera: Camera, daemon: Daemon, show: Viewer) -> None:
    camera.fault(Fault.STALL)
    reason = in_state(daemon, "no signal")["reason"]
    assert reason.startswith(f"no frames for 3 s: {camera.node()} sends nothing")
    eventually(lambda: is_slate(show.parts[-1]), "a slate")
    camera.fault(Fault.NONE)
    show.wait_for(shows(camera), "a picture of the camera")
    assert in_state(daemon, "online")["dropped"] == 0
    assert not show.ended.is_set()


def test_halted_endpoint_is_cleared(camera: Camera, daemon: Daemon, show: Viewer) -> None:
    camera.fault(Fault.HALT)
    show.wait_for(is_slate, "a slate")
    show.wait_for(shows(camera), "a picture of the camera")
    in_state(daemon, "online")
    assert not show.ended.is_set()


def test_yuyv_is_encoded_in_its_colours(camera: Camera, daemon: Daemon, watch: Watch) -> None:
    camera.plug()
    daemon.start('[capture]\noptions = { format = "YUYV" }\n')
    viewer = watch()
    for number in range(len(COLOURS)):
        viewer.wait_for(partial(has_colour, number), f"colour {number}")
    status = capture(daemon)
    assert (status["format"], camera.state()["format"]) == ("YUYV", "YUYV")


def video_nodes_of(daemon: Daemon) -> list[Path]:
    """The video nodes that the daemon has open."""
    links = []
    for link in Path(f"/proc/{daemon.pid()}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has just been closed
            links.append(link.readlink())
    return [link for link in links if str(link).startswith("/dev/video")]


def test_camera_that_comes_and_goes_twenty_times_ends_in_a_good_picture(
    camera: Camera, daemon: Daemon, show: Viewer
) -> None:
    files = len(video_nodes_of(daemon))
    port = 1
    for number in range(20):
        camera.unplug(port)
        port = 3 - port
        camera.plug_briefly(port)
        if number % 4 == 1:
            camera.node(port)
        elif number % 4 == 3:
            show.wait_for(shows(camera, port), "a picture of the camera")
    show.wait_for(shows(camera, port), "a picture of the camera")
    # the one before may count as online until it is closed
    eventually(lambda: str(camera.node(port)) in (capture(daemon)["device"] or ""), "the last camera in the status")
    in_state(daemon, "online")
    assert video_nodes_of(daemon) == [camera.node(port)] * files, (
        "the node, once more for each mapped buffer, and none that is gone"
    )
    assert not show.ended.is_set()
