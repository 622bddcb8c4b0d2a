"""The lab's USB ports without QEMU and without a kernel: the protocol, the commands, and the thread."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.errors import GuestLost
from tests.lab.usb import arguments, usbredir
from tests.lab.usb.camera.descriptors import Identity
from tests.lab.usb.camera.firmware import Camera
from tests.lab.usb.camera.pictures import Fault
from tests.lab.usb.ch340 import Ch340
from tests.lab.usb.ch9329 import Ch9329
from tests.lab.usb.control import DEVICES, Control
from tests.lab.usb.port import Port
from tests.lab.usb.process import Devices
from tests.lab.usb.service import Service
from tests.lab.usb.usbredir import Endpoint, Packet, Parser, Request, Status, Transfer, Type
from tests.lab.usb_host import Host
from tests.waiting import eventually, patience

DONGLE = Identity()

# -- the protocol


def test_hello() -> None:
    data = usbredir.hello("kvmd-lab")
    assert data[:12] == struct.pack("<III", 0, 68, 0)
    assert data[12:76].rstrip(b"\0") == b"kvmd-lab"
    # bits 1, 4, 5 and 6
    assert data[76:] == b"\x72\x00\x00\x00"


def test_packets_are_cut_wherever_they_are_split() -> None:
    sent = usbredir.hello("qemu") + Packet(Type.RESET).encode() + Packet(Type.BULK, 7, b"12345678").encode()
    parser = Parser()
    found = [packet for byte in sent for packet in parser.feed(bytes([byte]))]
    assert [packet.type for packet in found] == [Type.HELLO, Type.RESET, Type.BULK]
    assert found[2] == Packet(Type.BULK, 7, b"12345678")


def test_device_packets() -> None:
    connect = usbredir.device_connect(0x534D, 0x2109, (0xEF, 2, 1), usbredir.HIGH_SPEED).encode()
    assert connect == bytes.fromhex("01000000 0a000000 0000000000000000 02 ef 02 01 4d53 0921 0001")
    interfaces = usbredir.interface_info({0: (14, 1, 0), 1: (14, 2, 0)}).body
    assert len(interfaces) == 4 + 4 * 32
    assert (interfaces[:6], interfaces[36:38], interfaces[68:70]) == (b"\2\0\0\0\0\1", b"\x0e\x0e", b"\1\2")
    endpoints = usbredir.endpoint_info([Endpoint(0x81, usbredir.BULK, 1, 512)]).body
    assert len(endpoints) == 5 * 32
    assert [place for place in range(32) if endpoints[place] != 255] == [0, 16, 17]
    assert (endpoints[17], endpoints[64 + 17], endpoints[96 + 34 : 96 + 36]) == (2, 1, b"\x00\x02")


def test_long_bulk_answer_has_both_halves_of_its_length() -> None:
    answer = Transfer(3, 0x81, 1 << 20).answer(bytes(0x12345)).body
    assert answer[:10] == struct.pack("<BBHIH", 0x81, 0, 0x2345, 0, 1)


# -- a port


@pytest.fixture
def host() -> Host:
    return Host(Camera(DONGLE))


def test_configuration_and_settings(host: Host) -> None:
    assert host.ask(Type.SET_CONFIGURATION, b"\1") == Packet(Type.CONFIGURATION_STATUS, host.sent, b"\0\1")
    assert host.ask(Type.GET_CONFIGURATION, b"") == Packet(Type.CONFIGURATION_STATUS, host.sent, b"\0\1")
    assert host.ask(Type.SET_ALT_SETTING, b"\1\0") == Packet(Type.ALT_SETTING_STATUS, host.sent, b"\0\1\0")
    assert host.ask(Type.GET_ALT_SETTING, b"\1") == Packet(Type.ALT_SETTING_STATUS, host.sent, b"\0\1\0")


def test_nothing_is_sent_that_nobody_waits_for(host: Host) -> None:
    assert host.receive(now=1000) == []
    assert host.port.due == float("inf")


def test_cancelled_transfer_is_answered_once(host: Host) -> None:
    host.submit()
    host.port.receive(Packet(Type.CANCEL_DATA, host.sent).encode())
    assert [(packet.number, packet.body[1]) for packet in host.take()] == [(host.sent, Status.CANCELLED)]
    assert host.receive(now=1000) == []
    host.port.receive(Packet(Type.CANCEL_DATA, host.sent).encode())
    assert host.take() == []


def test_pulled_device_says_no_more(host: Host) -> None:
    host.submit(3)
    host.port.unplug()
    assert [packet.type for packet in host.take()] == [Type.DEVICE_DISCONNECT]
    host.submit()
    host.port.receive(Packet(Type.CONTROL, 1, Request(0x80, 6, 0x80, 0x100, 0, 18).encode()).encode())
    assert host.receive(now=1000) == []
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


def test_commands_are_obeyed() -> None:
    ports = {1: Host().port, 2: Host().port}
    control = Control(ports)
    plug = b'{"command": "plug", "port": 2, "device": "camera", "serial": "7", "rate": 5}\n'
    assert b'"plugged": true' in command(control, plug)
    camera = ports[2].device
    assert isinstance(camera, Camera)
    assert camera.identity == Identity(serial="7", rate=5)
    assert command(control, b'{"command": "fault", "port": 2, "kind": "to') == b""
    assert b'"frames": 0' in command(control, b'rn", "every": 3}\n')
    assert camera.fault is Fault.TORN
    assert command(control, b'{"command": "state", "port": 1}\n') == b'{"plugged": false}\n'
    assert command(control, b'{"command": "unplug", "port": 2}\n') == b'{"plugged": false}\n'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", b"JSONDecodeError"),
        (b"[]", b"TypeError"),
        (b'{"command": "plug", "port": 3, "device": "camera"}', b"KeyError: 3"),
        (b'{"command": "plug", "port": 1, "device": "toaster"}', b"KeyError: 'toaster'"),
        (b'{"command": "plug", "port": 1, "device": "camera", "colour": "red"}', b"colour"),
        (b'{"command": "fault", "port": 1, "kind": "torn", "every": 1}', b"nothing is plugged in"),
    ],
)
def test_commands_that_cannot_be_obeyed_are_answered_with_the_reason(line: bytes, words: bytes) -> None:
    answer = command(Control({1: Host().port}), line + b"\n")
    assert answer.startswith(b'{"error": ')
    assert words in answer


def test_device_that_finds_its_port_taken_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = Ch9329()
    assert Path(chip.path).exists()
    monkeypatch.setitem(DEVICES, "ch9329", lambda: Ch340(chip))
    control = Control({1: Host(Camera(DONGLE)).port})
    answer = command(control, b'{"command": "plug", "port": 1, "device": "ch9329"}\n')
    assert b"something is plugged in already" in answer
    assert not Path(chip.path).exists(), "its thread would keep it"


def test_port_without_qemu_takes_no_device() -> None:
    with pytest.raises(ValueError, match="QEMU is not connected"):
        Port().plug(Camera(DONGLE))


# -- the thread


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, pytest.fail)
    service.start()
    yield service
    service.stop()


def connect(folder: Path, name: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(patience())
    line.connect(str(folder / name))
    return line


@pytest.mark.usefixtures("service")
def test_service_joins_the_ports_with_the_commands(tmp_path: Path) -> None:
    with connect(tmp_path, "usb1") as usb, connect(tmp_path, "usb-control") as control:
        usb.sendall(usbredir.hello("qemu"))
        assert usb.recv(80, socket.MSG_WAITALL) == usbredir.hello("kvmd-lab")
        control.sendall(b'{"command": "plug", "port": 1, "device": "camera"}\n')
        assert b'"plugged": true' in control.recv(4096)
        assert usb.recv(16, socket.MSG_WAITALL)[:1] == bytes([Type.INTERFACE_INFO])


@pytest.mark.usefixtures("service")
def test_service_outlives_a_qemu_that_dies(tmp_path: Path) -> None:
    with connect(tmp_path, "usb1") as usb:
        usb.sendall(usbredir.hello("qemu"))
    with connect(tmp_path, "usb-control") as control:
        control.sendall(b'{"command": "state", "port": 1}\n')
        assert control.recv(4096) == b'{"plugged": false}\n'


def test_service_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    service = Service(tmp_path, pytest.fail)
    service.start()
    lines = [connect(tmp_path, name) for name in ("usb1", "usb2", "usb-control")]
    eventually(lambda: lines[0].recv(1, socket.MSG_PEEK), "the service")
    service.stop()
    for line in lines:
        with line.makefile("rb") as rest:
            rest.read()  # to its end, which the other side has made
        line.close()
    assert not service._thread.is_alive()
    assert str(tmp_path) not in Path("/proc/net/unix").read_text()


def test_process_ends_with_the_lab_and_leaves_no_socket(tmp_path: Path) -> None:
    devices = Devices(tmp_path, pytest.fail)
    devices.start()
    with connect(tmp_path, "usb-control") as control:
        control.sendall(b'{"command": "state", "port": 1}\n')
        assert control.recv(4096) == b'{"plugged": false}\n'
    devices.stop()
    assert str(tmp_path) not in Path("/proc/net/unix").read_text()


def test_process_that_cannot_listen_says_why(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "missing", pytest.fail)
    with pytest.raises(GuestLost, match=r"(?s)USB devices do not start: .*No such file or directory"):
        devices.start()
    devices.stop()


def test_service_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    Service(tmp_path, pytest.fail).stop()


def test_qemu_is_told_of_every_socket(tmp_path: Path) -> None:
    words = arguments(tmp_path)
    assert {word for word in words if "path=" in word} == {
        f"socket,id={name},path={tmp_path / name}" for name in ("usb1", "usb2", "usb-control")
    }
    assert "usb-redir,chardev=usb2,bus=usb.0,port=2" in words
