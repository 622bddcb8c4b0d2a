"""V4L2's ioctls on a plain file: the operating system's edge, for what no kernel does on demand."""

import ctypes
import errno
from pathlib import Path

import pytest

from kvmd_drivers.v4l2 import node, uapi
from kvmd_drivers.v4l2.node import number
from tests.shadow import shadow

BUFFERS = 4
LENGTH = 2**23
CAPTURE = uapi.V4L2_CAP_VIDEO_CAPTURE | uapi.V4L2_CAP_STREAMING
NAMES = {value: name for name, value in vars(uapi).items() if name.startswith("VIDIOC_")}


def timings(width: int, height: int, clock: int, blank: tuple[int, int] = (0, 0), **fields: int) -> uapi.BtTimings:
    return uapi.BtTimings(
        width=width, height=height, pixelclock=clock, hfrontporch=blank[0], vfrontporch=blank[1], **fields
    )


HD = timings(1280, 720, 74_250_000, (370, 30))


class FakeV4l2:
    """A node that answers as a kernel would.

    :param folder: where the file lies that stands for the node; it can be polled and mapped
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "video0"
        self.card = b"unicam"
        self.formats = ["UYVY", "RGB3"]
        self.own_edid = b""
        self.loaded: list[bytes] = []
        self.source = HD
        self.set: list[uapi.DvTimings] = []
        self.power: int | None = 1
        self.starts = 0
        self.failures: dict[str, list[int]] = {}
        """Errors that an ioctl answers before it works, by its name."""
        self.counts = True
        self._sequence = 0
        self._queued: list[int] = []
        self._size = (0, 0, 0)
        with self.path.open("wb") as file:
            file.truncate(BUFFERS * LENGTH)
        shadow(monkeypatch, node, "fcntl", ioctl=self._ioctl)

    def _ioctl(self, _fd: int, request: int, argument: ctypes.Structure) -> None:
        name = NAMES[request].removeprefix("VIDIOC_")
        waiting = self.failures.get(name, [])
        fault = waiting.pop(0) if waiting else 0
        if fault:
            raise OSError(fault, "on demand")
        getattr(self, f"_{name.lower()}", self._unknown)(argument)

    def _unknown(self, _argument: ctypes.Structure) -> None:
        raise OSError(errno.ENOTTY, "not implemented")

    def _querycap(self, raw: uapi.Capability) -> None:
        raw.card, raw.capabilities = self.card, CAPTURE

    def _enum_fmt(self, raw: uapi.Fmtdesc) -> None:
        if raw.index >= len(self.formats):
            raise OSError(errno.EINVAL, "the end")
        raw.pixelformat = number(self.formats[raw.index])

    def _g_fmt(self, raw: uapi.Format) -> None:
        raw.fmt.pix.width, raw.fmt.pix.height, raw.fmt.pix.pixelformat = self._size

    def _s_fmt(self, raw: uapi.Format) -> None:
        pix = raw.fmt.pix
        self._size = (pix.width, pix.height, pix.pixelformat)

    def _g_edid(self, raw: uapi.Edid) -> None:
        if raw.blocks:
            ctypes.memmove(raw.edid, self.own_edid, len(self.own_edid))
        raw.blocks = len(self.own_edid) // 128

    def _s_edid(self, raw: uapi.Edid) -> None:
        self.own_edid = ctypes.string_at(raw.edid, raw.blocks * 128)
        self.loaded.append(self.own_edid)

    def _g_dv_timings(self, raw: uapi.DvTimings) -> None:
        raw.bt = self.source

    def _query_dv_timings(self, raw: uapi.DvTimings) -> None:
        raw.bt = self.source

    def _s_dv_timings(self, raw: uapi.DvTimings) -> None:
        self.set.append(raw)

    def _g_ctrl(self, raw: uapi.Control) -> None:
        if self.power is None:
            raise OSError(errno.EINVAL, "no such control")
        raw.value = self.power

    def _subscribe_event(self, _raw: uapi.EventSubscription) -> None:
        pass

    def _dqevent(self, _raw: uapi.Event) -> None:
        raise OSError(errno.ENOENT, "none")

    def _reqbufs(self, raw: uapi.Requestbuffers) -> None:
        raw.count = min(raw.count, BUFFERS)
        self._queued = []

    def _querybuf(self, raw: uapi.Buffer) -> None:
        raw.length, raw.m.offset = LENGTH, raw.index * LENGTH

    def _qbuf(self, raw: uapi.Buffer) -> None:
        self._queued.append(raw.index)

    def _dqbuf(self, raw: uapi.Buffer) -> None:
        if not self._queued:
            raise BlockingIOError(errno.EAGAIN, "none is ready")
        raw.index = self._queued.pop(0)
        raw.bytesused = self._size[0] * self._size[1] * 3
        raw.sequence = self._sequence
        self._sequence += self.counts

    def _streamon(self, _argument: ctypes.c_int) -> None:
        self.starts += 1
        self._sequence = 0

    def _streamoff(self, _argument: ctypes.c_int) -> None:
        self._queued = []
