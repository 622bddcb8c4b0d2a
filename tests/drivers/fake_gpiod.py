"""A stand-in for the library gpiod and the chips below it: what the driver asks of them, and nothing else.

Names and behaviour are those of gpiod 2 and of Linux 6.12: a line belongs to one request; a request whose line has no
interrupt is refused with ENXIO if it wants edges or debouncing; every call on a chip that was pulled fails with ENODEV,
and its files are readable.
"""

from __future__ import annotations

import enum
import errno
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


class Direction(enum.Enum):
    INPUT = enum.auto()
    OUTPUT = enum.auto()


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1


class Edge(enum.Enum):
    NONE = enum.auto()
    BOTH = enum.auto()


class Bias(enum.Enum):
    AS_IS = enum.auto()
    DISABLED = enum.auto()
    PULL_UP = enum.auto()
    PULL_DOWN = enum.auto()


class EdgeEvent:
    class Type(enum.Enum):
        RISING_EDGE = enum.auto()
        FALLING_EDGE = enum.auto()


@dataclass
class LineSettings:
    direction: Direction = Direction.INPUT
    edge_detection: Edge = Edge.NONE
    bias: Bias = Bias.AS_IS
    active_low: bool = False
    debounce_period: timedelta = timedelta()
    output_value: Value = Value.INACTIVE


@dataclass
class Line:
    """A line, and whoever has it."""

    name: str = ""
    level: int = 0
    has_interrupt: bool = True
    consumer: str = ""
    request: Request | None = None
    levels: list[int] = field(default_factory=list)
    """What it was driven to, in turn."""

    def drive(self, level: int) -> None:
        self.level = level
        self.levels.append(level)


class Board:
    """The chips of a machine.

    :param folder: stands for /dev
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chips: dict[str, tuple[str, list[Line]]] = {}
        self.denied: set[str] = set()
        self.error: int = 0
        """What a request of a line fails with, if it does."""

    def add(self, label: str, *names: str) -> list[Line]:
        """Add a chip with lines of these names."""
        path = self.folder / f"gpiochip{len(self.chips)}"
        path.touch()
        lines = [Line(name) for name in names]
        self.chips[str(path)] = (label, lines)
        return lines

    def pull_out(self, label: str) -> None:
        """Unplug a chip."""
        [(path, (_, lines))] = [each for each in self.chips.items() if each[1][0] == label]
        Path(path).unlink()
        del self.chips[path]
        for line in lines:
            if line.request:
                line.request.is_lost = True
                line.request.notify()

    def module(self) -> ModuleType:
        """Make what ``import gpiod`` finds."""
        module = ModuleType("gpiod")
        line = ModuleType("gpiod.line")
        vars(line).update(Direction=Direction, Value=Value, Edge=Edge, Bias=Bias)
        members = {"LineSettings": LineSettings, "EdgeEvent": EdgeEvent, "line": line}
        vars(module).update(members, Chip=self._chip, request_lines=self._request)
        return module

    def _chip(self, path: str) -> Chip:
        if path in self.denied:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return Chip(*self._find(path))

    def _find(self, path: str) -> tuple[str, list[Line]]:
        if path not in self.chips:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.chips[path]

    def _request(self, path: str, config: dict[int, LineSettings], consumer: str) -> Request:
        [(offset, settings)] = config.items()
        line = self._find(path)[1][offset]
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if line.consumer:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        wants_interrupt = settings.edge_detection is not Edge.NONE or settings.debounce_period
        if wants_interrupt and not line.has_interrupt:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return Request(line, offset, settings, consumer)


class Chip:
    def __init__(self, label: str, lines: list[Line]) -> None:
        self._label = label
        self._lines = lines

    def __enter__(self) -> Chip:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_info(self) -> Any:
        return SimpleNamespace(label=self._label, num_lines=len(self._lines))

    def get_line_info(self, offset: int) -> Any:
        line = self._lines[offset]
        return SimpleNamespace(name=line.name, consumer=line.consumer)


class Request:
    """A line in use; its file is an eventfd."""

    def __init__(self, line: Line, offset: int, settings: LineSettings, consumer: str) -> None:
        self.line = line
        self.settings = settings
        self.is_lost = False
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._offset = offset
        self._events: list[EdgeEvent.Type] = []
        line.consumer, line.request = consumer, self
        if settings.direction is Direction.OUTPUT:
            line.drive(self._level(settings.output_value))

    def set_value(self, offset: int, value: Value) -> None:
        self._check(offset)
        self.line.drive(self._level(value))

    def get_value(self, offset: int) -> Value:
        self._check(offset)
        return Value(self.line.level ^ self.settings.active_low)

    def read_edge_events(self) -> list[Any]:
        self._check(self._offset)
        os.eventfd_read(self.fd)
        events, self._events = self._events, []
        return [SimpleNamespace(event_type=event) for event in events]

    def release(self) -> None:
        os.close(self.fd)
        self.line.consumer, self.line.request = "", None

    def edge(self, level: int) -> None:
        """The line changes."""
        self.line.level = level
        if self.settings.edge_detection is Edge.BOTH:
            rises = bool(level ^ self.settings.active_low)
            self._events.append(EdgeEvent.Type.RISING_EDGE if rises else EdgeEvent.Type.FALLING_EDGE)
            self.notify()

    def notify(self) -> None:
        os.eventfd_write(self.fd, 1)

    def _level(self, value: Value) -> int:
        return value.value ^ self.settings.active_low

    def _check(self, offset: int) -> None:
        assert offset == self._offset
        if self.is_lost:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
