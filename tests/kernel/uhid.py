"""A HID device whose other end is the test: the kernel has its driver, and a hidraw node, from uhid (linux/uhid.h)."""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from .acme import NAME
from .waiting import eventually, run, settle

NODES = Path("/sys/class/hidraw")
# linux/uhid.h: types of events, and a part of each of two
OUTPUT, CREATE2 = 6, 11
CREATION = struct.Struct("=I128s64s64sHHIIII")
WRITTEN = struct.Struct("=I4096sHB")
EVENT_SIZE = CREATION.size + 4096
BUS_VIRTUAL = 6
# HID 1.11, 6.2.2: a collection of the vendor's own with an output report of eight bytes
DESCRIPTOR = bytes.fromhex("0600ff 0901 a101 0902 1500 26ff00 7508 9508 9102 c0")


class Typist:
    """The chip of acme.py, which can be plugged and pulled."""

    def __init__(self) -> None:
        self._fd = -1

    def plug(self) -> Path:
        """Plug it in; return its node, once udev is done with it."""
        self._fd = os.open("/dev/uhid", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        strings = NAME.encode(), b"", b""
        os.write(self._fd, CREATION.pack(CREATE2, *strings, len(DESCRIPTOR), BUS_VIRTUAL, 0xACE, 1, 0, 0) + DESCRIPTOR)
        node = eventually(_node, "a hidraw node")
        settle()
        return node

    def unplug(self) -> None:
        """Pull it out; nothing happens without it."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def written(self) -> list[bytes]:
        """The output reports that have come since the last call, at most some thirty, as the kernel keeps no more."""
        reports = []
        with contextlib.suppress(BlockingIOError):
            while event := os.read(self._fd, EVENT_SIZE):
                kind, data, size, _ = WRITTEN.unpack(event[: WRITTEN.size].ljust(WRITTEN.size, b"\0"))
                if kind == OUTPUT:
                    reports.append(data[:size])
        return reports


@pytest.fixture
def typist_chip() -> Iterator[Typist]:
    """A chip that is not plugged in; pulled in the end."""
    run("modprobe", "--all", "uhid", "hid_generic")
    chip = Typist()
    yield chip
    chip.unplug()
    settle()


def _node() -> Path | None:
    """The node of the chip."""
    for entry in NODES.glob("*"):
        with contextlib.suppress(OSError):  # it has just gone
            if f"HID_NAME={NAME}\n" in (entry / "device/uevent").read_text():
                return Path("/dev") / entry.name
    return None
