"""What brings a picture to a video node: an HDMI receiver with its EDID, timings, controls and events.

Its ioctls are on the video node where that does it all, else on a sub-device's node.
Errors are the kernel's own (OSError); the driver above turns them into words.
Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/, "Digital Video (DV)
Timings", "Event Interface" and the pages of the ioctls.
"""

from __future__ import annotations

import ctypes
import errno
import select
from pathlib import Path

from . import uapi
from .node import Handle

EDID_BLOCK = 128
"""Bytes."""


class Receiver(Handle):
    """An open node of a receiver.

    :param path: its path in /dev
    :raises OSError: it cannot be opened
    """

    def name(self) -> str:
        """Return the kernel's name for the node; empty where sysfs does not know it."""
        try:
            return Path("/sys/class/video4linux", Path(self.path).resolve().name, "name").read_text().strip()
        except OSError:
            return ""

    def edid(self, pad: int = 0) -> bytes:
        """Return the EDID that the source sees; empty if there is none."""
        raw = uapi.Edid(pad=pad)
        try:
            self.ioctl(uapi.VIDIOC_G_EDID, raw)
            data = (ctypes.c_uint8 * (EDID_BLOCK * raw.blocks))()
            raw.edid = data
            if raw.blocks:
                self.ioctl(uapi.VIDIOC_G_EDID, raw)
        except OSError as error:
            if error.errno == errno.ENODATA:
                return b""
            raise
        return bytes(data)[: EDID_BLOCK * raw.blocks]

    def set_edid(self, data: bytes, pad: int = 0) -> None:
        """Show the source another EDID, whole blocks; empty: none. The hot-plug line drops, and rises again.

        :raises OSError: the device refuses it; E2BIG says how many blocks it takes
        """
        blocks = len(data) // EDID_BLOCK
        raw = uapi.Edid(pad=pad, blocks=blocks, edid=(ctypes.c_uint8 * len(data)).from_buffer_copy(data))
        try:
            self.ioctl(uapi.VIDIOC_S_EDID, raw)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            raise OSError(error.errno, f"it has {blocks} blocks and the device takes {raw.blocks}") from error

    def has_timings(self) -> bool:
        """Tell whether it can be asked for timings at all, on this input or another."""
        try:
            self.timings()
        except OSError as error:
            if error.errno == errno.ENOTTY:
                return False
            if error.errno != errno.ENODATA:
                raise
        return True

    def query_timings(self, raw: uapi.DvTimings) -> None:
        """Measure what the source sends; this may take seconds.

        :param raw: is filled in; where the answer is an error, with as much as the driver knows
        """
        self.ioctl(uapi.VIDIOC_QUERY_DV_TIMINGS, raw)

    def set_timings(self, raw: uapi.DvTimings) -> None:
        """Set what to receive, not while it is streaming (EBUSY)."""
        self.ioctl(uapi.VIDIOC_S_DV_TIMINGS, raw)

    def timings(self) -> uapi.DvTimings:
        """Return the timings that are set."""
        raw = uapi.DvTimings()
        self.ioctl(uapi.VIDIOC_G_DV_TIMINGS, raw)
        return raw

    def limits(self, pad: int = 0) -> uapi.BtTimingsCap:
        """Return the range of timings that it takes; nothing but zeros where it does not say."""
        raw = uapi.DvTimingsCap(pad=pad)
        try:
            self.ioctl(uapi.VIDIOC_DV_TIMINGS_CAP, raw)
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.ENODATA, errno.EINVAL):
                raise
        limits: uapi.BtTimingsCap = raw.bt
        return limits

    def control(self, identifier: int) -> int | None:
        """Return a control's value; None where there is no such control, or its chip does not answer."""
        raw = uapi.Control(id=identifier)
        try:
            self.ioctl(uapi.VIDIOC_G_CTRL, raw)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            return None
        return int(raw.value)

    def subscribe(self, event: int, identifier: int = 0) -> bool:
        """Ask for events.

        :param identifier: the control's, for a control's events
        :return: whether the node has them
        """
        try:
            self.ioctl(uapi.VIDIOC_SUBSCRIBE_EVENT, uapi.EventSubscription(type=event, id=identifier))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return False
            raise
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for an event, or for the device's end."""
        poll = select.poll()
        poll.register(self.fd, select.POLLPRI)
        return bool(poll.poll(seconds * 1000))

    def dequeue_event(self) -> uapi.Event | None:
        """Take the oldest event; None if there is none."""
        raw = uapi.Event()
        try:
            self.ioctl(uapi.VIDIOC_DQEVENT, raw)
        except OSError as error:
            # ENOENT: none is waiting; ENOTTY: the node never has any
            if error.errno in (errno.ENOENT, errno.ENOTTY):
                return None
            raise
        return raw
