"""WCH's CH9329, which makes a USB keyboard and mouse on the target of what comes over a serial line.

For: CH9329 modules behind any serial port, such as a CH340 (1a86:7523, which carries many other things, too: the chip
is proven by asking it), and Openterface's KVM-GO (1a86:fe0c), whose own chip speaks the same at 115200 baud.

Works: keyboard with lamps, absolute and relative mouse with three buttons and a wheel, media and power keys; the speed
is found and remembered, and can be set. Does not: more buttons and a horizontal wheel, which the protocol does not
have. Never met a real chip: tested against ``kvmd ch9329 simulate``, which two public clients drive, too.

Source: WCH's protocol document V1.0 and data sheet DS1 V1.1, and what public projects saw. Disputed: work mode 2 is the
mouse alone by the former, keyboard and mouse by the latter. Not known: what the chip answers while no target is there
(E6 is likely), which usages of the keyboard page beyond a boot keyboard's it passes on, and what the CH9329F has in its
longer configuration, which is therefore left alone.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from kvmd import (
    Capability,
    Device,
    DeviceAbsent,
    DeviceLost,
    DeviceOptions,
    DriverError,
    HidDriver,
    HidOffline,
    HidStatus,
    Leds,
    Match,
    Report,
    hookimpl,
    recall,
    remember,
)

from .chip import Chip
from .commands import chip_commands
from .payloads import Info
from .port import ADAPTERS, KVM_GO, Port, Refused
from .protocol import BAUDS
from .trouble import Trouble

if TYPE_CHECKING:
    import click

logger = logging.getLogger(__name__)

Baud = Literal[1200, 2400, 4800, 9600, 14400, 19200, 38400, 57600, 115200]

NO_TARGET = (
    "the target has not accepted the CH9329's keyboard: it is off, starting, or asleep, or its USB cable is out "
    "(the chip says: USB not enumerated)"
)
NOTHING_KNOWN = Info(version=0, enumerated=False, leds=Leds())


class Ch9329Options(DeviceOptions, frozen=True, forbid_unknown_fields=True):
    """Which serial port, and how to talk to the chip."""

    baud: Annotated[Baud | None, Meta(description="Bits a second; not set: found, and remembered.")] = None
    set_baud: Annotated[
        Baud | None, Meta(description="Set the chip to so many bits a second, if it has others; 115200 is the fastest.")
    ] = None
    address: Annotated[int, Meta(ge=0, le=254, description="The chip's address; 0 for one that answers to any.")] = 0
    poll: Annotated[
        float, Meta(ge=0.05, le=2, description="Seconds without a key or a move after which the lamps are asked for.")
    ] = 0.25


class Ch9329(HidDriver):
    """Types through a CH9329 on a serial port."""

    name = "ch9329"
    Options = Ch9329Options
    matches = tuple(
        Match("tty", dict(zip(("ID_VENDOR_ID", "ID_MODEL_ID"), usb_id.split(":"), strict=True)), score)
        for usb_id, score in ADAPTERS.items()
    )
    capabilities = ~Capability(0)

    def __init__(self, options: Ch9329Options, device: Device | None) -> None:
        self._options = options
        self._device = device
        self._chip: Chip | None = None
        self._trouble = Trouble(str(device or options.device))
        self._remarks: tuple[str, ...] = ()
        self._info = self._told = NOTHING_KNOWN
        self._asked_at = self._sent_at = 0.0
        self._closing = threading.Event()

    def open(self) -> None:
        """Open the port, find the speed, and prove the chip."""
        node = self._options.device or (self._device and self._device.node)
        if not node:
            raise DeviceAbsent("no serial port for a CH9329 is plugged in; set hid.options.device")
        port = Port(node, self._options.address)
        port.open()
        chip = Chip(port)
        try:
            chip.find(self._bauds())
            self._remarks = self._set_baud(chip)
            self._info = self._told = chip.info()
        except BaseException:
            port.close()
            raise
        self._remember(port.baud)
        self._asked_at = time.monotonic()
        self._closing.clear()
        self._chip = chip

    def send(self, report: Report) -> None:
        """Send a report and wait until the chip has acknowledged it."""
        chip = self._opened()
        if not self._info.enumerated:  # a chip that acknowledges reports all the same is possible
            raise HidOffline(NO_TARGET)
        try:
            chip.send(report)
        except Refused as error:
            raise HidOffline(self._why(chip, error)) from error
        finally:
            self._sent_at = time.monotonic()

    def watch(self, timeout: float) -> bool:
        """Ask for lamps and target whenever nothing is sent, until there is something new to tell."""
        until = time.monotonic() + timeout
        while True:
            info = self._poll()
            left = until - time.monotonic()
            if info != self._told or left <= 0:
                break
            self._closing.wait(min(left, self._until_poll()))
        before, self._told = self._told, info
        if not info.enumerated:
            raise HidOffline(NO_TARGET)
        return before.leds != info.leds

    def status(self) -> HidStatus:
        """Tell how the target stood when the chip was last asked."""
        chip, info = self._chip, self._info
        name = str(self._device or self._options.device)
        if chip is None:
            return HidStatus(f"CH9329 on {name}")
        leds = info.leds if info.enumerated else None
        remarks = (*self._remarks, *self._trouble.remarks)
        return HidStatus(f"CH9329 on {name} at {chip.port.baud} baud", info.enumerated, leds, remarks)

    def close(self) -> None:
        """Close the port."""
        self._closing.set()
        chip, self._chip = self._chip, None
        if chip:
            chip.port.close()

    def _opened(self) -> Chip:
        chip = self._chip
        if chip is None:
            raise DeviceLost("the CH9329 is not open")
        return chip

    def _poll(self) -> Info:
        """Ask the chip, if it is time; return what is known of it."""
        chip = self._opened()
        if self._until_poll() <= 0:
            try:
                self._info = chip.info()
                self._trouble.rest()
            except Refused as error:  # a bad line is no news of the target
                self._trouble.add(error)
            self._asked_at = time.monotonic()
        return self._info

    def _until_poll(self) -> float:
        """Return after how many seconds the chip may be asked, if nothing is sent meanwhile."""
        return max(self._asked_at, self._sent_at) + self._options.poll - time.monotonic()

    def _why(self, chip: Chip, error: Refused) -> str:
        """Say why a report was not taken."""
        with contextlib.suppress(Refused):
            self._info = chip.info()
        return str(error) if self._info.enumerated else NO_TARGET

    def _bauds(self) -> Iterable[int]:
        """List the speeds to try, in order."""
        if self._device and DeviceOptions(usb_id=KVM_GO).selects(self._device):
            return (115200,)
        if self._options.baud:
            return (self._options.baud,)
        return (*self._recall(), *BAUDS)

    def _set_baud(self, chip: Chip) -> tuple[str, ...]:
        """Set the speed that was asked for; return a remark if that failed."""
        wanted = self._options.set_baud
        if wanted is None or wanted == chip.port.baud:
            return ()
        try:
            chip.reconfigure(baud=wanted)
        except DeviceLost:
            raise
        except DriverError as error:
            logger.warning("%s", error)
            return (f"the CH9329 could not be set to {wanted} baud: {error}",)
        return ()

    @property
    def _memory(self) -> str:
        """The name under which the speed is remembered: that of the port, since the chips have none of their own."""
        device = self._device
        place = (device and device.properties.get("ID_PATH")) or self._options.device or "none"
        return f"ch9329-{re.sub('[^A-Za-z0-9.-]+', '_', place)}"

    def _recall(self) -> list[int]:
        try:
            known = int(recall(self._memory) or b"")
        except (DriverError, ValueError):
            return []
        return [known] if known in BAUDS else []

    def _remember(self, baud: int) -> None:
        """Keep the speed for the next start; where that fails, it is found again."""
        if self._recall() == [baud]:
            return
        try:
            remember(self._memory, str(baud).encode())
        except DriverError as error:
            logger.warning("the speed of the CH9329 is not remembered: %s", error)


@hookimpl
def kvmd_drivers() -> Iterable[type[HidDriver]]:
    """Offer the driver."""
    return [Ch9329]


@hookimpl
def kvmd_commands() -> Iterable[click.Command]:
    """Offer ``kvmd ch9329``."""
    return [chip_commands]
