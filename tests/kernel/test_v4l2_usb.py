"""The v4l2 driver on a USB camera, with the kernel's own uvcvideo between them."""

import hashlib
import itertools

import pytest

from kvmd import CaptureDriver, DeviceLost, DriverError, NoSignal, PixelFormat
from kvmd.contract.device import device_at
from kvmd.testing import CaptureConformance
from kvmd_drivers.v4l2 import V4l2Capture, V4l2Options

from .camera import COLOURS, Camera, Fault
from .capture import Capture, reading, signal_of
from .waiting import eventually

pytestmark = pytest.mark.usefixtures("units_masked")


class TestConformance(CaptureConformance):
    """What the daemon relies on; the signal goes when the camera falls silent, which is all that a dongle does."""

    @pytest.fixture(params=[PixelFormat.MJPEG, PixelFormat.YUYV], ids=lambda each: each.value)
    def driver(self, camera: Camera, request: pytest.FixtureRequest) -> V4l2Capture:
        self.camera = camera
        node = str(camera.plug())
        return V4l2Capture(V4l2Options(device=node, format=request.param, timeout=2), device_at(node))

    def unplug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.fault(Fault.STALL)

    def plug(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.fault(Fault.NONE)

    def remove(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.remove()

    def insert(self, driver: CaptureDriver) -> None:  # noqa: ARG002  # the camera is the same
        self.camera.plug()


def test_metadata_node_is_refused(camera: Camera, capture: Capture) -> None:
    camera.plug()
    _, metadata = camera.nodes()
    with pytest.raises(
        DriverError, match=f"^{metadata} cannot capture: it is a metadata node; .* shows the device's others"
    ):
        capture(metadata)


def test_rate_and_size_are_what_the_camera_offers(camera: Camera, capture: Capture) -> None:
    driver = capture(camera.plug(rate=5))
    with reading(driver) as frames:
        next(frames)
        signal = signal_of(driver)
    assert (signal.width, signal.height, signal.frame_rate, signal.format) == (640, 480, 5, PixelFormat.MJPEG)


def test_late_reader_gets_the_newest_picture(camera: Camera, capture: Capture) -> None:
    driver = capture(camera.plug())
    pictures = camera.state()["pictures"]
    with reading(driver) as frames:
        first = next(frames)
        before = pictures.index(hashlib.sha256(first.data).hexdigest())
        sent = camera.state()["frames"]
        eventually(lambda: camera.state()["frames"] >= sent + 8, "more pictures than there are buffers")
        late = next(frames)
        # it had room for three while the first was being looked at, and only the last of them is given
        assert late.sequence == first.sequence + 3
        assert pictures.index(hashlib.sha256(late.data).hexdigest()) == (before + 3) % len(COLOURS)
        assert next(frames).sequence > late.sequence + 2


def test_damaged_pictures_are_counted_and_never_given(camera: Camera, capture: Capture) -> None:
    driver = capture(camera.plug(rate=20))
    pictures = camera.state()["pictures"]
    with reading(driver) as frames:
        for fault in (Fault.TORN, Fault.HEADLESS, Fault.TINY, Fault.TRAILING):
            before = driver.status().dropped
            camera.fault(fault, every=2)
            given = [hashlib.sha256(frame.data).hexdigest() for frame in itertools.islice(frames, 10)]
            assert set(given) <= set(pictures), fault
            assert driver.status().dropped > before, fault


def test_zeros_after_the_end_of_a_jpeg_do_no_harm(camera: Camera, capture: Capture) -> None:
    driver = capture(camera.plug())
    camera.fault(Fault.PADDED)
    with reading(driver) as frames:
        eventually(lambda: bytes(next(frames).data[-500:]) == bytes(500), "a picture with zeros after its end")
    assert driver.status().dropped == 0


def test_nothing_but_damaged_pictures_is_no_signal(camera: Camera, capture: Capture) -> None:
    driver = capture(camera.plug(), timeout=1)
    camera.fault(Fault.TORN)
    with reading(driver) as frames, pytest.raises(NoSignal, match="no frames for 1 s"):
        list(itertools.islice(frames, 100))
    assert driver.status().dropped > 0


def test_pulled_camera_is_lost_and_its_node_let_go(camera: Camera, capture: Capture) -> None:
    node = camera.plug(port=1)
    driver = capture(node)
    with reading(driver) as frames:
        next(frames)
        camera.unplug(port=1)
        with pytest.raises(DeviceLost, match=f"^{node}: the device is gone"):
            list(frames)
    driver.close()
    again = camera.plug(port=2)
    assert again == node, "a node that nobody holds gives its number away"
    with reading(capture(again)) as frames:
        assert next(frames).format is PixelFormat.MJPEG
