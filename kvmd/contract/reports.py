"""How everything stands, as the daemon tells it and clients read it."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from kvmd.contract.capture import Timings
from kvmd.contract.hid import Leds
from kvmd.contract.power import PowerButton
from kvmd.system.pulse import Hang


class State(enum.Enum):
    """How a role stands."""

    ABSENT = "absent"
    """Nothing is plugged in that could fill it."""
    STARTING = "starting"
    """A device is being opened."""
    ONLINE = "online"
    """It works."""
    NO_SIGNAL = "no signal"
    """The device works; nothing answers at the other end of its cable."""
    LOST = "lost"
    """The device was there and is gone."""
    RETRYING = "retrying"
    """The device is there and cannot be used; it is tried again."""


class PowerState(enum.Enum):
    """What the target does, as its power lamp tells."""

    ON = "on"
    OFF = "off"
    SLEEPING = "sleeping"
    """The lamp blinks."""
    UNKNOWN = "unknown"
    """There is no power lamp."""


class Size(msgspec.Struct, frozen=True):
    """A size.

    :param width: in pixels
    :param height: in pixels
    """

    width: int
    height: int


class CaptureReport(msgspec.Struct, frozen=True):
    """How capture stands.

    :param state: how it stands; events have the same words
    :param reason: why, in words
    :param since: when that began, by the wall clock
    :param driver: the name of the one in use, or tried last
    :param device: what it uses, as a person would call it
    :param resolution: of the pictures that come
    :param format: what they come in, by V4L2's name
    :param frame_rate: pictures a second that the device says it gives
    :param captured_fps: pictures a second that the device gives
    :param captured_kbps: what these weigh, in kilobits a second, as the device gives them
    :param sent_fps: pictures a second that go out to viewers
    :param sent_kbps: what these weigh for a viewer who takes all, in the best quality that is watched
    :param viewers: how many watch
    :param dropped: damaged pictures: those that kvmd found since it started, and those that the driver did since it was
        opened
    :param unchanged: pictures that did not have to be encoded again
    :param skipped: pictures for which there was no time, as all threads that encode were busy
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
    captured_kbps: int
    sent_fps: float
    sent_kbps: int
    viewers: int
    dropped: int
    unchanged: int
    skipped: int
    cable: bool | None
    timings: Timings | None
    capabilities: list[str]
    remarks: tuple[str, ...]


class HidReport(msgspec.Struct, frozen=True):
    """How HID stands.

    :param state: how it stands; events have the same words
    :param reason: why, in words
    :param since: when that began, by the wall clock
    :param driver: the name of the one in use, or tried last
    :param device: what it uses, as a person would call it
    :param host_connected: whether a host has accepted the device; None where the hardware cannot tell
    :param leds: the lock lamps; None where the hardware cannot tell
    :param capabilities: what the driver in use can do, such as ``keyboard``, ``absolute_mouse`` or ``leds``
    :param remarks: what a person should know and could change
    """

    state: State
    reason: str
    since: datetime
    driver: str | None
    device: str | None
    host_connected: bool | None
    leds: Leds | None
    capabilities: list[str]
    remarks: tuple[str, ...]


class TextState(enum.Enum):
    """How the typing of a text stands."""

    IDLE = "idle"
    """Nothing was typed yet."""
    TYPING = "typing"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TextReport(msgspec.Struct, frozen=True):
    """How far the text is that is being typed, or was typed last.

    :param state: ``idle``, ``typing``, ``done``, ``cancelled`` or ``failed``
    :param typed: characters that the target has taken
    :param length: characters of all of it
    :param layout: what the target is taken to be set to
    :param reason: why it ended before its end
    """

    state: TextState
    typed: int
    length: int
    layout: str
    reason: str


class LayoutReport(msgspec.Struct, frozen=True):
    """A keyboard layout that a target may be set to.

    :param name: as xkeyboard-config has it, such as ``de`` or ``de(nodeadkeys)``
    :param title: for people, such as ``German``
    """

    name: str
    title: str


class LayoutsReport(msgspec.Struct, frozen=True):
    """The keyboard layouts for text.

    :param default: the one that is taken where none is named
    :param layouts: all of them
    """

    default: str
    layouts: list[LayoutReport]


class LabelsReport(msgspec.Struct, frozen=True):
    """What the keys of a layout type, as it is printed on them.

    :param name: as xkeyboard-config has it
    :param title: for people
    :param keys: by KeyboardEvent.code, what a key types plainly, with Shift, with AltGr, and with both: at most these
        four, empty where it types nothing; a dead key's accent
    """

    name: str
    title: str
    keys: dict[str, list[str]]


class Press(msgspec.Struct, frozen=True):
    """A button that is pressed at this moment.

    :param button: which
    :param seconds_left: for how many seconds more
    """

    button: PowerButton
    seconds_left: float


class PowerReport(msgspec.Struct, frozen=True):
    """How power stands.

    :param state: how it stands; events have the same words
    :param reason: why, in words
    :param since: when that began, by the wall clock
    :param driver: the name of the one in use, or tried last
    :param device: what it uses, as a person would call it
    :param target: what the target does: ``on``, ``off``, ``sleeping`` or ``unknown``
    :param disk_active: whether the target's disk works; None where no lamp says so
    :param press: the button that is pressed at this moment
    :param capabilities: ``power_button``, ``reset_button``, ``power_lamp``, ``disk_lamp``, ``wake``
    :param remarks: what a person should know and could change
    """

    state: State
    reason: str
    since: datetime
    driver: str | None
    device: str | None
    target: PowerState
    disk_active: bool | None
    press: Press | None
    capabilities: list[str]
    remarks: tuple[str, ...]


class BoardReport(msgspec.Struct, frozen=True):
    """Which board this is.

    :param name: in settings
    :param title: for people
    :param why: what it was recognised by, or where it is named
    """

    name: str
    title: str
    why: str


class Broken(msgspec.Struct, frozen=True):
    """What a plug-in cannot do.

    :param name: the plug-in's, which is its entry point's
    :param reason: why, and of what if it is not all of it
    """

    name: str
    reason: str


class Status(msgspec.Struct, frozen=True):
    """Everything worth knowing.

    :param version: of kvmd
    :param began: when the daemon was started, by the wall clock
    :param board: the one that was recognised or named; None for none
    :param capture: the screen
    :param hid: keyboard and mouse
    :param power: the target's buttons and lamps
    :param hung: what hangs, by the watchdog
    :param broken: what plug-ins could not do since then, the latest of each kind
    """

    version: str
    began: datetime
    board: BoardReport | None
    capture: CaptureReport
    hid: HidReport
    power: PowerReport
    hung: tuple[Hang, ...]
    broken: list[Broken]


class CertificateReport(msgspec.Struct, frozen=True):
    """The certificate that browsers are shown over HTTPS.

    :param subject: whom it is for
    :param names: the host names and addresses that it is for
    :param issuer: who vouches for it
    :param self_signed: whether nobody else does
    :param not_before: when it begins to hold
    :param not_after: when it ends
    :param sha256: its fingerprint, as browsers show it
    :param chain: its issuers that are sent along
    :param pem: it and its issuers in PEM, for who is to trust it
    """

    subject: str
    names: list[str]
    issuer: str
    self_signed: bool
    not_before: datetime
    not_after: datetime
    sha256: str
    chain: list[str]
    pem: str


class DeviceReport(msgspec.Struct, frozen=True):
    """A device that is plugged in.

    :param name: the kernel's, such as ``video0``
    :param subsystem: the kernel's class, such as ``video4linux``
    :param node: its node in /dev, where it has one
    :param label: as a person would call it
    :param usb_id: USB vendor and product, as ``lsusb`` shows; None for what is no part of a USB device
    :param serial: its USB serial number
    :param path: the port that it is plugged into, udev's ``ID_PATH``
    :param drivers: those that are for it, the best first
    """

    name: str
    subsystem: str
    node: str | None
    label: str
    usb_id: str | None
    serial: str | None
    path: str | None
    drivers: list[str]
