"""The emulated camera without QEMU and without a kernel: its bytes, and how it answers as uvcvideo asks."""

import io
import struct
from collections.abc import Callable, Sequence

import pytest
from PIL import Image

from tests.lab.usb.camera import descriptors
from tests.lab.usb.camera.descriptors import MJPEG, YUYV, Identity
from tests.lab.usb.camera.firmware import Camera
from tests.lab.usb.camera.pictures import COLOURS, Fault, jpegs, raws, spoil
from tests.lab.usb.usbredir import Status, Type
from tests.lab.usb_host import ROOM, Host

DONGLE = Identity()

# -- descriptors, read as lsusb -v does


def walk(data: bytes) -> list[bytes]:
    """Cut a configuration into its descriptors by their lengths."""
    found = []
    while data:
        assert 2 <= data[0] <= len(data)
        found.append(data[: data[0]])
        data = data[data[0] :]
    return found


def test_device_descriptor() -> None:
    assert descriptors.device(DONGLE) == bytes.fromhex("12 01 0002 ef 02 01 40 4d53 0921 0001 01 02 03 01")


def test_configuration_is_as_long_as_it_says_and_every_descriptor_in_it() -> None:
    data = descriptors.configuration(10)
    first, *rest = walk(data)
    assert first == struct.pack("<BBHBBBBB", 9, 2, len(data), 2, 1, 0, 0x80, 250)
    kinds = [(each[1], each[2]) if each[1] == 0x24 else each[1] for each in rest]
    control = [0x0B, 4, (0x24, 1), (0x24, 2), (0x24, 3)]
    streaming = [4, (0x24, 1), (0x24, 6), (0x24, 7), (0x24, 13), (0x24, 4), (0x24, 5), (0x24, 13), 5]
    assert kinds == control + streaming


def test_class_headers_count_what_belongs_to_them() -> None:
    blocks = walk(descriptors.configuration(10))
    control, streaming = (number for number, each in enumerate(blocks) if each[1:3] == b"\x24\x01")
    assert blocks[control][3:5] == b"\x10\x01", "UVC 1.1"
    assert int.from_bytes(blocks[control][5:7], "little") == sum(map(len, blocks[control : control + 3]))
    assert int.from_bytes(blocks[streaming][4:6], "little") == sum(map(len, blocks[streaming:-1]))
    assert blocks[streaming][6] == 0x81


@pytest.mark.parametrize(("subtype", "length"), [(7, 30), (5, 30)])
def test_frame_descriptors(subtype: int, length: int) -> None:
    [frame] = [each for each in walk(descriptors.configuration(15)) if each[1:3] == bytes([0x24, subtype])]
    assert len(frame) == length
    index, _, width, height, low, high, size, usual, kinds, interval = struct.unpack_from("<BBHHIIIIBI", frame, 3)
    assert (index, width, height, size) == (1, 640, 480, 614400)
    assert (usual, kinds, interval) == (666666, 1, 666666)
    assert low == high == 614400 * 8 * 15


def test_format_descriptors() -> None:
    blocks = walk(descriptors.configuration(10))
    [mjpeg] = [each for each in blocks if each[1:3] == b"\x24\x06"]
    [raw] = [each for each in blocks if each[1:3] == b"\x24\x04"]
    assert mjpeg == bytes.fromhex("0b 24 06 01 01 01 01 00000000")
    assert raw == bytes.fromhex("1b 24 04 02 01 59555932 0000 1000 8000 00aa00389b71 10 01 00000000")


def test_strings_and_what_is_not_there() -> None:
    assert descriptors.descriptor(DONGLE, 3, 0) == b"\x04\x03\x09\x04"
    assert descriptors.descriptor(DONGLE, 3, 3) == b"\x12\x03" + "20260001".encode("utf-16le")
    assert descriptors.descriptor(DONGLE, 3, 4) is None
    assert descriptors.descriptor(DONGLE, 15, 0) is None


def test_stream_control_has_the_size_of_uvc_1_1() -> None:
    control = descriptors.stream_control(YUYV, 10)
    assert len(control) == 34
    assert struct.unpack_from("<HBBI", control) == (1, 2, 1, 1_000_000)
    assert struct.unpack_from("<II", control, 18) == (614400, ROOM)


# -- pictures


def distance(pixel: object, colour: Sequence[int]) -> int:
    """How far a pixel is from a colour, in the component that differs most."""
    assert isinstance(pixel, tuple)
    distances: list[int] = [abs(a - b) for a, b in zip(pixel, colour, strict=True)]
    return max(distances)


def test_jpegs_have_their_colour_and_take_several_payloads() -> None:
    for jpeg, colour in zip(jpegs(), COLOURS, strict=True):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        assert image.size == (640, 480)
        assert distance(image.getpixel((320, 120)), colour) <= 4
        assert 2 * ROOM < len(jpeg) < descriptors.MAX_FRAME


def test_raw_pictures_have_their_colour() -> None:
    for raw, colour in zip(raws(), COLOURS, strict=True):
        assert len(raw) == descriptors.MAX_FRAME
        luma, u, _, v = raw[:4]
        y, cb, cr = (luma - 16) * 255 / 219, (u - 128) * 255 / 224 + 128, (v - 128) * 255 / 224 + 128
        pixel = Image.new("YCbCr", (1, 1), (round(y), round(cb), round(cr))).convert("RGB").getpixel((0, 0))
        assert distance(pixel, colour) <= 3


def test_spoilt_pictures() -> None:
    whole = jpegs()[0]
    size = {fault: len(spoil(whole, fault)) for fault in Fault}
    assert size[Fault.NONE] == len(whole)
    assert size[Fault.TINY] < 128
    assert size[Fault.TORN] == len(whole) // 2
    assert size[Fault.OVERSIZED] > descriptors.MAX_FRAME
    assert spoil(whole, Fault.HEADLESS)[:2] != b"\xff\xd8"
    assert spoil(whole, Fault.TRAILING)[-2:] != b"\xff\xd9"
    assert spoil(whole, Fault.PADDED).rstrip(b"\0") == whole


# -- the camera, asked as uvcvideo asks


class CameraHost(Host):
    """A host that takes pictures."""

    def picture(self, now: float) -> tuple[int, bytes]:
        """Receive a picture; return its frame identifier as well."""
        parts: list[bytes] = []
        while not parts or not parts[-1][1] & 2:
            self.submit()
            parts += self.receive(now)
            assert parts, "nothing came"
        assert all(len(part) <= ROOM and part[0] == 2 and part[1] & 0x80 for part in parts)
        [identifier] = {part[1] & 1 for part in parts}
        return identifier, b"".join(part[2:] for part in parts)

    def commit(self, format_index: int) -> None:
        for selector in (1, 2):
            wanted = struct.pack("<HBB", 1, format_index, 1).ljust(34, b"\0")
            assert self.control(0x21, 0x01, selector << 8, 1, 34, data=wanted) == b""


@pytest.fixture
def camera() -> Camera:
    return Camera(DONGLE)


@pytest.fixture
def host(camera: Camera) -> CameraHost:
    return CameraHost(camera)


def test_hello_comes_first_and_the_device_with_all_that_it_has(host: CameraHost) -> None:
    assert [packet.type for packet in host.greeting] == [
        Type.HELLO,
        Type.INTERFACE_INFO,
        Type.EP_INFO,
        Type.DEVICE_CONNECT,
    ]


def test_descriptors_are_cut_to_what_was_asked_for(host: CameraHost) -> None:
    whole = descriptors.configuration(10)
    assert host.control(0x80, 6, 0x0200, 0, 9) == whole[:9]
    assert host.control(0x80, 6, 0x0200, 0, 4096) == whole
    assert host.control(0x80, 6, 0x0F00, 0, 64) is None


def test_stream_control_is_negotiated(host: CameraHost, camera: Camera) -> None:
    assert host.control(0xA1, 0x86, 0x0100, 1, 1) == b"\3"
    assert host.control(0xA1, 0x85, 0x0100, 1, 2) == b"\x22\0"
    host.control(0x21, 0x01, 0x0100, 1, 34, data=struct.pack("<HBB", 1, YUYV, 1).ljust(34, b"\0"))
    assert host.control(0xA1, 0x81, 0x0100, 1, 34) == descriptors.stream_control(YUYV, 10)
    assert camera.format == MJPEG, "a probe is a question"
    host.commit(YUYV)
    assert camera.format == YUYV
    assert host.control(0xA1, 0x81, 0x0900, 1, 34) is None
    assert host.control(0xA1, 0x81, 0x0100, 0, 34) is None


@pytest.mark.parametrize(("format_index", "pictures"), [(MJPEG, jpegs), (YUYV, raws)])
def test_pictures_arrive_whole_one_after_the_other(
    host: CameraHost, camera: Camera, format_index: int, pictures: Callable[[], Sequence[bytes]]
) -> None:
    host.commit(format_index)
    received = [host.picture(now=number) for number in range(8)]
    assert [data for _, data in received] == [pictures()[number % len(COLOURS)] for number in range(8)]
    assert [identifier for identifier, _ in received] == [0, 1] * 4
    assert camera.frames == 8


def test_pictures_come_at_their_rate(host: CameraHost) -> None:
    host.picture(now=100)
    host.picture(now=100.05)
    host.submit()
    assert host.receive(now=100.05) == []
    assert host.port.due == pytest.approx(100.1)
    assert len(host.receive(now=100.11)) == 1


def test_stall_and_its_end(host: CameraHost, camera: Camera) -> None:
    camera.set_fault(Fault.STALL, 1)
    host.submit()
    assert host.receive(now=1000) == []
    camera.set_fault(Fault.NONE, 1)
    assert len(host.receive(now=1000)) == 1


def test_every_second_picture_is_torn(host: CameraHost, camera: Camera) -> None:
    camera.set_fault(Fault.TORN, 2)
    received = [host.picture(now=number)[1] for number in range(4)]
    torn = [data not in jpegs() for data in received]
    assert torn == [True, False, True, False]
    assert camera.spoilt == 2


def test_halted_endpoint_refuses_until_it_is_cleared(host: CameraHost, camera: Camera) -> None:
    camera.set_fault(Fault.HALT, 1)
    host.submit(2)
    host.port.stream(0)
    assert [packet.body[1] for packet in host.take()] == [Status.STALL] * 2
    assert host.control(0x02, 1, 0, 0x81, 0) == b""
    assert host.picture(now=1)[1] == jpegs()[0]


def test_stopped_stream_begins_with_a_whole_picture(host: CameraHost) -> None:
    host.submit(2)
    assert len(host.receive(now=0)) == 2
    host.control(0x02, 1, 0, 0x81, 0)
    assert host.picture(now=1)[1] == jpegs()[0]
