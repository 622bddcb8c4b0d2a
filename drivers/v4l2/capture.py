"""The capture loop of drivers whose pictures come out of a video node's buffers.

A driver of the kernel may fail for a moment: V4L2's page of VIDIOC_DQBUF says of EIO that it can mean a temporary
problem, and that the buffer may be lost then. So the stream is begun anew, and only a device that fails again and again
without a picture in between, or that is gone, counts as lost.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import threading
import time
from abc import abstractmethod
from collections.abc import Generator, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd import (
    CaptureDriver,
    CaptureStatus,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    DriverError,
    Frame,
    NoSignal,
    Signal,
)

from . import uapi
from .formats import Layout, Mode
from .node import Handle, Node
from .stream import Picture, Stream

logger = logging.getLogger(__name__)

SLICE = 0.25
"""Seconds between two looks at whether the driver is being closed while it waits."""

ATTEMPTS = 3
"""How often a stream that fails is begun anew before the device counts as lost; a picture starts the count again."""

_ERRORS: dict[int, tuple[type[DriverError], str]] = {
    errno.ENOENT: (DeviceAbsent, "there is no such node; plug the device in, or name another in `device`"),
    errno.ENXIO: (DeviceAbsent, "no device is behind this node; plug the device in"),
    errno.ENODEV: (DeviceLost, "the device is gone; plug it in again"),
    errno.EIO: (DeviceLost, "the device failed (input/output error); plug it in again if it does not come back"),
    errno.EACCES: (DriverError, "no permission; kvmd's udev rule gives the node to group kvmd, is it installed?"),
    errno.EPERM: (DriverError, "no permission; kvmd's udev rule gives the node to group kvmd, is it installed?"),
    errno.EBUSY: (DriverError, "is in use by another program; `fuser -v` with the node's name shows which"),
    errno.ENOTTY: (DriverError, "is not a V4L2 node; name one of /dev/video* in `device`"),
    errno.ENOSPC: (DriverError, "the USB port is too slow or shared; use another port, or a smaller picture"),
}


class NodeOptions(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    """Which node, and how long to wait for it."""

    timeout: Annotated[float, Meta(gt=0, le=10, description="Seconds without a frame that mean no signal.")] = 3.0


class Streaming(msgspec.Struct, frozen=True):
    """What a node is about to stream.

    :param frame_rate: pictures a second; None where it is not known
    :param alarm: a node whose events are to be told to ``_alarmed``
    """

    layout: Layout
    frame_rate: float | None
    alarm: Handle | None = None


class NodeCapture(CaptureDriver):
    """Captures from a video node; a driver says how the node is made ready."""

    def __init__(self, options: NodeOptions, device: Device | None) -> None:
        self._path = (device.node if device else None) or options.device
        self._timeout = options.timeout
        # Held while the node is in use, so that close() from another thread waits for a poll to end.
        self._lock = threading.Lock()
        # Passed before each time the capture thread takes the lock, so that it waits for a thread that wants it.
        self._turnstile = threading.Lock()
        self._closing = threading.Event()
        self._node: Node | None = None
        self._streaming: Streaming | None = None
        self._stream: Stream | None = None
        self._turn: object | None = None
        self._deadline = 0.0
        self._failures = 0
        self._sequence = -1
        self._first = 0
        self._signal: Signal | None = None
        self._dropped = 0

    @abstractmethod
    def _ready(self, node: Node) -> Streaming:
        """Set what is to be streamed; called before each start of the stream, may raise OSError."""

    def _opened(self, node: Node) -> None:
        """Look at a node that was just opened; may raise OSError. What cannot be streamed should fail here already."""
        self._ready(node)

    def _closed(self) -> None:
        """Let go of what was opened beside the node."""

    def _alarmed(self) -> None:
        """Look at the events that are waiting; may call ``_start``, may raise OSError."""

    def _silent(self) -> NoSignal:
        """Say what it means that no frames come."""
        silence = f"no frames for {self._timeout:g} s"
        return NoSignal(f"{silence}: {self._path} sends nothing; is the source on, and its cable in?")

    def open(self) -> None:
        """Open the node and make it ready; see ``CaptureDriver.open``."""
        self.close()
        if self._path is None:
            raise DeviceAbsent("no capture device is plugged in; where udev does not know it, name it in `device`")
        with self._lock, errors_of(self._path):
            self._closing.clear()
            self._dropped = 0
            self._node = Node(self._path)
            try:
                _refuse_others(self._node)
                self._opened(self._node)
            except BaseException:
                self._let_go()
                raise

    def frames(self) -> Generator[Frame]:
        """Stream; see ``CaptureDriver.frames``. The buffers are freed when the iterator ends."""
        turn = object()
        try:
            with self._held():
                self._turn, self._failures, self._sequence = turn, 0, -1
                self._start()
            while (frame := self._next(turn)) is not None:
                yield frame
        except DriverError:
            self._signal = None
            raise
        finally:
            with self._lock:
                if turn is self._turn:
                    self._stop()

    def status(self) -> CaptureStatus:
        """Tell the signal and how many frames were damaged."""
        node, stream = self._node, self._stream
        device = f"{node.capability.card} ({node.path})" if node else str(self._path)
        return CaptureStatus(device, self._signal, self._dropped + (stream.dropped if stream else 0))

    def close(self) -> None:
        """Let go of the node; an iterator that waits for a frame ends."""
        self._closing.set()
        with self._lock:
            self._stop()
            self._let_go()
            self._signal = None

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the node while capturing, once those had it who wait for it."""
        with self._turnstile:
            pass
        with self._lock, errors_of(str(self._path)):
            yield

    @contextlib.contextmanager
    def _paused(self) -> Iterator[None]:
        """Keep the capture thread from the node, which has no buffers meanwhile; it starts anew afterwards.

        A frame that was handed out stays valid.
        """
        with self._turnstile, self._lock:
            self._stop(keep=True)
            yield

    def _let_go(self) -> None:
        self._closed()
        if self._node is not None:
            self._node.close()
            self._node = None

    def _start(self) -> None:
        """Stream into new buffers."""
        self._stop()
        if self._node is None:
            raise DriverError(f"{self._path} is not open")
        ready = self._ready(self._node)
        self._stream = Stream(self._node, ready.layout.is_whole, ready.layout.length, ready.alarm)
        self._streaming = ready
        self._first = self._sequence + 1
        self._deadline = time.monotonic() + self._timeout

    def _stop(self, *, keep: bool = False) -> None:
        """Free the stream's buffers, unless that was done; see ``Stream.close``."""
        if self._stream is not None:
            self._dropped += self._stream.dropped
            self._stream.close(keep=keep)
            self._stream = None

    def _next(self, turn: object) -> Frame | None:
        """Wait for the next whole picture; None when the driver was closed, or others have the turn."""
        self._deadline = time.monotonic() + self._timeout
        frame = None
        while frame is None:
            with self._held():
                if self._closing.is_set() or turn is not self._turn:
                    return None
                frame = self._attempt()
        return frame

    def _attempt(self) -> Frame | None:
        """Wait a slice of the time for a picture, and begin anew if the device fails."""
        try:
            return self._take()
        except OSError as error:
            self._failures += 1
            if error.errno == errno.ENODEV or self._failures > ATTEMPTS:
                raise
            logger.warning("%s failed, it is started anew: %s", self._path, error.strerror)
            self._dropped += 1
            self._start()
            return None

    def _take(self) -> Frame | None:
        stream, streaming = self._stream, self._streaming
        if stream is None or streaming is None:
            self._start()
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._silent()
        events = stream.wait(min(left, SLICE))
        if events & select.POLLPRI:
            self._alarmed()
            return None
        picture = stream.newest() if events else None
        if picture is None and events & ~select.POLLIN:
            raise OSError(errno.EIO, "its driver in the kernel gave up")
        return None if picture is None else self._frame(picture, streaming)

    def _frame(self, picture: Picture, streaming: Streaming) -> Frame:
        self._failures = 0
        # some drivers in the kernel never count, others stand still for a moment
        self._sequence = max(self._first + picture.sequence, self._sequence + 1)
        layout = streaming.layout
        width, height = layout.size
        self._signal = Signal(width, height, streaming.frame_rate, layout.format)
        return Frame(
            data=picture.data,
            format=layout.format,
            width=width,
            height=height,
            stride=layout.stride,
            timestamp=picture.timestamp,
            sequence=self._sequence,
            full_range=layout.full_range,
            encoding=layout.encoding,
        )


def set_mode(node: Node, mode: Mode) -> Layout:
    """Set pixel format and size.

    :raises DriverError: the node does something else instead, or what kvmd cannot use
    """
    got = node.set_format(mode.format.fourcc, mode.size)
    if (got.fourcc, got.size) != (mode.format.fourcc, mode.size):
        raise DriverError(
            f"{node.path} does not do {mode.format.fourcc} {mode.size}: it offers {got.fourcc} {got.size} instead; "
            "set width, height and format so, or leave them out"
        )
    if got.planes != 1:
        raise DriverError(f"{node.path} keeps the planes of {got.fourcc} apart, which kvmd cannot use; set `format`")
    if got.field == uapi.V4L2_FIELD_ALTERNATE:
        raise DriverError(f"{node.path} receives an interlaced picture; set the source to a progressive one")
    return Layout.of(got)


@contextlib.contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Turn the kernel's errors into words."""
    try:
        yield
    except OSError as error:
        kind, words = _ERRORS.get(error.errno or 0, (DriverError, error.strerror or str(error)))
        raise kind(f"{path}: {words}") from error


def _refuse_others(node: Node) -> None:
    refusal = node.capability.refusal()
    if refusal:
        raise DriverError(f"{node.path} cannot capture: {refusal}; `v4l2-ctl --list-devices` shows the device's others")
