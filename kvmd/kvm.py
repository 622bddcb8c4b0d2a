"""The KVM: a capture slot, a HID slot and hot-plug; all that the web and the command line may call."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

import kvmd
from kvmd import edid
from kvmd.auth import Auth
from kvmd.board import FOLDER, BoardChoice, choose_board, load_boards, read_facts
from kvmd.broadcast import Broadcaster, Rate
from kvmd.capture import CaptureDriver, EdidControl, Frame, Timings, TimingsControl
from kvmd.config import RoleSettings, Settings, convert
from kvmd.device import Device, Monitor
from kvmd.encode import Encoder
from kvmd.errors import DriverError, HidOffline, Unsupported
from kvmd.hid import Capability, HidDriver, HidStatus, KeyboardReport, Leds, Report
from kvmd.holders import Holders
from kvmd.hookspecs import Event
from kvmd.keyboard import Keyboard
from kvmd.mouse import Mouse, MouseEvent
from kvmd.registry import CAPTURE, HID, Choice, Registry
from kvmd.slate import slate
from kvmd.slot import Slot, SlotStatus, State
from kvmd.writer import Writer

logger = logging.getLogger(__name__)

T = TypeVar("T")

WATCH = 0.5
"""Seconds between two looks at clients that went silent."""

TITLES = {
    State.ABSENT: "No capture device",
    State.STARTING: "Starting",
    State.NO_SIGNAL: "No signal",
    State.LOST: "Capture device lost",
    State.RETRYING: "Capture device unusable",
}

CAPABILITIES: dict[str, type] = {"edid": EdidControl, "timings": TimingsControl}
"""What capture drivers may declare, by its name in the status."""


class Size(msgspec.Struct, frozen=True):
    """A size in pixels."""

    width: int
    height: int


class CaptureReport(msgspec.Struct, frozen=True):
    """How capture stands.

    :param captured_fps: pictures a second that the device gives
    :param sent_fps: pictures a second that go out to viewers
    :param dropped: damaged pictures: those that kvmd found since it started, and those that the driver did since it was
        opened
    :param unchanged: pictures that did not have to be encoded again
    :param cable: whether a source is at the other end; None where the hardware cannot tell
    :param timings: what the source sends, from hardware that measures it
    :param capabilities: ``edid``, ``timings``: what the driver in use can do beyond pictures
    :param remarks: what a person should know and could change
    """

    state: State
    reason: str
    since: datetime
    driver: str | None
    device: str | None
    resolution: Size | None
    format: str | None
    frame_rate: float | None
    captured_fps: float
    sent_fps: float
    viewers: int
    dropped: int
    unchanged: int
    cable: bool | None
    timings: Timings | None
    capabilities: list[str]
    remarks: tuple[str, ...]


class HidReport(msgspec.Struct, frozen=True):
    """How HID stands."""

    state: State
    reason: str
    since: datetime
    driver: str | None
    device: str | None
    host_connected: bool | None
    leds: Leds | None
    capabilities: list[str]
    remarks: tuple[str, ...]


class BoardReport(msgspec.Struct, frozen=True):
    """Which board this is.

    :param why: what it was recognised by, or where it is named
    """

    name: str
    title: str
    why: str


class Status(msgspec.Struct, frozen=True):
    """Everything worth knowing."""

    version: str
    board: BoardReport | None
    capture: CaptureReport
    hid: HidReport


class Kvm:
    """One screen, one keyboard.

    :param settings: what is set
    :param registry: what the plug-ins offer
    :param source: where the settings come from, for messages
    :raises ConfigError: the settings name a driver or option that is not there
    """

    def __init__(self, settings: Settings, registry: Registry, source: str = "kvmd.toml") -> None:
        self.settings = settings
        self.registry = registry
        self._source = source
        self.board = find_board(settings, registry, source)
        self.auth = Auth(settings.auth, registry.verify_password)
        self.broadcaster = Broadcaster()
        writer = Writer(self._send)
        timeout = settings.hid.hold_timeout
        self.keyboard = Keyboard(writer.send, self._able, Holders(self.auth.alive, timeout))
        self.mouse = Mouse(writer, self._able, Holders(self.auth.alive, timeout))
        self._encoder = Encoder(settings.capture.quality, self.broadcaster.publish)
        self._captured = Rate()
        self._size = Size(1280, 720)
        self.roles = {
            CAPTURE: self._role(settings.capture, CAPTURE, source),
            HID: self._role(settings.hid, HID, source),
        }
        """What fills each role, and where that comes from."""
        capture = registry.choose_capture(*self.roles[CAPTURE])
        hid = registry.choose_hid(*self.roles[HID])
        self.choices: dict[str, Choice[CaptureDriver] | Choice[HidDriver]] = {CAPTURE: capture, HID: hid}
        registry.check_plugins(settings.plugins, source)
        self.capture: Slot[CaptureDriver] = Slot(CAPTURE, capture.make, self._look, self._capture_changed)
        self.hid: Slot[HidDriver] = Slot(HID, hid.make, self._type, self._hid_changed)
        self._monitor = Monitor(registry.subsystems(), self._plugged)

    def _role(self, given: RoleSettings, role: str, source: str) -> tuple[RoleSettings, str]:
        """Return the settings of a role and where they come from: the file's, or the board's where it has none."""
        board = self.board.board
        if board and given.driver == "auto" and not given.options:
            return (board.capture if role == CAPTURE else board.hid), f"board {board.name}"
        return given, source

    def plugin_settings(self, name: str, shape: type[T]) -> T:
        """Return the settings of a plug-in, the table ``[plugins.NAME]``, as a struct of its own.

        :param name: the plug-in's, which is its entry point's
        :raises ConfigError: a key or a value is wrong
        """
        return convert(self.settings.plugins.get(name, {}), shape, self._source, f"plugins.{name}.")

    def start(self) -> None:
        """Begin; returns at once."""
        logger.info("board: %s: %s", self.board.board.name if self.board.board else "none", self.board.why)
        self.broadcaster.start()
        self._monitor.start()
        self.capture.start()
        self.hid.start()

    def stop(self) -> None:
        """Release every key, close the devices and end all connections."""
        self._monitor.stop()
        self.mouse.close()
        with contextlib.suppress(DriverError):
            self.keyboard.close()
        self.hid.stop()
        self.capture.stop()
        self._encoder.close()
        self.broadcaster.stop()

    def is_alive(self) -> bool:
        """Tell whether all threads do their work still."""
        return self.capture.is_alive() and self.hid.is_alive() and self.broadcaster.is_alive()

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

    def point(self, client: str, event: MouseEvent) -> None:
        """Use the mouse; see ``Mouse.act``."""
        self._require_host()
        self.mouse.act(client, event)

    def stay(self, client: str) -> None:
        """Note that a client is there still, and not to be taken for silent."""
        self.keyboard.hear(client)
        self.mouse.hear(client)

    def leave(self, client: str) -> None:
        """Release what a client holds that has gone."""
        for release_all in (self.keyboard.release_all, self.mouse.release_all):
            with contextlib.suppress(DriverError):
                release_all(client)

    def edid(self) -> bytes:
        """Return the EDID that the source sees; empty if there is none.

        :raises Unsupported: the capture driver in use has none
        :raises DriverError: no device is there, or it does not say
        """
        return self._receiver().edid()

    def set_edid(self, data: bytes) -> None:
        """Show the source another EDID; empty: none.

        :raises RequestError: it is not in order, see ``edid.check``
        :raises Unsupported: the capture driver in use has none
        :raises DriverError: no device is there, or it refuses it
        """
        if data:
            edid.check(data)
        self._receiver().set_edid(data)

    def stream(self, sock: socket.socket, fps: float | None) -> None:
        """Hand a connected socket over to the broadcaster; see ``Broadcaster.add``."""
        self.broadcaster.add(sock, fps)

    def snapshot(self, timeout: float) -> Frame | None:
        """Return a picture taken after this call; None if there is none within ``timeout`` seconds."""
        return self.broadcaster.wait_fresh(timeout)

    def slate(self) -> Frame:
        """Return the picture that says why there is none."""
        status = self.capture.status
        title, reason = TITLES.get(status.state, "No picture"), status.reason
        if status.state is State.ONLINE:
            reason = "the capture device works, but sent no picture in time"
        return slate(title, reason, self._size.width, self._size.height)

    def status(self) -> Status:
        """Tell how everything stands."""
        return Status(kvmd.__version__, self._board_report(), self._capture_report(), self._hid_report())

    def _look(self, driver: CaptureDriver) -> None:
        """Work with an open capture driver."""
        for frame in driver.frames():
            self._captured.count()
            if (frame.width, frame.height) != (self._size.width, self._size.height):
                self._size = Size(frame.width, frame.height)
            self.capture.online()
            if self.broadcaster.watched:
                self._encoder.feed(frame)
            else:
                self._encoder.forget()
            if self.capture.stopping.is_set():
                return
        if not self.capture.stopping.is_set():
            raise DriverError(f"the driver {driver.name} gave no more frames and did not say why")

    def _type(self, driver: HidDriver) -> None:
        """Work with an open HID driver: nothing is held when it comes, and nobody holds anything for too long."""
        while not self.hid.stopping.is_set():
            # One that was just opened need not be waited for; one whose host is gone waits for it in there.
            driver.watch(WATCH if self.hid.status.state in (State.ONLINE, State.NO_SIGNAL) else 0)
            if not self.hid.is_online:
                self.keyboard.reset()
                self.mouse.reset()
                self.hid.online()
            self.keyboard.expire()
            self.mouse.expire()

    def _receiver(self) -> EdidControl:
        driver = self.capture.driver
        if driver is None:
            raise DriverError(f"EDID: {self.capture.status.state.value}: {self.capture.status.reason}")
        if not isinstance(driver, EdidControl):
            raise Unsupported(f"EDID: the source of {driver.name} sees none that could be changed")
        return driver

    def _require_host(self) -> None:
        status = self.hid.status
        if status.state is not State.ONLINE:
            raise self._offline()

    def _offline(self) -> HidOffline:
        return HidOffline(f"keyboard and mouse: {self.hid.status.state.value}: {self.hid.status.reason}")

    def _hid_driver(self) -> HidDriver:
        driver = self.hid.driver
        if driver is None:
            raise self._offline()
        return driver

    def _able(self) -> Capability:
        return self._hid_driver().capabilities

    def _send(self, report: Report) -> None:
        driver = self._hid_driver()
        try:
            driver.send(report)
        except DriverError as error:
            # Firmware asks for the keyboard alone: what it does not take of a mouse says nothing about the host.
            if isinstance(report, KeyboardReport):
                self.hid.offline(error)
            raise

    def _capture_changed(self, status: SlotStatus) -> None:
        if status.state is State.ONLINE:
            self.broadcaster.clear()
        else:
            self._encoder.forget()
            self.broadcaster.publish(self.slate(), live=False)
        self._emit(CAPTURE, status)

    def _hid_changed(self, status: SlotStatus) -> None:
        self._emit(HID, status)

    def _emit(self, role: str, status: SlotStatus) -> None:
        self.registry.emit(Event(role, status.state.value, status.reason))

    def _plugged(self, action: str, device: Device) -> None:
        logger.debug("%s: %s", action, device)
        for choice in self.choices.values():
            choice.changed()
        self.capture.wake()
        self.hid.wake()

    def _board_report(self) -> BoardReport | None:
        board = self.board.board
        return BoardReport(board.name, board.title, self.board.why) if board else None

    def _capture_report(self) -> CaptureReport:
        slot, driver = self.capture.status, self.capture.driver
        seen = driver.status() if driver else None
        signal = seen.signal if seen and slot.state is State.ONLINE else None
        return CaptureReport(
            state=slot.state,
            reason=slot.reason,
            since=slot.since,
            driver=slot.driver,
            device=seen.device if seen else None,
            resolution=Size(signal.width, signal.height) if signal else None,
            format=signal.format.value if signal else None,
            frame_rate=signal.frame_rate if signal else None,
            captured_fps=self._captured.per_second(),
            sent_fps=self.broadcaster.sent.per_second(),
            viewers=self.broadcaster.viewers,
            dropped=self._encoder.dropped + (seen.dropped if seen else 0),
            unchanged=self._encoder.unchanged,
            cable=seen.cable if seen else None,
            timings=_timings(driver),
            capabilities=[name for name, kind in CAPABILITIES.items() if isinstance(driver, kind)],
            remarks=seen.remarks if seen else (),
        )

    def _hid_report(self) -> HidReport:
        slot, driver = self.hid.status, self.hid.driver
        seen = driver.status() if driver else HidStatus("")
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


def _timings(driver: object) -> Timings | None:
    return driver.timings() if isinstance(driver, TimingsControl) else None


def find_board(settings: Settings, registry: Registry, source: str) -> BoardChoice:
    """Return the board we run on.

    :param source: where the settings come from, for messages
    :raises ConfigError: the settings name a board that is not there, or a file in /etc/kvmd/boards.d/ is none
    """
    return choose_board(settings.board, load_boards(FOLDER), registry.boards(), read_facts(), source)
