"""Lines of GPIO chips in use: a button that is held, a lamp that is looked at. What gpiod raises becomes words here."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from kvmd import DeviceAbsent, DeviceLost, DriverError

from .chips import Place

if TYPE_CHECKING:
    from gpiod import LineRequest

Bias = Literal["as_is", "pull_up", "pull_down", "disabled"]

CONSUMER: Final = "kvmd"
"""By this name ``gpioinfo`` shows who holds a line."""

POLL_PERIOD: Final = 0.05
"""Seconds between two looks at a lamp whose line has no interrupt."""


class _Line:
    """A line that was taken, and its request, which is not for several threads at once."""

    def __init__(self, place: Place, request: LineRequest) -> None:
        self.place = place
        self._request = request
        self.fd: int = request.fd

    def lost(self, error: OSError | None = None) -> DeviceLost:
        """Return what to raise now that the line does not answer."""
        reason = f": {error.strerror}" if error else ""
        return DeviceLost(f"{self.place} does not answer any more, its chip {self.place.path} is gone{reason}")

    def close(self) -> None:
        """Let go of the line."""
        with contextlib.suppress(OSError):
            self._request.release()


class Button(_Line):
    """A line that presses a button while it is active."""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Press the button; release it in the end, however that comes."""
        try:
            self._set(pressed=True)
            yield
        finally:
            self._set(pressed=False)

    def look(self, ready: bool) -> bool:
        """See whether it is still there: nothing else makes its file readable."""
        if ready:
            raise self.lost()
        return False

    def close(self) -> None:
        """Release the button, then let go of the line: its level is nobody's affair afterwards."""
        with contextlib.suppress(DeviceLost):
            self._set(pressed=False)
        super().close()

    def _set(self, *, pressed: bool) -> None:
        from gpiod.line import Value  # noqa: PLC0415

        try:
            self._request.set_value(self.place.offset, Value.ACTIVE if pressed else Value.INACTIVE)
        except OSError as error:
            raise self.lost(error) from error


class Lamp(_Line):
    """A line that is active while a lamp is lit.

    :param settle: seconds for which a lamp that is polled has to keep still before a change counts; None: the kernel
        tells of changes, debounced
    """

    def __init__(self, place: Place, request: LineRequest, settle: float | None) -> None:
        super().__init__(place, request)
        self._settle = settle
        self._differs_since: float | None = None
        self.is_lit = self._read()

    @property
    def is_polled(self) -> bool:
        """Whether its line has no interrupt."""
        return self._settle is not None

    def look(self, ready: bool) -> bool:
        """Tell whether the lamp has changed since the last look.

        :param ready: whether its file can be read
        :raises DeviceLost: the chip is gone
        """
        if self._settle is None:
            return ready and self._take_edges()
        if ready:
            raise self.lost()
        return self._poll(self._settle)

    def _take_edges(self) -> bool:
        """Take the edges that the kernel kept; when there were too many it dropped the oldest, so the last is true."""
        from gpiod import EdgeEvent  # noqa: PLC0415

        try:
            edges = self._request.read_edge_events()
        except OSError as error:
            raise self.lost(error) from error
        before, self.is_lit = self.is_lit, edges[-1].event_type is EdgeEvent.Type.RISING_EDGE
        return self.is_lit != before or len(edges) > 1

    def _poll(self, settle: float) -> bool:
        now = time.monotonic()
        if self._read() == self.is_lit:
            self._differs_since = None
            return False
        if self._differs_since is None:
            self._differs_since = now
        if now - self._differs_since < settle:
            return False
        self._differs_since = None
        self.is_lit = not self.is_lit
        return True

    def _read(self) -> bool:
        from gpiod.line import Value  # noqa: PLC0415

        try:
            return bool(self._request.get_value(self.place.offset) is Value.ACTIVE)
        except OSError as error:
            raise self.lost(error) from error


def request_button(place: Place, *, active_low: bool) -> Button:
    """Take the line of a button, which is released by that.

    :raises DriverError: it cannot be had
    """
    from gpiod import LineSettings  # noqa: PLC0415  # it may not be installed
    from gpiod.line import Direction, Value  # noqa: PLC0415

    settings = LineSettings(direction=Direction.OUTPUT, output_value=Value.INACTIVE, active_low=active_low)
    with _words(place):
        return Button(place, _request(place, settings))


def request_lamp(place: Place, *, active_low: bool, bias: Bias, debounce: float) -> Lamp:
    """Take the line of a lamp: with edges, and without where the kernel refuses that.

    :raises DriverError: it cannot be had
    """
    from gpiod import LineSettings  # noqa: PLC0415
    from gpiod.line import Bias as Biases  # noqa: PLC0415
    from gpiod.line import Direction, Edge  # noqa: PLC0415

    settings = LineSettings(direction=Direction.INPUT, active_low=active_low, bias=Biases[bias.upper()])
    with _words(place):
        try:
            settings.edge_detection, settings.debounce_period = Edge.BOTH, timedelta(seconds=debounce)
            return Lamp(place, _request(place, settings), None)
        except OSError as error:
            # ENXIO: the line has no interrupt. Some chips have other words for it; what is wrong with the line itself
            # is wrong the second time, too.
            if error.errno in {errno.EBUSY, errno.ENODEV}:
                raise
        settings.edge_detection, settings.debounce_period = Edge.NONE, timedelta()
        return Lamp(place, _request(place, settings), debounce)


def _request(place: Place, settings: object) -> LineRequest:
    import gpiod  # noqa: PLC0415

    return gpiod.request_lines(str(place.path), {place.offset: settings}, consumer=CONSUMER)


@contextlib.contextmanager
def _words(place: Place) -> Iterator[None]:
    """Turn what is raised when a line is asked for into words."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise DriverError(f"{place.wire}: {place} is held by {_holder(place)}") from error
        if error.errno in {errno.ENOENT, errno.ENODEV}:
            raise DeviceAbsent(f"{place.wire}: {place} is not there, its chip {place.path} was unplugged") from error
        raise DriverError(f"{place.wire}: {place} cannot be used: {error.strerror}; name another line") from error


def _holder(place: Place) -> str:
    """Say who has a line, and what may be done about it."""
    import gpiod  # noqa: PLC0415

    way_out = "stop that program, remove what the device tree has on it, or name another line"
    try:
        with gpiod.Chip(str(place.path)) as chip:
            consumer = chip.get_line_info(place.offset).consumer
    except OSError:
        consumer = ""
    return f'"{consumer}": {way_out}' if consumer else f"somebody else: {way_out}"
