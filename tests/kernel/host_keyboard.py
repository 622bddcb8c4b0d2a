"""What the computer at the other end of the USB cable sees: the gadget's keyboard as an evdev node."""

import importlib
import os
import select
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .waiting import eventually

Press = tuple[int, int]

INPUTS = Path("/sys/class/input")
# linux/input-event-codes.h
KEY_A = 30
# the value of the events that the host's kernel makes up while a key is down
AUTOREPEAT = 2


class HostKeyboard:
    """Reads a keyboard's events as they come, since the kernel keeps only the last few (64 and up).

    :param node: its /dev/input/event*
    :param grab: keep the keys from the guest's own console, which Control+Alt+Delete would reboot; then nobody answers
        lock keys
    """

    def __init__(self, node: Path, grab: bool) -> None:
        # Debian's package: the guest has it, the host need not
        evdev: Any = importlib.import_module("evdev")
        self.codes: Any = evdev.ecodes
        self.device: Any = evdev.InputDevice(node)
        if grab:
            self.device.grab()
        self.gone = threading.Event()
        self._presses: list[Press] = []
        self._dropped = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"reader of {node}", daemon=True)
        self._thread.start()

    def presses(self) -> list[Press]:
        """All key events since the last :meth:`clear`, in order: the code, and 1 for down or 0 for up.

        Autorepeat is left out: how often it strikes is a matter of the machine's load.

        :raise RuntimeError: the kernel's buffer has overflowed, so the list has gaps that are not kvmd's
        """
        with self._lock:
            if self._dropped:
                raise RuntimeError("events were lost on the way to the test (SYN_DROPPED): this machine is too busy")
            return list(self._presses)

    def clear(self) -> None:
        """Forget the events so far."""
        with self._lock:
            self._presses.clear()
            self._dropped = False

    def wait_for(self, *wanted: Press, timeout: float = 20) -> None:
        """Wait until exactly these events have come, in this order."""
        eventually(lambda: len(self.presses()) >= len(wanted), f"{len(wanted)} key events", timeout)
        assert self.presses() == list(wanted)

    def held(self) -> set[int]:
        """The keys that are down, as the kernel knows them (EVIOCGKEY)."""
        return set(self.device.active_keys())

    def leds(self) -> set[int]:
        """The lamps that are lit, as LED_NUML and its like."""
        return set(self.device.leds())

    def set_led(self, code: int, lit: bool) -> None:
        """Light a lamp or put it out, as the host does when somebody presses Caps Lock."""
        self.device.set_led(code, int(lit))

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()
        with warnings.catch_warnings():
            # evdev 1.9 asks asyncio for a loop that is not there
            warnings.simplefilter("ignore", DeprecationWarning)
            self.device.close()

    def _read(self) -> None:
        # before everything else: 64 events are some 20 reports, which is 20 ms
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))
        while not self._stop.is_set():
            if not select.select([self.device.fd], [], [], 0.1)[0]:
                continue
            try:
                events = list(self.device.read())
            except OSError:
                self.gone.set()
                return
            self._note(events)

    def _note(self, events: list[Any]) -> None:
        with self._lock:
            self._presses += [
                (event.code, event.value)
                for event in events
                if event.type == self.codes.EV_KEY and event.value != AUTOREPEAT
            ]
            self._dropped |= any(
                event.type == self.codes.EV_SYN and event.code == self.codes.SYN_DROPPED for event in events
            )


@pytest.fixture
def host_keyboard() -> Iterator[Callable[..., HostKeyboard]]:
    """A function that waits for the keyboard whose name contains the given text; closed in the end."""
    keyboards: list[HostKeyboard] = []

    def find(name: str, grab: bool = False) -> HostKeyboard:
        node = eventually(lambda: _find(name), f'a keyboard called "{name}"')
        keyboards.append(HostKeyboard(node, grab))
        return keyboards[-1]

    yield find
    for keyboard in keyboards:
        keyboard.close()


def _find(name: str) -> Path | None:
    """The newest evdev node of a device with this name and a key A; None if there is none."""
    for entry in sorted(INPUTS.glob("event*"), key=lambda path: int(path.name.removeprefix("event")), reverse=True):
        node = Path("/dev/input") / entry.name
        try:
            keys = int((entry / "device/capabilities/key").read_text().split()[-1], 16)
            if name in (entry / "device/name").read_text() and keys >> KEY_A & 1 and node.exists():
                return node
        except OSError:
            # it was pulled while we looked
            continue
    return None
