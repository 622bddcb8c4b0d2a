"""Power drivers for boards of numbered relays, whose contacts are wired in parallel to a computer's buttons."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from msgspec import Meta

from kvmd.contract.device import DriverOptions
from kvmd.contract.power import PowerButton, PowerCapability, PowerDriver, Press
from kvmd.errors import DeviceAbsent, DriverError, Unsupported

Channel = Annotated[int, Meta(ge=1, le=8)]


class RelayOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """Which relay is wired to which button."""

    power_channel: Annotated[
        Channel | None, Meta(description="The relay at the power button, as numbered on the board; not set: none.")
    ] = None
    reset_channel: Annotated[
        Channel | None, Meta(description="The relay at the reset button, as numbered on the board; not set: none.")
    ] = None


class RelayDriver(PowerDriver):
    """What drivers of such boards have in common; each says how a relay is switched, and opens and closes its device.

    ``open`` calls ``check_wiring``, opens every relay of ``channels`` and calls ``holding.allow``. ``close`` begins
    with ``holding.end``, and so does a ``watch`` that finds the board gone.

    :ivar channels: the relay at each button that is wired
    :ivar holding: the press that is under way
    """

    def __init__(self, options: RelayOptions) -> None:
        given = {PowerButton.POWER: options.power_channel, PowerButton.RESET: options.reset_channel}
        self.channels = {button: channel for button, channel in given.items() if channel is not None}
        self.holding = Press()

    @property
    def capabilities(self) -> PowerCapability:
        """The buttons that are wired."""
        able = {PowerButton.POWER: PowerCapability.POWER_BUTTON, PowerButton.RESET: PowerCapability.RESET_BUTTON}
        wired = PowerCapability(0)
        for button in self.channels:
            wired |= able[button]
        return wired

    @abstractmethod
    def switch(self, channel: int, closed: bool) -> None:
        """Close a relay, or open it.

        :raises DeviceLost: the board is gone
        :raises DriverError: the relay did not obey
        """

    def check_wiring(self) -> None:
        """See that the options make sense.

        :raises DeviceAbsent: nothing is wired
        :raises DriverError: one relay is wired to both buttons
        """
        if not self.channels:
            raise DeviceAbsent("no relay is wired to a button: set power.options.power_channel or reset_channel")
        if len(set(self.channels.values())) < len(self.channels):
            raise DriverError(
                f"relay {self.channels[PowerButton.POWER]} cannot be wired to both buttons: "
                "power.options.power_channel and reset_channel are the same"
            )

    def press(self, button: PowerButton, seconds: float) -> None:
        """Close the button's relay for so long."""
        channel = self.channels.get(button)
        if channel is None:
            raise Unsupported(f"no relay is wired to the {button.value} button: power.options.{button.value}_channel")
        self.watch(0)  # a board that was pulled is told as lost
        self.holding.hold(
            seconds, lambda: self.switch(channel, closed=True), lambda: self.switch(channel, closed=False)
        )
