"""What the computer at the other end of the USB cable sees: the gadget's keyboard, keys and mice as evdev nodes."""

import importlib
import os
import select
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kvmd.input.keymap import KEYS

from .waiting import eventually

Press = tuple[int, int]

INPUTS = Path("/sys/class/input")
# linux/input-event-codes.h
EV_SYN, EV_KEY, EV_REL, EV_ABS = 0, 1, 2, 3
SYN_DROPPED = 3
KEY_A, KEY_POWER, KEY_PLAYPAUSE, BTN_LEFT, ABS_X, REL_X = 30, 116, 164, 0x110, 0, 0
# the value of the events that the host's kernel makes up while a key is down
AUTOREPEAT = 2
MODIFIERS = {key.evdev for key in KEYS.values() if key.modifier}
# struct input_event of linux/input.h: when, type, code, value
EVENT = struct.Struct("@llHHi")


class Input(NamedTuple):
    """An event: its type, code and value."""

    type: int
    code: int
    value: int


class HostInput:
    """Reads an input's events as they come, since the kernel keeps only the last few (64 and up).

    :param node: its /dev/input/event*
    :param grab: keep them from the guest's own console, which Control+Alt+Delete would reboot; then nobody answers
        lock keys
    """

    def __init__(self, node: Path, grab: bool) -> None:
        # Debian's package: the guest has it, the host need not
        evdev: Any = importlib.import_module("evdev")
        self.codes: Any = evdev.ecodes
        self.device: Any = evdev.InputDevice(node)
        # whoever asks which keys are down loses the key events that it has not read yet (EVIOCGKEY)
        self._asked: Any = evdev.InputDevice(node)
        if grab:
            self.device.grab()
        self.gone = threading.Event()
        self._raw = bytearray()
        self._events: list[Input] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"reader of {node}", daemon=True)
        self._thread.start()

    def events(self) -> list[Input]:
        """All keys, moves and wheels since the last :meth:`clear`, in order; without autorepeat.

        How often autorepeat strikes is a matter of the machine's load.

        :raise RuntimeError: the kernel's buffer has overflowed, so the list has gaps that are not kvmd's
        """
        with self._lock:
            raw, self._raw = self._raw, bytearray()
        for _, _, kind, code, value in EVENT.iter_unpack(raw):
            if kind in (EV_REL, EV_ABS) or (kind == EV_KEY and value != AUTOREPEAT):
                self._events.append(Input(kind, code, value))
            if (kind, code) == (EV_SYN, SYN_DROPPED):
                raise RuntimeError("events were lost on the way to the test (SYN_DROPPED): this machine is too busy")
        return list(self._events)

    def presses(self) -> list[Press]:
        """All key and button events, in order: the code, and 1 for down or 0 for up."""
        return [(event.code, event.value) for event in self.events() if event.type == EV_KEY]

    def clear(self) -> None:
        """Forget the events so far."""
        with self._lock:
            self._raw.clear()
        self._events.clear()

    def wait_for(self, *wanted: Press) -> None:
        """Wait until exactly these keys have come, in this order."""
        eventually(lambda: len(self.presses()) >= len(wanted), f"{len(wanted)} key events")
        assert self.presses() == list(wanted)

    def held(self) -> set[int]:
        """The keys that are down, as the kernel knows them (EVIOCGKEY)."""
        return set(self._asked.active_keys())

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()
        with warnings.catch_warnings():
            # evdev 1.9 asks asyncio for a loop that is not there
            warnings.simplefilter("ignore", DeprecationWarning)
            self.device.close()
            self._asked.close()

    def _read(self) -> None:
        # before everything else: 64 events are some 20 reports, which is 20 ms
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))
        while not self._stop.is_set():
            if not select.select([self.device.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.device.fd, 64 * EVENT.size)
            except OSError:
                self.gone.set()
                return
            with self._lock:
                self._raw += data


class HostKeyboard(HostInput):
    """A keyboard, with its lamps."""

    def wait_for_strokes(self, strokes: int) -> None:
        """Wait until so many keys went down beside modifiers, and all are up again."""

        def has_come() -> bool:
            presses = self.presses()
            downs = [code for code, value in presses if value == 1]
            return len(presses) == 2 * len(downs) and sum(code not in MODIFIERS for code in downs) >= strokes

        eventually(has_come, f"{strokes} keys, and all of them up")

    def leds(self) -> set[int]:
        """The lamps that are lit, as LED_NUML and its like."""
        return set(self.device.leds())

    def set_led(self, code: int, lit: bool) -> None:
        """Light a lamp or put it out, as the host does when somebody presses Caps Lock."""
        self.device.set_led(code, int(lit))


class HostMouse(HostInput):
    """A mouse."""

    def place(self) -> Press:
        """The position that the host believes in."""
        x, y = (self.device.absinfo(axis).value for axis in (self.codes.ABS_X, self.codes.ABS_Y))
        return x, y

    def travelled(self, code: int) -> int:
        """How far it went along an axis, or turned a wheel, as REL_X and its like."""
        return sum(event.value for event in self.events() if (event.type, event.code) == (EV_REL, code))

    def wait_for_all(self, *wanted: Input) -> None:
        """Wait until these events have come, among others."""
        eventually(lambda: set(wanted) <= set(self.events()), f"{wanted}")


def _keys(entry: Path) -> int:
    """The keys that an input has, as a number with a bit for each."""
    words = (entry / "device/capabilities/key").read_text().split()
    return int("".join(word.zfill(16) for word in words), 16)


def _has(entry: Path, kind: str, code: int) -> bool:
    return bool(int((entry / f"device/capabilities/{kind}").read_text().split()[-1], 16) >> code & 1)


def is_keyboard(entry: Path) -> bool:
    """Tell whether an input is a keyboard, with letters."""
    return bool(_keys(entry) >> KEY_A & 1)


def is_absolute_mouse(entry: Path) -> bool:
    """Tell whether an input is a mouse that says where the pointer is."""
    return bool(_keys(entry) >> BTN_LEFT & 1) and _has(entry, "abs", ABS_X)


def is_relative_mouse(entry: Path) -> bool:
    """Tell whether an input is a mouse that says how far the pointer goes."""
    return bool(_keys(entry) >> BTN_LEFT & 1) and _has(entry, "rel", REL_X) and not _has(entry, "abs", ABS_X)


def has_media_keys(entry: Path) -> bool:
    """Tell whether an input is the consumer control."""
    return bool(_keys(entry) >> KEY_PLAYPAUSE & 1) and not is_keyboard(entry)


def has_power_keys(entry: Path) -> bool:
    """Tell whether an input is the system control."""
    return bool(_keys(entry) >> KEY_POWER & 1) and not has_media_keys(entry) and not is_keyboard(entry)


@pytest.fixture
def host_input() -> Iterator[Callable[..., HostInput]]:
    """A function that waits for the input of a name and kind and reads it as this class; closed in the end."""
    inputs: list[HostInput] = []

    def find(
        name: str, kind: Callable[[Path], bool], reader: type[HostInput] = HostInput, grab: bool = False
    ) -> HostInput:
        node = eventually(lambda: _find(name, kind), f'an input called "{name}" for which {kind.__name__} holds')
        inputs.append(reader(node, grab))
        return inputs[-1]

    yield find
    for each in inputs:
        each.close()


@pytest.fixture
def host_keyboard(host_input: Callable[..., HostKeyboard]) -> Callable[..., HostKeyboard]:
    """A function that waits for the keyboard whose name contains the given text."""
    return lambda name, grab=False: host_input(name, is_keyboard, HostKeyboard, grab)


@pytest.fixture
def host_mouse(host_input: Callable[..., HostMouse]) -> Callable[..., HostMouse]:
    """A function that waits for the absolute or relative mouse whose name contains the given text."""
    return lambda name, absolute: host_input(name, is_absolute_mouse if absolute else is_relative_mouse, HostMouse)


def _find(name: str, kind: Callable[[Path], bool]) -> Path | None:
    """The newest evdev node of this name and kind; None if there is none."""
    for entry in sorted(INPUTS.glob("event*"), key=lambda path: int(path.name.removeprefix("event")), reverse=True):
        node = Path("/dev/input") / entry.name
        try:
            if name in (entry / "device/name").read_text() and kind(entry) and node.exists():
                return node
        except OSError:
            # it was pulled while we looked
            continue
    return None
