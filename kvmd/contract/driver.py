"""What every driver is, whatever its role."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from kvmd.contract.device import Device, DriverOptions, Match

NAME: Final = re.compile("[a-z][a-z0-9_]*")
"""What a driver may be called."""


class DriverStatus(msgspec.Struct, frozen=True):
    """What every driver says of itself.

    :param device: the device as a person would call it
    """

    device: str


class BaseDriver(ABC):
    """A driver: the daemon makes one from its options and the device that ``matches`` chose.

    The device is None where there are no matches. ``__init__`` may narrow ``options`` to the driver's own type, and
    must not touch the device.
    """

    name: ClassVar[str]
    """The name under which settings and boards know the driver: small letters, digits and underscores."""

    Options: ClassVar[type[DriverOptions]] = DriverOptions
    """Its options, a frozen struct: each with type, default and a ``Meta(description=...)``."""

    matches: ClassVar[Sequence[Match]] = ()
    """The devices the driver is for; also the source of its udev rules."""

    wakes: ClassVar[Sequence[str]] = ()
    """Kernel classes, such as ``gpio``, whose devices may bring what a driver that finds its own needs: when one comes
    or goes, it is opened anew. Those of ``matches`` do so anyway."""

    @abstractmethod
    def __init__(self, options: DriverOptions, device: Device | None) -> None: ...

    @classmethod
    def problem(cls) -> str | None:
        """Say why the driver cannot be used on this machine, with the command that mends it; None if it can.

        For a library that is not installed with kvmd; without importing it.
        """
        return None

    @abstractmethod
    def open(self) -> None:
        """Make the device ready; also after ``close``, and once a device that was gone is back.

        :raises DeviceAbsent: it is not there
        :raises DriverError: it is there and cannot be used
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the device; does not raise, also when the device is gone or was never opened."""

    @abstractmethod
    def status(self) -> DriverStatus:
        """Tell how things stand, in the struct of the driver's role.

        Called in any thread, also while it is being opened or closed; without I/O that could block.
        """
