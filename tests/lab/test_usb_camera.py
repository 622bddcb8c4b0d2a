"""The emulated camera without QEMU and without a kernel: its bytes, and how it answers a host that speaks usbredir."""

import io
import socket
import struct
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.kernel.waiting import eventually
from tests.lab.usb_camera import descriptors, usbredir
from tests.lab.usb_camera.control import Control
from tests.lab.usb_camera.descriptors import MJPEG, YUYV, Identity
from tests.lab.usb_camera.firmware import Camera
from tests.lab.usb_camera.pictures import COLOURS, Fault, jpegs, raws, spoil
from tests.lab.usb_camera.port import Port
from tests.lab.usb_camera.service import Service
from tests.lab.usb_camera.usbredir import Packet, Parser, Request, Status, Transfer, Type

DONGLE = Identity()
ROOM = 16384

# -- descriptors, read as lsusb -v does


def walk(data: bytes) -> list[bytes]:
    """Cut a configuration into its descriptors by their lengths."""
    found = []
    while data:
        assert 2 <= data[0] <= len(data)
        found.append(data[: data[0]])
        data = data[data[0] :]
    return found


def test_device_descriptor():
    assert descriptors.device(DONGLE) == bytes.fromhex("12 01 0002 ef 02 01 40 4d53 0921 0001 01 02 03 01")


def test_configuration_is_as_long_as_it_says_and_every_descriptor_in_it():
    data = descriptors.configuration(10)
    first, *rest = walk(data)
    assert first == struct.pack("<BBHBBBBB", 9, 2, len(data), 2, 1, 0, 0x80, 250)
    kinds = [(each[1], each[2]) if each[1] == 0x24 else each[1] for each in rest]
    control = [0x0B, 4, (0x24, 1), (0x24, 2), (0x24, 3)]
    streaming = [4, (0x24, 1), (0x24, 6), (0x24, 7), (0x24, 13), (0x24, 4), (0x24, 5), (0x24, 13), 5]
    assert kinds == control + streaming


def test_class_headers_count_what_belongs_to_them():
    blocks = walk(descriptors.configuration(10))
    control, streaming = (number for number, each in enumerate(blocks) if each[1:3] == b"\x24\x01")
    assert blocks[control][3:5] == b"\x10\x01", "UVC 1.1"
    assert int.from_bytes(blocks[control][5:7], "little") == sum(map(len, blocks[control : control + 3]))
    assert int.from_bytes(blocks[streaming][4:6], "little") == sum(map(len, blocks[streaming:-1]))
    assert blocks[streaming][6] == 0x81


@pytest.mark.parametrize(("subtype", "length"), [(7, 30), (5, 30)])
def test_frame_descriptors(subtype, length):
    [frame] = [each for each in walk(descriptors.configuration(15)) if each[1:3] == bytes([0x24, subtype])]
    assert len(frame) == length
    index, _, width, height, low, high, size, usual, kinds, interval = struct.unpack_from("<BBHHIIIIBI", frame, 3)
    assert (index, width, height, size) == (1, 640, 480, 614400)
    assert (usual, kinds, interval) == (666666, 1, 666666)
    assert low == high == 614400 * 8 * 15


def test_format_descriptors():
    blocks = walk(descriptors.configuration(10))
    [mjpeg] = [each for each in blocks if each[1:3] == b"\x24\x06"]
    [raw] = [each for each in blocks if each[1:3] == b"\x24\x04"]
    assert mjpeg == bytes.fromhex("0b 24 06 01 01 01 01 00000000")
    assert raw == bytes.fromhex("1b 24 04 02 01 59555932 0000 1000 8000 00aa00389b71 10 01 00000000")


def test_strings_and_what_is_not_there():
    assert descriptors.descriptor(DONGLE, 3, 0) == b"\x04\x03\x09\x04"
    assert descriptors.descriptor(DONGLE, 3, 3) == b"\x12\x03" + "20260001".encode("utf-16le")
    assert descriptors.descriptor(DONGLE, 3, 4) is None
    assert descriptors.descriptor(DONGLE, 15, 0) is None


def test_stream_control_has_the_size_of_uvc_1_1():
    control = descriptors.stream_control(YUYV, 10)
    assert len(control) == 34
    assert struct.unpack_from("<HBBI", control) == (1, 2, 1, 1_000_000)
    assert struct.unpack_from("<II", control, 18) == (614400, ROOM)


# -- pictures


def test_jpegs_have_their_colour_and_take_several_payloads():
    for jpeg, colour in zip(jpegs(), COLOURS, strict=True):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        assert image.size == (640, 480)
        assert max(abs(a - b) for a, b in zip(image.getpixel((320, 120)), colour, strict=True)) <= 4
        assert 2 * ROOM < len(jpeg) < descriptors.MAX_FRAME


def test_raw_pictures_have_their_colour():
    for raw, colour in zip(raws(), COLOURS, strict=True):
        assert len(raw) == descriptors.MAX_FRAME
        luma, u, _, v = raw[:4]
        y, cb, cr = (luma - 16) * 255 / 219, (u - 128) * 255 / 224 + 128, (v - 128) * 255 / 224 + 128
        pixel = Image.new("YCbCr", (1, 1), (round(y), round(cb), round(cr))).convert("RGB").getpixel((0, 0))
        assert max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) <= 3


def test_spoilt_pictures():
    whole = jpegs()[0]
    size = {fault: len(spoil(whole, fault)) for fault in Fault}
    assert size[Fault.NONE] == len(whole)
    assert size[Fault.TINY] < 128
    assert size[Fault.TORN] == len(whole) // 2
    assert size[Fault.OVERSIZED] > descriptors.MAX_FRAME
    assert spoil(whole, Fault.HEADLESS)[:2] != b"\xff\xd8"
    assert spoil(whole, Fault.TRAILING)[-2:] != b"\xff\xd9"
    assert spoil(whole, Fault.PADDED).rstrip(b"\0") == whole


# -- the protocol


def test_hello():
    data = usbredir.hello("kvmd-lab")
    assert data[:12] == struct.pack("<III", 0, 68, 0)
    assert data[12:76].rstrip(b"\0") == b"kvmd-lab"
    # bits 1, 4, 5 and 6
    assert data[76:] == b"\x72\x00\x00\x00"


def test_packets_are_cut_wherever_they_are_split():
    sent = usbredir.hello("qemu") + Packet(Type.RESET).encode() + Packet(Type.BULK, 7, b"12345678").encode()
    parser = Parser()
    found = [packet for byte in sent for packet in parser.feed(bytes([byte]))]
    assert [packet.type for packet in found] == [Type.HELLO, Type.RESET, Type.BULK]
    assert found[2] == Packet(Type.BULK, 7, b"12345678")


def test_device_packets():
    connect = usbredir.device_connect(0x534D, 0x2109, (0xEF, 2, 1)).encode()
    assert connect == bytes.fromhex("01000000 0a000000 0000000000000000 02 ef 02 01 4d53 0921 0001")
    interfaces = usbredir.interface_info({0: (14, 1, 0), 1: (14, 2, 0)}).body
    assert len(interfaces) == 4 + 4 * 32
    assert (interfaces[:6], interfaces[36:38], interfaces[68:70]) == (b"\2\0\0\0\0\1", b"\x0e\x0e", b"\1\2")
    endpoints = usbredir.endpoint_info(0x81, 1, 512).body
    assert len(endpoints) == 5 * 32
    assert [place for place in range(32) if endpoints[place] != 255] == [0, 16, 17]
    assert (endpoints[17], endpoints[64 + 17], endpoints[96 + 34 : 96 + 36]) == (2, 1, b"\x00\x02")


def test_long_bulk_answer_has_both_halves_of_its_length():
    answer = Transfer(3, 0x81, 1 << 20).answer(bytes(0x12345)).body
    assert answer[:10] == struct.pack("<BBHIH", 0x81, 0, 0x2345, 0, 1)


# -- the camera, asked as uvcvideo asks


class Host:
    """QEMU's end of a port."""

    def __init__(self, camera: Camera | None = None) -> None:
        self.port = Port()
        self.parser = Parser()
        self.sent = 0
        self.port.receive(usbredir.hello("qemu"))
        if camera:
            self.port.plug(camera)
        self.greeting = self.take()

    def take(self) -> list[Packet]:
        packets = list(self.parser.feed(bytes(self.port.outgoing)))
        self.port.outgoing.clear()
        return packets

    def ask(self, kind: int, body: bytes) -> Packet:
        self.sent += 1
        self.port.receive(Packet(kind, self.sent, body).encode())
        [answer] = self.take()
        assert answer.number == self.sent
        return answer

    def control(self, *setup: int, data: bytes = b"") -> bytes | None:
        """Send a request (USB 2.0 table 9-2); return the data of the answer, None if it was refused."""
        kind, request, value, index, length = setup
        asked = Request(kind & 0x80, request, kind, value, index, length, data)
        body = self.ask(Type.CONTROL, asked.encode()).body
        return None if body[3] == Status.STALL else body[10:]

    def submit(self, count: int = 1) -> None:
        """Wait for data with some transfers."""
        for _ in range(count):
            self.sent += 1
            body = struct.pack("<BBHIH", 0x81, 0, ROOM, 0, 0)
            self.port.receive(Packet(Type.BULK, self.sent, body).encode())

    def payloads(self, now: float) -> list[bytes]:
        self.port.stream(now)
        return [packet.body[10:] for packet in self.take()]

    def picture(self, now: float) -> tuple[int, bytes]:
        """Receive a picture; return its frame identifier as well."""
        parts = []
        while not parts or not parts[-1][1] & 2:
            self.submit()
            parts += self.payloads(now)
            assert parts, "nothing came"
        assert all(len(part) <= ROOM and part[0] == 2 and part[1] & 0x80 for part in parts)
        [identifier] = {part[1] & 1 for part in parts}
        return identifier, b"".join(part[2:] for part in parts)

    def commit(self, format_index: int) -> None:
        for selector in (1, 2):
            wanted = struct.pack("<HBB", 1, format_index, 1).ljust(34, b"\0")
            assert self.control(0x21, 0x01, selector << 8, 1, 34, data=wanted) == b""


@pytest.fixture
def camera():
    return Camera(DONGLE)


@pytest.fixture
def host(camera):
    return Host(camera)


def test_hello_comes_first_and_the_device_with_all_that_it_has(host):
    assert [packet.type for packet in host.greeting] == [
        Type.HELLO,
        Type.INTERFACE_INFO,
        Type.EP_INFO,
        Type.DEVICE_CONNECT,
    ]


def test_descriptors_are_cut_to_what_was_asked_for(host):
    whole = descriptors.configuration(10)
    assert host.control(0x80, 6, 0x0200, 0, 9) == whole[:9]
    assert host.control(0x80, 6, 0x0200, 0, 4096) == whole
    assert host.control(0x80, 6, 0x0F00, 0, 64) is None


def test_configuration_and_settings(host):
    assert host.ask(Type.SET_CONFIGURATION, b"\1") == Packet(Type.CONFIGURATION_STATUS, host.sent, b"\0\1")
    assert host.ask(Type.GET_CONFIGURATION, b"") == Packet(Type.CONFIGURATION_STATUS, host.sent, b"\0\1")
    assert host.ask(Type.SET_ALT_SETTING, b"\1\0") == Packet(Type.ALT_SETTING_STATUS, host.sent, b"\0\1\0")
    assert host.ask(Type.GET_ALT_SETTING, b"\1") == Packet(Type.ALT_SETTING_STATUS, host.sent, b"\0\1\0")


def test_stream_control_is_negotiated(host, camera):
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
def test_pictures_arrive_whole_one_after_the_other(host, camera, format_index, pictures):
    host.commit(format_index)
    received = [host.picture(now=number) for number in range(8)]
    assert [data for _, data in received] == [pictures()[number % len(COLOURS)] for number in range(8)]
    assert [identifier for identifier, _ in received] == [0, 1] * 4
    assert camera.frames == 8


def test_pictures_come_at_their_rate(host):
    host.picture(now=100)
    host.picture(now=100.05)
    host.submit()
    assert host.payloads(now=100.05) == []
    assert host.port.due == pytest.approx(100.1)
    assert len(host.payloads(now=100.11)) == 1


def test_nothing_is_sent_that_nobody_waits_for(host):
    assert host.payloads(now=1000) == []
    assert host.port.due == float("inf")


def test_stall_and_its_end(host, camera):
    camera.set_fault(Fault.STALL, 1)
    host.submit()
    assert host.payloads(now=1000) == []
    camera.set_fault(Fault.NONE, 1)
    assert len(host.payloads(now=1000)) == 1


def test_every_second_picture_is_torn(host, camera):
    camera.set_fault(Fault.TORN, 2)
    received = [host.picture(now=number)[1] for number in range(4)]
    torn = [data not in jpegs() for data in received]
    assert torn == [True, False, True, False]
    assert camera.spoilt == 2


def test_halted_endpoint_refuses_until_it_is_cleared(host, camera):
    camera.set_fault(Fault.HALT, 1)
    host.submit(2)
    host.port.stream(0)
    assert [packet.body[1] for packet in host.take()] == [Status.STALL] * 2
    assert host.control(0x02, 1, 0, 0x81, 0) == b""
    assert host.picture(now=1)[1] == jpegs()[0]


def test_stopped_stream_begins_with_a_whole_picture(host):
    host.submit(2)
    assert len(host.payloads(now=0)) == 2
    host.control(0x02, 1, 0, 0x81, 0)
    assert host.picture(now=1)[1] == jpegs()[0]


def test_cancelled_transfer_is_answered_once(host):
    host.submit()
    host.port.receive(Packet(Type.CANCEL_DATA, host.sent).encode())
    assert [(packet.number, packet.body[1]) for packet in host.take()] == [(host.sent, Status.CANCELLED)]
    assert host.payloads(now=1000) == []
    host.port.receive(Packet(Type.CANCEL_DATA, host.sent).encode())
    assert host.take() == []


def test_pulled_camera_says_no_more(host):
    host.submit(3)
    host.port.unplug()
    assert [packet.type for packet in host.take()] == [Type.DEVICE_DISCONNECT]
    host.submit()
    host.port.receive(Packet(Type.CONTROL, 1, Request(0x80, 6, 0x80, 0x100, 0, 18).encode()).encode())
    assert host.payloads(now=1000) == []
    host.port.unplug()
    assert host.take() == []
    host.port.plug(Camera(DONGLE))
    assert host.take()[-1].type == Type.DEVICE_CONNECT


# -- the guest's commands


def command(control: Control, line: bytes) -> bytes:
    control.receive(line)
    answer = bytes(control.outgoing)
    control.outgoing.clear()
    return answer


def test_commands_are_obeyed():
    ports = {1: Host().port, 2: Host().port}
    control = Control(ports)
    assert b'"plugged": true' in command(control, b'{"command": "plug", "port": 2, "serial": "7", "rate": 5}\n')
    assert ports[2].camera.identity == Identity(serial="7", rate=5)
    assert command(control, b'{"command": "fault", "port": 2, "kind": "to') == b""
    assert b'"frames": 0' in command(control, b'rn", "every": 3}\n')
    assert ports[2].camera.fault is Fault.TORN
    assert command(control, b'{"command": "state", "port": 1}\n') == b'{"plugged": false}\n'
    assert command(control, b'{"command": "unplug", "port": 2}\n') == b'{"plugged": false}\n'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", b"JSONDecodeError"),
        (b"[]", b"TypeError"),
        (b'{"command": "plug", "port": 3}', b"KeyError: 3"),
        (b'{"command": "dance", "port": 1}', b"no such command"),
        (b'{"command": "plug", "port": 1, "colour": "red"}', b"colour"),
        (b'{"command": "fault", "port": 1, "kind": "torn", "every": 1}', b"no camera is plugged in"),
    ],
)
def test_commands_that_cannot_be_obeyed_are_answered_with_the_reason(line, words):
    answer = command(Control({1: Host().port}), line + b"\n")
    assert answer.startswith(b'{"error": ')
    assert words in answer


def test_port_without_qemu_takes_no_camera():
    with pytest.raises(ValueError, match="QEMU is not connected"):
        Port().plug(Camera(DONGLE))


# -- the thread


@pytest.fixture
def service(tmp_path):
    service = Service(tmp_path)
    service.start()
    yield service
    service.stop()


def connect(folder: Path, name: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(10)
    line.connect(str(folder / name))
    return line


@pytest.mark.usefixtures("service")
def test_service_joins_the_ports_with_the_commands(tmp_path):
    with connect(tmp_path, "usb1") as usb, connect(tmp_path, "usb-control") as control:
        usb.sendall(usbredir.hello("qemu"))
        assert usb.recv(80, socket.MSG_WAITALL) == usbredir.hello("kvmd-lab")
        control.sendall(b'{"command": "plug", "port": 1}\n')
        assert b'"plugged": true' in control.recv(4096)
        assert usb.recv(16, socket.MSG_WAITALL)[:1] == bytes([Type.INTERFACE_INFO])


@pytest.mark.usefixtures("service")
def test_service_outlives_a_qemu_that_dies(tmp_path):
    with connect(tmp_path, "usb1") as usb:
        usb.sendall(usbredir.hello("qemu"))
    with connect(tmp_path, "usb-control") as control:
        control.sendall(b'{"command": "state", "port": 1}\n')
        assert control.recv(4096) == b'{"plugged": false}\n'


def test_service_leaves_no_thread_and_no_file(tmp_path):
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    threads, files = threading.active_count(), open_files()
    service = Service(tmp_path)
    service.start()
    lines = [connect(tmp_path, name) for name in ("usb1", "usb2", "usb-control")]
    eventually(lambda: lines[0].recv(1, socket.MSG_PEEK), "the service")
    service.stop()
    for line in lines:
        line.close()
    assert (threading.active_count(), open_files()) == (threads, files)


def test_service_that_was_never_started_can_be_stopped(tmp_path):
    Service(tmp_path).stop()


def test_qemu_is_told_of_every_socket(service, tmp_path):
    words = service.arguments()
    assert {word for word in words if "path=" in word} == {
        f"socket,id={name},path={tmp_path / name}" for name in ("usb1", "usb2", "usb-control")
    }
    assert "usb-redir,chardev=usb2,bus=usb.0,port=2" in words
