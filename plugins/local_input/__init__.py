"""A keyboard and mouse that are plugged into the KVM itself work on the target, until a key chord lets go of it.

Devices: keyboards with their media keys, and mice that say how far they move, by udev's ``ID_INPUT_*``; grabbed with
evdev (EVIOCGRAB), so that the local console sees nothing of them. Let go, they are the console's until the same chord
takes them back.

Does not: touchpads, touchscreens and absolute pointers; keys for which kvmd has no name; lamps of the local keyboard.
Needs python-evdev and a running udev. Documented in the kernel: Documentation/input/input.rst.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain, groupby
from queue import Empty, SimpleQueue
from typing import Annotated

import msgspec
from msgspec import Meta

from kvmd import (
    OWN_INPUT,
    Button,
    Device,
    DriverError,
    InputApi,
    KvmApi,
    KvmdError,
    Monitor,
    MouseEvent,
    RequestError,
    Service,
    find_keys,
    hookimpl,
    list_devices,
)

from .actions import EV_KEY, Event, Press, actions
from .chord import Chord
from .source import Reader, Source

logger = logging.getLogger(__name__)

NAME = "local_input"
SUBSYSTEM = "input"

Entry = tuple[Source | None, list[Event] | None]
"""A source and its events, or None once it is gone; no source in the end."""


class LocalInputSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A keyboard and mouse that are plugged into the KVM itself."""

    enabled: Annotated[bool, Meta(description="Whether they are passed on to the target.")] = False
    devices: Annotated[
        list[str], Meta(description="Which, by the names in `/proc/bus/input/devices`; `*` for any part.")
    ] = msgspec.field(default_factory=lambda: ["*"])
    chord: Annotated[
        list[str],
        Meta(min_length=1, description="Keys that, struck together, let go of the target and take it back."),
    ] = msgspec.field(default_factory=lambda: ["ControlLeft", "ControlRight"])
    chord_times: Annotated[int, Meta(ge=1, le=5, description="How often they are struck, within a second each.")] = 2

    def __post_init__(self) -> None:
        try:
            self.chord_codes()
        except RequestError as error:
            raise ValueError(f"chord: {error}") from error

    def chord_codes(self) -> list[int]:
        """Return evdev's codes for the keys of the chord."""
        return [find_keys(name)[0].evdev for name in self.chord]


class _Hand:
    """What a source does at the target: a client of the KVM, which holds keys and buttons."""

    def __init__(self, source: Source, target: InputApi, chord: Chord) -> None:
        self.source = source
        self._input = target
        self._chord = chord
        self._buttons: set[Button] = set()
        self._refusal = ""

    def split(self, events: Sequence[Event]) -> Iterator[tuple[Sequence[Event], bool]]:
        """Cut events after each that completes the chord, and tell of each part whether it does."""
        begin = 0
        for at, event in enumerate(events):
            if event.type == EV_KEY and self._chord.feed(event.code, event.value, event.time):
                yield events[begin : at + 1], True
                begin = at + 1
        yield events[begin:], False

    def act(self, events: Sequence[Event]) -> None:
        """Pass events on; what the target does not take is not held, and told once."""
        for action in actions(events, self._buttons):
            try:
                self._carry_out(action)
                self._refusal = ""
            except KvmdError as error:
                if str(error) != self._refusal:
                    logger.warning("%s: %s", self.source, error)
                self._refusal = str(error)

    def stay(self) -> None:
        """Keep held what is held."""
        self._input.stay(self.source.client)

    def let_go(self) -> None:
        """Release all."""
        self._buttons.clear()
        self._input.leave(self.source.client)

    def _carry_out(self, action: Press | MouseEvent) -> None:
        if isinstance(action, MouseEvent):
            self._input.point(self.source.client, action)
        elif action.down:
            self._input.press(self.source.client, [action.key])
        else:
            self._input.release(self.source.client, [action.key])


class LocalInput:
    """Passes local input devices on; they are read in one thread, and the target is served in another.

    :param settings: the plug-in's own
    :param kvm: the running KVM
    """

    def __init__(self, settings: LocalInputSettings, kvm: KvmApi) -> None:
        self._settings = settings
        self._input = kvm.input
        self._pace = min(1.0, kvm.settings.hid.hold_timeout / 4)
        self._hands: dict[Source, _Hand] = {}
        self._grabbing = True
        self._lock = threading.Lock()  # of the two above, which hot-plug changes, too
        self._inbox: SimpleQueue[Entry] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kvmd-local-input")

    def start(self) -> None:
        """Take what is plugged in, and what will be."""
        if not importlib.util.find_spec("evdev"):
            raise DriverError("python-evdev is missing: apt install python3-evdev, or pip install 'kvmd-hal[evdev]'")
        self._reader = Reader(lambda source, events: self._inbox.put((source, events)))
        self._monitor = Monitor([SUBSYSTEM], self._plugged)
        self._monitor.start()
        self._reader.start()
        self._thread.start()

    def stop(self) -> None:
        """Release everything at the target, and give the devices back to the console."""
        self._inbox.put((None, None))
        self._thread.join()

    def _plugged(self, action: str, device: Device) -> None:
        """Take a device that has come; one that has gone is told of by reading it."""
        if action == "remove" or not _is_typed_on(device):
            return
        with self._lock:
            if any(source.node == device.node and not source.lost for source in self._hands):
                return
            try:
                source = Source(device)
            except DriverError as error:
                logger.warning("%s", error)
                return
            if not self._wants(source, device):
                source.close()
                return
            chord = Chord(self._settings.chord_codes(), self._settings.chord_times)
            self._hands[source] = _Hand(source, self._input, chord)
            source.settle(self._grabbing)
        self._reader.add(source)

    def _wants(self, source: Source, device: Device) -> bool:
        if source.phys.startswith(OWN_INPUT):
            return False
        usable = source.moves or "ID_INPUT_MOUSE" not in device.properties
        return usable and any(fnmatchcase(source.name, pattern) for pattern in self._settings.devices)

    def _run(self) -> None:
        try:
            for device in list_devices([SUBSYSTEM]):
                self._plugged("add", device)
            while self._work():
                for hand in list(self._hands.values()):
                    hand.stay()
        finally:
            # Here, so that a failure, too, gives the keyboard back.
            self._monitor.stop()
            self._reader.stop()
            for hand in self._hands.values():
                hand.source.close()
                hand.let_go()

    def _work(self) -> bool:
        """Pass on what has come meanwhile, moves of one mouse together; False in the end."""
        for source, entries in groupby(_take(self._inbox, self._pace), key=lambda entry: entry[0]):
            if source is None:
                return False
            batches = [events for _, events in entries]
            self._pass_on(self._hands[source], list(chain.from_iterable(batch or () for batch in batches)))
            if batches[-1] is None:
                self._forget(source)
        return True

    def _pass_on(self, hand: _Hand, events: Sequence[Event]) -> None:
        for part, is_chord in hand.split(events):
            if hand.source.grabbed:
                hand.act(part)
            if is_chord:
                self._toggle()
        with self._lock:
            hand.source.settle(self._grabbing)

    def _toggle(self) -> None:
        with self._lock:
            self._grabbing = not self._grabbing
            for hand in self._hands.values():
                hand.source.settle(self._grabbing)
        if not self._grabbing:
            for hand in list(self._hands.values()):
                hand.let_go()

    def _forget(self, source: Source) -> None:
        logger.info("%s was unplugged", source)
        with self._lock:
            hand = self._hands.pop(source)
        hand.let_go()
        source.close()


def _is_typed_on(device: Device) -> bool:
    """Tell whether a person's hand is on it. What has a few keys alone may be the KVM's own power button."""
    udev = device.properties.get
    is_external = udev("ID_BUS") in ("usb", "bluetooth")
    tests = [udev("ID_INPUT_KEYBOARD"), udev("ID_INPUT_MOUSE"), is_external and udev("ID_INPUT_KEY")]
    return any(tests) and (device.node or "").startswith("/dev/input/event")


def _take(inbox: SimpleQueue[Entry], timeout: float) -> Iterator[Entry]:
    """Take all that is there; wait for the first."""
    try:
        yield inbox.get(timeout=timeout)
        while True:
            yield inbox.get_nowait()
    except Empty:
        return


@hookimpl
def kvmd_services(kvm: KvmApi) -> Iterable[Service]:
    """Offer the service, where it is enabled."""
    settings = kvm.plugin_settings(NAME, LocalInputSettings)
    return [LocalInput(settings, kvm)] if settings.enabled else []
