"""Input: the HID slot, and all that the web and plug-ins may do with keyboard and mouse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from kvmd.contract.hid import Capability, HidDriver, HidStatus, KeyboardReport, Leds, MouseEvent, Report
from kvmd.contract.reports import HidReport, State, TextReport
from kvmd.contract.roles import HID
from kvmd.contract.settings import HidSettings
from kvmd.errors import ConfigError, DriverError, HidOffline, RequestError
from kvmd.input import layout
from kvmd.input.holders import Holders
from kvmd.input.keyboard import Keyboard
from kvmd.input.mouse import Mouse
from kvmd.input.text import Job, Text, TextWish
from kvmd.input.turn import Holder, Turn
from kvmd.input.writer import Writer
from kvmd.plugins.choice import Choice
from kvmd.slot import Slot, SlotStatus
from kvmd.system.ending import Step
from kvmd.system.pulse import Pulse

WATCH = 0.5
"""Seconds between two looks at clients that went silent."""


class Input:
    """One keyboard and one mouse, which all clients share.

    :param settings: the section ``hid``
    :param choice: makes the driver
    :param changed: told about every change of the slot
    :param alive: tells whether a client's login still holds
    :param lit: told when the lock lamps change
    :raises ConfigError: the settings name a layout that is not there
    """

    def __init__(
        self,
        settings: HidSettings,
        choice: Choice[HidDriver],
        changed: Callable[[SlotStatus], None],
        alive: Callable[[str], bool],
        lit: Callable[[], None] = lambda: None,
    ) -> None:
        self._lit = lit
        self.slot: Slot[HidDriver] = Slot(HID.name, choice.make, self._type, changed)
        self._writer = Writer(self._send, self.slot.offline)
        self.turn = Turn()
        """Who may type now; see ``hand_over``."""
        self.keyboard = Keyboard(self._writer.send, self._able, Holders(alive, settings.hold_timeout, self.turn))
        self.mouse = Mouse(self._writer, self._able, Holders(alive, settings.hold_timeout, self.turn))
        try:
            self.text = Text(self.keyboard, self._leds, layout.load(settings.layout).name)
        except RequestError as error:
            raise ConfigError(f"hid.layout: {error}") from error

    def start(self) -> None:
        """Begin; returns at once."""
        self._writer.start()
        self.slot.start()

    def ending(self) -> list[Step]:
        """List the steps that release every key and button, and close the device."""
        return [
            Step("text", self._stop_text),
            Step("mouse", self.mouse.close),
            Step("keyboard", self._close_keyboard),
            Step(HID.name, self.slot.stop),
            Step("HID writer", self._writer.close),
        ]

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """The signs of life of what could hang."""
        return *self.slot.pulses, self._writer.pulse

    def is_alive(self) -> bool:
        """Tell whether the thread does its work still."""
        return self.slot.is_alive()

    def tap(self, client: str, codes: Sequence[str]) -> None:
        """Press keys together and release them; see ``Keyboard.tap``."""
        self._require_host()
        self.keyboard.tap(client, codes)

    def press(self, client: str, codes: Sequence[str]) -> None:
        """Hold keys; see ``Keyboard.press``."""
        self._require_host()
        self.keyboard.press(client, codes)

    def release(self, client: str, codes: Sequence[str]) -> None:
        """Let go of keys; see ``Keyboard.release``."""
        self._require_host()
        self.keyboard.release(client, codes)

    def release_all(self, client: str) -> None:
        """Let go of all keys of a client; see ``Keyboard.release_all``."""
        self._require_host()
        self.keyboard.release_all(client)

    def prepare(self, wish: TextWish) -> Job:
        """Find the keys for a text; see ``Text.prepare``.

        :raises Busy: another text is being typed
        """
        job = self.text.prepare(wish)
        self._require_host()
        self.text.require_turn()
        return job

    def type(
        self,
        job: Job,
        client: str,
        why_stop: Callable[[], str | None] = lambda: None,
        told: Callable[[TextReport], None] = lambda _: None,
    ) -> TextReport:
        """Type a text; see ``Text.type``."""
        self._require_host()
        return self.text.type(job, client, why_stop, told)

    def point(self, client: str, event: MouseEvent) -> None:
        """Use the mouse; see ``Mouse.act``."""
        self._require_host()
        self.mouse.act(client, event)

    def stay(self, client: str) -> None:
        """Note that a client is there still, and not to be taken for silent."""
        self.keyboard.hear(client)
        self.mouse.hear(client)

    def vouch(self, client: str, why_gone: Callable[[], str | None]) -> None:
        """Let this tell from now on, until it leaves, whether a client is there, rather than its silence.

        :param why_gone: returns why what it holds is to be let go, such as "was silent"; None while it is there
        """
        self.keyboard.vouch(client, why_gone)
        self.mouse.vouch(client, why_gone)

    def hand_over(self, holder: Holder | None) -> None:
        """Let this one type, and nobody else; None: all. What others hold is let go, and nothing of theirs comes after.

        :param holder: who has the keyboard from now on
        """
        self.turn.holder = holder
        for expire in (self.keyboard.expire, self.mouse.expire):
            with contextlib.suppress(DriverError):  # it is owed, and tried again
                expire()

    def leave(self, client: str) -> None:
        """Release what a client holds that has gone."""
        for release_all in (self.keyboard.release_all, self.mouse.release_all):
            with contextlib.suppress(DriverError):
                release_all(client)
        self.keyboard.vouch(client, None)
        self.mouse.vouch(client, None)

    def status(self) -> HidReport:
        """Tell how HID stands."""
        slot, driver = self.slot.status, self.slot.driver
        seen: HidStatus = self.slot.seen() or HidStatus("")
        able = driver.capabilities if driver else Capability(0)
        return HidReport(
            state=slot.state,
            reason=slot.reason,
            since=slot.since,
            driver=slot.driver,
            device=seen.device or None,
            host_connected=seen.host_connected,
            leds=seen.leds,
            capabilities=[str(flag.name).lower() for flag in able],
            remarks=seen.remarks,
        )

    def _type(self, driver: HidDriver) -> None:
        """Work with an open driver: nothing is held when it comes, and nobody holds anything for too long."""
        while not self.slot.stopping.is_set():
            self.slot.beat("watch()")
            # One that was just opened need not be waited for; one whose host is gone waits for it in there.
            if driver.watch(WATCH if self.slot.status.state in (State.ONLINE, State.NO_SIGNAL) else 0):
                self._lit()
            if not self.slot.is_online:
                self.keyboard.reset()
                self.mouse.reset()
                self.slot.online()
            self.keyboard.expire()
            self.mouse.expire()

    def _stop_text(self) -> None:
        self.text.cancel("the daemon is stopping")

    def _leds(self) -> Leds | None:
        seen: HidStatus | None = self.slot.seen()
        return seen.leds if seen else None

    def _close_keyboard(self) -> None:
        with contextlib.suppress(DriverError):
            self.keyboard.close()

    def _require_host(self) -> None:
        if not self.slot.is_online:
            raise self._offline()

    def _offline(self) -> HidOffline:
        return HidOffline(f"keyboard and mouse: {self.slot.status.state.value}: {self.slot.status.reason}")

    def _driver(self) -> HidDriver:
        driver = self.slot.driver
        if driver is None:
            raise self._offline()
        return driver

    def _able(self) -> Capability:
        return self._driver().capabilities

    def _send(self, report: Report) -> None:
        driver = self._driver()
        try:
            driver.send(report)
        except DriverError as error:
            # Firmware asks for the keyboard alone: what it does not take of a mouse says nothing about the host.
            if isinstance(report, KeyboardReport):
                self.slot.offline(error)
            raise
