"""The wol driver: its bytes, on loopback, and from one network namespace to another as an ordinary user."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kvmd import DeviceAbsent, DriverError, PowerButton, PowerCapability, Unsupported
from kvmd.testing import PowerConformance
from kvmd_drivers import wol
from kvmd_drivers.wol import Wol, WolOptions, magic_packet, parse_address
from tests.kernel.waiting import run

MAC = "52:54:00:12:34:56"
BYTES = bytes.fromhex("525400123456")
PACKET = b"\xff" * 6 + BYTES * 16


def made(**options: Any) -> Wol:
    return Wol(WolOptions(**options), None)


@pytest.fixture
def sleeper() -> Iterator[socket.socket]:
    """What the computer's card hears on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sleeper:
        sleeper.bind(("127.0.0.1", 0))
        sleeper.settimeout(60)
        yield sleeper


class TestWol(PowerConformance):
    """Its packets go to loopback, where nobody is woken."""

    # it has no device that could go; None is how pytest is told of no test
    test_open_without_the_device = test_device_lost_and_back = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self) -> Wol:
        return made(mac=MAC, broadcast="127.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        MAC,
        "52-54-00-12-34-56",
        "5254.0012.3456",
        "525400123456",
        " 52:54:00:12:34:56\n",
    ],
)
def test_addresses_are_understood_as_people_paste_them(text: str) -> None:
    assert parse_address(text) == BYTES


def test_letters_may_be_large_or_small() -> None:
    assert parse_address("AA:bb:CC:dd:EE:ff") == parse_address("AABB.CCDD.EEFF") == bytes.fromhex("aabbccddeeff")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "52:54:00:12:34",
        f"{MAC}:78",
        "52:54:00:12:34:5g",
        "52:54-00:12:34:56",
        "5254001234567",
        "5:4:0:2:3:6",
        "١٢٣٤٥٦٧٨٩٠١٢",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert parse_address(text) is None


def test_packet() -> None:
    assert magic_packet(BYTES) == PACKET
    assert magic_packet(BYTES, b"secret") == PACKET + b"secret"
    assert len(PACKET) == 102


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, r"nobody to wake: set power\.options\.mac"),
        ({"mac": "my pc"}, r'power\.options\.mac = "my pc" is no hardware address, twelve hexadecimal digits'),
        ({"mac": "ff:ff:ff:ff:ff:ff"}, "is the address of a group"),
        ({"mac": MAC, "broadcast": "office"}, r'power\.options\.broadcast = "office" is no IPv4 address'),
    ],
)
def test_options_that_make_no_sense(options: dict[str, str], reason: str) -> None:
    driver = made(**options)
    with pytest.raises(DriverError, match=reason):
        driver.open()
    with pytest.raises(DriverError, match="the driver is closed"):
        driver.wake()


def test_wrong_password_is_told_and_not_repeated() -> None:
    with pytest.raises(DriverError, match=r"power\.options\.secure_on is no password of six bytes") as raised:
        made(mac=MAC, secure_on="hunter2").open()
    assert "hunter2" not in str(raised.value)


def test_interface_that_is_not_there() -> None:
    with pytest.raises(DeviceAbsent, match=r'no network interface is called "eth99": .* there are: .*\blo\b'):
        made(mac=MAC, interface="eth99").open()


def test_nothing_needs_to_be_plugged_in_and_auto_never_chooses_it() -> None:
    assert Wol.matches == ()


def test_waking_is_all_that_it_can_do() -> None:
    driver = made(mac=MAC, secure_on="aa:bb:cc:dd:ee:ff", interface="lo")
    assert driver.capabilities == PowerCapability.WAKE
    with pytest.raises(Unsupported, match="wol has no power button"):
        driver.press(PowerButton.POWER, 0.1)
    status = driver.status()
    assert (status.device, status.power_lamp, status.disk_lamp) == (f"Wake-on-LAN for {MAC} over lo", None, None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [PACKET] * 3),
        ({"secure_on": "01-02-03-04-05-06", "packets": 1}, [PACKET + bytes((1, 2, 3, 4, 5, 6))]),
        ({"interface": "lo", "packets": 2}, [PACKET] * 2),
    ],
)
def test_packets_arrive_byte_for_byte(
    sleeper: socket.socket, options: dict[str, object], expected: list[bytes]
) -> None:
    host, port = sleeper.getsockname()
    with closing(made(mac=MAC, broadcast=host, port=port, **options)) as driver:
        driver.open()
        driver.wake()
    assert [sleeper.recv(2048) for _ in expected] == expected
    sleeper.setblocking(False)
    with pytest.raises(BlockingIOError):
        sleeper.recv(2048)


def test_network_that_takes_no_packet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = made(mac=MAC, packets=1)
    driver.open()

    def refuse(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(wol.Wol, "_socket", refuse)
    with pytest.raises(DriverError, match=r"over the network: Network is unreachable; set power\.options\.interface"):
        driver.wake()


LISTEN = """
import socket
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
print("ready", flush=True)
while True:
    frame, (interface, *_) = listener.recvfrom(2048)
    print(interface, frame.hex(), flush=True)
"""
"""Prints each IPv4 packet that arrives, Ethernet's header and all."""

WAKE = """
import json, os, sys
from kvmd_drivers.wol import Wol, WolOptions
os.setgroups([]); os.setgid(65534); os.setuid(65534)
driver = Wol(WolOptions(**json.loads(sys.argv[1])), None)
driver.open()
driver.wake()
"""
"""Wakes as an ordinary user."""

KVM, PC = f"kvm-{os.getpid()}", f"pc-{os.getpid()}"


class Networks:
    """Two computers with two networks between them, ``lan`` and ``wan``; the first has its default route by ``wan``."""

    def __init__(self) -> None:
        self._listener = subprocess.Popen(
            ["ip", "netns", "exec", PC, sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready\n"

    def _line(self) -> str:
        assert self._listener.stdout is not None
        return self._listener.stdout.readline()

    def wake(self, **options: Any) -> None:
        """Wake the second computer from the first."""
        words = [sys.executable, "-c", WAKE, json.dumps({"mac": MAC, "packets": 1, **options})]
        run("ip", "netns", "exec", KVM, *words)

    def heard(self) -> tuple[str, bytes]:
        """Wait for the next packet, and return its interface and its bytes."""
        interface, frame = self._line().split()
        return interface, bytes.fromhex(frame)

    def close(self) -> None:
        self._listener.kill()
        self._listener.communicate()


@pytest.fixture
def networks() -> Iterator[Networks]:
    if os.geteuid():
        pytest.skip("network namespaces need root")
    try:
        for name in (KVM, PC):
            run("ip", "netns", "add", name)
        for name, address in (("lan", "192.0.2.1/24"), ("wan", "198.51.100.1/24")):
            run("ip", "-n", KVM, "link", "add", name, "type", "veth", "peer", "name", name, "netns", PC)
            run("ip", "-n", KVM, "address", "add", address, "dev", name)
            for each in (KVM, PC):
                run("ip", "-n", each, "link", "set", name, "up")
        run("ip", "-n", KVM, "route", "add", "default", "via", "198.51.100.2")
        with closing(Networks()) as networks:
            yield networks
    finally:
        for name in (KVM, PC):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.parametrize(
    ("options", "interface", "addresses", "port"),
    [
        ({}, "wan", ("198.51.100.1", "255.255.255.255"), 9),
        ({"interface": "lan"}, "lan", ("192.0.2.1", "255.255.255.255"), 9),
        ({"broadcast": "192.0.2.255", "port": 7}, "lan", ("192.0.2.1", "192.0.2.255"), 7),
        ({"broadcast": "192.0.2.255", "interface": "lan"}, "lan", ("192.0.2.1", "192.0.2.255"), 9),
    ],
)
def test_other_computer_hears_a_broadcast(
    networks: Networks, options: dict[str, object], interface: str, addresses: tuple[str, str], port: int
) -> None:
    networks.wake(**options)
    where, frame = networks.heard()
    assert where == interface
    assert frame[:6] == b"\xff" * 6, "to everyone on the wire"
    assert frame[26:34] == b"".join(map(socket.inet_aton, addresses))
    assert int.from_bytes(frame[36:38], "big") == port
    assert frame[42:] == PACKET


def test_interface_without_an_address_sends_too(networks: Networks) -> None:
    run("ip", "-n", KVM, "address", "flush", "dev", "lan")
    networks.wake(interface="lan", secure_on="01:02:03:04:05:06")
    where, frame = networks.heard()
    assert (where, frame[:6], frame[42:]) == ("lan", b"\xff" * 6, PACKET + bytes((1, 2, 3, 4, 5, 6)))


def test_interface_that_is_down_is_told(networks: Networks) -> None:
    run("ip", "-n", KVM, "link", "set", "lan", "down")
    with pytest.raises(RuntimeError, match=r"over lan: Network is unreachable"):
        networks.wake(interface="lan")
