"""A node's stream of buffers: what was captured, as it comes.

Errors are the kernel's own (OSError); the driver above turns them into words.
Documented in the kernel's "Video for Linux API", linux/Documentation/userspace-api/media/v4l/, "Streaming I/O".
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import operator
import select
import time
from collections.abc import Callable

import msgspec

from . import uapi
from .node import Handle, Node


class Picture(msgspec.Struct, frozen=True):
    """A filled buffer.

    :param data: what was captured, in the device's memory
    :param timestamp: when, in seconds of ``time.monotonic()``
    :param damaged: whether the driver says that it is
    """

    index: int
    data: memoryview
    sequence: int
    timestamp: float
    damaged: bool


class Stream:
    """A node that is streaming into buffers which are mapped here.

    :param node: the node, with its format set
    :param whole: tells whole pictures from damaged ones, which are dropped
    :param limit: bytes of a picture, if a buffer may hold more
    :param alarm: a node whose events (V4L2 "Event Interface") end the wait for a picture, too
    :param count: how many buffers to ask for; the driver may decide otherwise
    :raises OSError: the node does not stream; nothing is left behind
    """

    def __init__(
        self,
        node: Node,
        whole: Callable[[memoryview], bool],
        limit: int | None = None,
        alarm: Handle | None = None,
        count: int = 4,
    ) -> None:
        self.dropped = 0
        self._node = node
        self._whole = whole
        self._limit = limit
        self._maps: list[mmap.mmap] = []
        self._out: Picture | None = None
        self._poll = select.poll()
        self._poll.register(node.fd, select.POLLIN | select.POLLERR)
        if alarm is not None:
            self._poll.register(alarm.fd, select.POLLPRI)
        try:
            for index in range(self._request(count)):
                self._maps.append(self._map(index))
                self._queue(index)
            node.ioctl(uapi.VIDIOC_STREAMON, ctypes.c_int(node.buffer_type))
        except OSError:
            self.close()
            raise

    def close(self, *, keep: bool = False) -> None:
        """Stop streaming and free the buffers; the device may be gone.

        :param keep: leave the picture that was handed out valid; its buffer lives as long as it
        """
        if self._out is not None and not keep:
            _release(self._out.data)
        self._out = None
        with contextlib.suppress(OSError):
            self._node.ioctl(uapi.VIDIOC_STREAMOFF, ctypes.c_int(self._node.buffer_type))
        while self._maps:
            # A view that someone still holds keeps its map alive, and the map lets go with the last of them.
            with contextlib.suppress(BufferError):
                self._maps.pop().close()
        with contextlib.suppress(OSError):
            self._request(0)

    def wait(self, seconds: float) -> int:
        """Wait for a picture; the one that was handed out is not valid any more.

        :return: poll's event bits, POLLPRI for the alarm; 0 after the time
        """
        self._give_back()
        return functools.reduce(operator.or_, (events for _, events in self._poll.poll(seconds * 1000)), 0)

    def newest(self) -> Picture | None:
        """Take the newest whole picture, valid until the next call; None if none is ready."""
        self._give_back()
        for _ in self._maps:
            picture = self._dequeue()
            if picture is None:
                break
            if picture.damaged or not self._whole(picture.data):
                self.dropped += 1
                self._requeue(picture)
            else:
                self._give_back()
                self._out = picture
        return self._out

    def _give_back(self) -> None:
        """Queue the buffer of the picture that was handed out."""
        picture, self._out = self._out, None
        if picture is not None:
            self._requeue(picture)

    def _requeue(self, picture: Picture) -> None:
        _release(picture.data)
        self._queue(picture.index)

    def _dequeue(self) -> Picture | None:
        raw, planes = self._buffer()
        try:
            self._node.ioctl(uapi.VIDIOC_DQBUF, raw)
        except BlockingIOError:
            return None
        start, stop = (planes[0].data_offset, planes[0].bytesused) if planes else (0, raw.bytesused)
        if self._limit is not None:
            stop = min(stop, start + self._limit)
        return Picture(
            index=raw.index,
            data=memoryview(self._maps[raw.index])[start:stop].toreadonly(),
            sequence=raw.sequence,
            timestamp=_timestamp(raw),
            damaged=bool(raw.flags & uapi.V4L2_BUF_FLAG_ERROR),
        )

    def _request(self, count: int) -> int:
        raw = uapi.Requestbuffers(count=count, type=self._node.buffer_type, memory=uapi.V4L2_MEMORY_MMAP)
        self._node.ioctl(uapi.VIDIOC_REQBUFS, raw)
        return int(raw.count)

    def _map(self, index: int) -> mmap.mmap:
        raw, planes = self._buffer(index)
        self._node.ioctl(uapi.VIDIOC_QUERYBUF, raw)
        length, offset = (planes[0].length, planes[0].m.mem_offset) if planes else (raw.length, raw.m.offset)
        return mmap.mmap(self._node.fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def _queue(self, index: int) -> None:
        raw, _planes = self._buffer(index)
        self._node.ioctl(uapi.VIDIOC_QBUF, raw)

    def _buffer(self, index: int = 0) -> tuple[uapi.Buffer, ctypes.Array[uapi.Plane] | None]:
        """Return a struct to ask with, and its planes, which must live as long, for a multi-planar node."""
        raw = uapi.Buffer(index=index, type=self._node.buffer_type, memory=uapi.V4L2_MEMORY_MMAP)
        if not self._node.capability.multi_planar:
            return raw, None
        planes = (uapi.Plane * uapi.VIDEO_MAX_PLANES)()
        raw.m.planes = planes
        raw.length = len(planes)
        return raw, planes


def _timestamp(raw: uapi.Buffer) -> float:
    """Return when a picture was taken: now, if the driver's clock is another, or ahead, as vivid's may be."""
    now = time.monotonic()
    if raw.flags & uapi.V4L2_BUF_FLAG_TIMESTAMP_MASK != uapi.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC:
        return now
    stamp: float = raw.timestamp.tv_sec + raw.timestamp.tv_usec / 1e6
    return min(stamp, now)


def _release(view: memoryview) -> None:
    """End a view's life, so that late use is an error and not a torn picture; not possible if others build on it."""
    with contextlib.suppress(BufferError):
        view.release()
