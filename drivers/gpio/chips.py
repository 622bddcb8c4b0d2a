"""The machine's GPIO chips, and the line that a name in the settings means: chosen from data, apart from I/O."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kvmd import DeviceAbsent, DriverError


class Chip(msgspec.Struct, frozen=True):
    """A GPIO chip.

    :param path: its node in /dev
    :param label: what its driver calls it, the same on every kernel
    :param names: of its lines, by offset; empty for those that have none
    """

    path: Path
    label: str
    names: tuple[str, ...]


class Place(msgspec.Struct, frozen=True):
    """Where a line is.

    :param wire: the option that asked for it
    :param line: the name by which it was asked for
    :param path: the chip's node in /dev
    :param chip: the chip's label
    :param offset: the line's number in the chip
    """

    wire: str
    line: str
    path: Path
    chip: str
    offset: int

    def __str__(self) -> str:
        exact = f"{self.chip}:{self.offset}"
        return self.line if self.line == exact else f"{self.line} ({exact})"


def scan(folder: Path) -> tuple[list[Chip], list[Path]]:
    """List the GPIO chips, and the nodes of those that may not be opened.

    :param folder: /dev
    """
    chips, denied = [], []
    # A link is a second name of a chip: Raspberry Pi OS has gpiochip4 for gpiochip0.
    for path in sorted(path for path in folder.glob("gpiochip*") if not path.is_symlink()):
        try:
            chips.append(_read(path))
        except PermissionError:
            denied.append(path)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:  # pulled out just now
                raise DriverError(f"{path} cannot be read: {error.strerror}") from error
    return chips, denied


def find(chips: Sequence[Chip], denied: Sequence[Path], wire: str, line: str) -> Place:
    """Find the line that is meant.

    :param chips: those that there are
    :param denied: the nodes of others, which may not be opened
    :param wire: the option that names the line
    :param line: its name, or its chip's label, a colon and its offset
    :raises DeviceAbsent: there is none
    :raises DriverError: there are several, or it may be on a chip that may not be opened
    """
    found = [
        Place(wire, line, chip.path, chip.label, offset)
        for chip in chips
        for offset, name in enumerate(chip.names)
        if name == line
    ] or _by_label(chips, wire, line)
    if len(found) > 1:
        raise DriverError(f'{wire}: "{line}" are {len(found)} lines: {_which(found)}')
    if not found:
        raise _absent(chips, denied, wire, line)
    return found[0]


def _read(path: Path) -> Chip:
    import gpiod  # noqa: PLC0415  # it may not be installed

    with gpiod.Chip(str(path)) as chip:
        info = chip.get_info()
        names = tuple(chip.get_line_info(offset).name or "" for offset in range(info.num_lines))
        return Chip(path, info.label, names)


def _by_label(chips: Sequence[Chip], wire: str, line: str) -> list[Place]:
    label, _, number = line.rpartition(":")
    if not number.isdecimal():
        return []
    found = [chip for chip in chips if chip.label == label]
    short = [chip for chip in found if int(number) >= len(chip.names)]
    if short:
        raise DriverError(f"{wire}: {label} has no line {number}; it has 0 to {len(short[0].names) - 1}")
    return [Place(wire, line, chip.path, chip.label, int(number)) for chip in found]


def _which(found: Sequence[Place]) -> str:
    """Name several lines, and the way to mean one of them."""
    labels = {place.chip for place in found}
    places = ", ".join(f"{place.chip}:{place.offset} on {place.path}" for place in found)
    if len(labels) < len(found) and len({place.offset for place in found}) < len(found):
        return f"{places}; nothing tells these chips apart, unplug one or name its lines in the device tree"
    return f'{places}; say which, as "LABEL:OFFSET"'


def _absent(chips: Sequence[Chip], denied: Sequence[Path], wire: str, line: str) -> DriverError:
    if denied:
        nodes = ", ".join(map(str, denied))
        return DriverError(
            f'{wire}: "{line}" may be on {nodes}, which the daemon may not open; see that udev has '
            "73-kvmd-gpio.rules and that its user is in the group gpio"
        )
    if not chips:
        return DeviceAbsent(f'{wire}: there is no "{line}", as this machine has no GPIO chip')
    there = ", ".join(dict.fromkeys(chip.label for chip in chips))
    return DeviceAbsent(f'{wire}: there is no "{line}" on {there}; `gpioinfo` lists all lines')
