"""The netcam driver, with its simulated camera."""

from collections.abc import Iterator

import pytest
from kvmd_netcam import Netcam, NetcamOptions
from kvmd_netcam.multipart import LIMIT, NotMultipart, Pictures, boundary_of
from kvmd_netcam.simulator import Simulator, picture

from kvmd import DeviceAbsent, DeviceLost, DriverError
from kvmd.testing import CaptureConformance


@pytest.fixture
def camera() -> Iterator[Simulator]:
    with Simulator("kvm:secret") as camera:
        yield camera


@pytest.fixture
def driver(camera: Simulator) -> Iterator[Netcam]:
    driver = made(camera.url)
    yield driver
    driver.close()


def made(url: str, password: str = "secret") -> Netcam:
    return Netcam(NetcamOptions(url=url, user="kvm", password=password), None)


class TestNetcam(CaptureConformance):
    @pytest.fixture
    def driver(self, camera: Simulator, driver: Netcam) -> Netcam:
        self.camera = camera
        return driver

    def unplug(self, driver: Netcam) -> None:
        self.camera.picture = None

    def plug(self, driver: Netcam) -> None:
        self.camera.picture = picture("blue")


def test_a_picture_is_passed_on_as_it_comes(camera: Simulator, driver: Netcam) -> None:
    driver.open()
    assert next(driver.frames()).data == camera.picture


def test_a_size_that_changes(camera: Simulator, driver: Netcam) -> None:
    driver.open()
    frames = driver.frames()
    assert next(frames).width == 320
    camera.picture = picture("red", (64, 48))
    assert any(frame.width == 64 for frame, _ in zip(frames, range(100), strict=False))


@pytest.mark.parametrize("damaged", [picture("green")[:-20], b"\xff\xd8" + bytes(200) + b"\xff\xd9"])
def test_damaged_pictures_are_left_out(camera: Simulator, driver: Netcam, damaged: bytes) -> None:
    whole = picture("green")
    camera.picture = damaged
    driver.open()
    with pytest.raises(DriverError, match="sent no picture"):
        next(driver.frames())
    assert driver.status().dropped > 0
    camera.picture = whole
    assert next(driver.frames()).data == whole


def test_a_camera_that_is_switched_off(driver: Netcam, camera: Simulator) -> None:
    driver.open()
    frames = driver.frames()
    next(frames)
    camera.__exit__()
    with pytest.raises(DeviceLost):
        list(frames)
    driver.close()
    with pytest.raises(DeviceAbsent, match="cannot be reached"):
        driver.open()


def test_a_wrong_password(camera: Simulator) -> None:
    with pytest.raises(DriverError, match=r"answers 401.*set capture\.options\.user"):
        made(camera.url, "wrong").open()


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "camera/video"])
def test_no_address(url: str) -> None:
    with pytest.raises(DriverError, match=r"set capture\.options\.url"):
        made(url).open()


def test_a_page_that_is_no_stream(camera: Simulator) -> None:
    with pytest.raises(DriverError, match="it sends text/html"):
        made(camera.url.replace("video", "index.html")).open()


class TestMultipart:
    @pytest.mark.parametrize(
        "sent",
        [
            b"--x\r\nContent-Length: 3\r\n\r\none\r\n--x\r\ncontent-length: 3\r\n\r\ntwo",
            b"--x\r\nContent-Type: image/jpeg\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x",
            b"noise--x\r\nX: y\r\nContent-Length:3\r\n\r\none--x\r\n\r\ntwo\r\n--x--",
        ],
    )
    @pytest.mark.parametrize("step", [1, 7, 1000])
    def test_pictures(self, sent: bytes, step: int) -> None:
        pictures = Pictures(b"--x")
        steps = [pictures.feed(sent[at : at + step]) for at in range(0, len(sent), step)]
        assert [picture for found in steps for picture in found] == [b"one", b"two"]

    def test_one_without_end(self) -> None:
        pictures = Pictures(b"--x")
        pictures.feed(b"--x\r\n\r\n")
        with pytest.raises(NotMultipart):
            pictures.feed(bytes(LIMIT))

    @pytest.mark.parametrize(
        ("content_type", "boundary"),
        [
            ("multipart/x-mixed-replace;boundary=frame", b"--frame"),
            ('multipart/x-mixed-replace; boundary="--frame"', b"--frame"),
        ],
    )
    def test_boundary(self, content_type: str, boundary: bytes) -> None:
        assert boundary_of(content_type) == boundary

    @pytest.mark.parametrize("content_type", ["", "image/jpeg", "multipart/x-mixed-replace"])
    def test_no_boundary(self, content_type: str) -> None:
        with pytest.raises(NotMultipart):
            boundary_of(content_type)
