"""A keyboard and mouse at the KVM itself: from a real input device through the daemon to the gadget's host."""

import importlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import kvmd
from kvmd import find_keys
from kvmd_plugins.local_input.source import Source

from .daemon import UNIT, Daemon
from .dummy_hcd import DummyHcd
from .host_input import EV_KEY, EV_REL, HostInput, HostKeyboard, HostMouse, Input, is_keyboard
from .typist import hid, wait_until_online
from .units import kvmd_in_group
from .waiting import eventually, run

CONFIG = '[plugins.local_input]\nenabled = true\ndevices = ["Test *"]\n'
TARGET = "kvmd"
"""A part of the name under which the target knows our keyboard and mouse."""
CTRL_LEFT, CTRL_RIGHT, SHIFT, KEY_A, KEY_B, KEY_MUTE = 29, 97, 42, 30, 48, 113
BTN_LEFT, BTN_EXTRA = 0x110, 0x114
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0, 1, 6, 8
DOWN, UP, AUTOREPEAT = 1, 0, 2
BURST = 10
"""Keys that are tapped as fast as possible: more than the kernel keeps events of, 64, may be lost by any program."""
NAMES = ("KeyA", "KeyB", "KeyC", "KeyD", "Digit1", "Enter", "Space", "F5", "ArrowUp", "ShiftLeft")
PLAIN = [find_keys(name)[0].evdev for name in NAMES]

Host = Callable[..., HostKeyboard]
numbers = itertools.count()


class Device:
    """A keyboard or mouse that somebody plugs into the KVM."""

    def __init__(self, kind: str, events: dict[int, Any]) -> None:
        evdev: Any = importlib.import_module("evdev")
        self.name = f"Test {kind} {next(numbers)}"
        self._output: Any = evdev.UInput(events, name=self.name)
        self.node = self._output.device.path
        self._plugged = True

    def __str__(self) -> str:
        return f"{self.name} ({self.node})"

    def send(self, *events: tuple[int, int, int]) -> None:
        """Send events in one report."""
        for event in events:
            self._output.write(*event)
        self._output.syn()

    def press(self, *codes: int) -> None:
        for code in codes:
            self.send((EV_KEY, code, DOWN))

    def release(self, *codes: int) -> None:
        for code in codes:
            self.send((EV_KEY, code, UP))

    def tap(self, *codes: int) -> None:
        """Press and release keys one after another, faster than anybody types."""
        for code in codes:
            self.press(code)
            self.release(code)

    def strike_chord(self) -> None:
        for _ in range(2):
            self.press(CTRL_LEFT, CTRL_RIGHT)
            self.release(CTRL_LEFT, CTRL_RIGHT)

    def unplug(self) -> None:
        if self._plugged:
            self._output.close()
        self._plugged = False


@pytest.fixture(scope="module")
def running(controller: DummyHcd, daemon: Daemon) -> Iterator[Daemon]:
    assert controller.udc
    with kvmd_in_group("input"):
        daemon.start(CONFIG)
        yield daemon


@pytest.fixture
def kvm(running: Daemon) -> Daemon:
    """The daemon, with its target online."""
    wait_until_online(running)
    return running


@pytest.fixture
def plug() -> Iterator[Callable[[str], Device]]:
    """A function that plugs a keyboard or mouse into the KVM; all are unplugged in the end."""
    devices: list[Device] = []
    kinds: dict[str, dict[int, Any]] = {
        "keyboard": {EV_KEY: range(1, 249)},
        "mouse": {EV_KEY: range(BTN_LEFT, BTN_EXTRA + 1), EV_REL: [REL_X, REL_Y, REL_HWHEEL, REL_WHEEL]},
    }

    def plug(kind: str) -> Device:
        devices.append(Device(kind, kinds[kind]))
        return devices[-1]

    yield plug
    for device in devices:
        device.unplug()


@pytest.fixture
def keyboard(kvm: Daemon, plug: Callable[[str], Device]) -> Device:
    """A keyboard that was plugged in while the daemon runs, and works on the target."""
    device = plug("keyboard")
    works_on(kvm, device, "target")
    return device


@pytest.fixture
def target(kvm: Daemon, host_keyboard: Host) -> HostKeyboard:  # noqa: ARG001  # it types there
    return host_keyboard(TARGET, grab=True)


@pytest.fixture
def console(keyboard: Device, host_input: Callable[..., HostInput]) -> HostInput:
    """Another program that reads the keyboard, as the local console does."""
    return host_input(keyboard.name, is_keyboard)


def works_on(daemon: Daemon, device: Device, where: str, times: int = 1) -> None:
    """Wait until the daemon has said so, for so many times."""
    line = f"{device} works on the {where}"
    eventually(lambda: daemon.journal().count(line) >= times, f'"{line}" in the journal, {times} times', pause=0.2)


def taps(*codes: int) -> list[tuple[int, int]]:
    return [(code, value) for code in codes for value in (DOWN, UP)]


def test_keys_arrive_in_order_and_the_console_sees_none(
    keyboard: Device, target: HostKeyboard, console: HostInput
) -> None:
    keyboard.tap(*PLAIN)
    target.wait_for(*taps(*PLAIN))
    keyboard.press(SHIFT, KEY_A)
    keyboard.release(KEY_A, SHIFT)
    target.wait_for(*taps(*PLAIN), (SHIFT, DOWN), (KEY_A, DOWN), (KEY_A, UP), (SHIFT, UP))
    assert console.events() == []


def test_a_flood_arrives_complete(keyboard: Device, target: HostKeyboard) -> None:
    codes = random.choices(PLAIN, k=200)
    for count in range(BURST, len(codes) + 1, BURST):
        keyboard.tap(*codes[count - BURST : count])
        target.wait_for(*taps(*codes[:count]))


def test_a_media_key_arrives(keyboard: Device, host_input: Callable[..., HostInput], kvm: Daemon) -> None:
    assert "consumer_control" in hid(kvm)["capabilities"]
    host = host_input(TARGET, has_mute_alone)
    keyboard.tap(KEY_MUTE)
    eventually(lambda: host.presses() == taps(KEY_MUTE), "Mute at the target")


def has_mute_alone(entry: Path) -> bool:
    words = (entry / "device/capabilities/key").read_text().split()
    return bool(int("".join(word.zfill(16) for word in words), 16) >> KEY_MUTE & 1) and not is_keyboard(entry)


def test_autorepeat_is_not_passed_on(keyboard: Device, target: HostKeyboard) -> None:
    keyboard.press(KEY_A)
    for _ in range(3):
        keyboard.send((EV_KEY, KEY_A, AUTOREPEAT))
    keyboard.release(KEY_A)
    keyboard.tap(KEY_B)
    target.wait_for(*taps(KEY_A, KEY_B))


def test_the_chord_lets_go_and_takes_back(
    kvm: Daemon, keyboard: Device, target: HostKeyboard, console: HostInput, plug: Callable[[str], Device]
) -> None:
    mouse = plug("mouse")
    works_on(kvm, mouse, "target")
    mouse.press(BTN_LEFT)
    keyboard.strike_chord()
    works_on(kvm, keyboard, "local console")
    works_on(kvm, mouse, "local console")
    chord = [(CTRL_LEFT, DOWN), (CTRL_RIGHT, DOWN), (CTRL_LEFT, UP), (CTRL_RIGHT, UP)] * 2
    target.wait_for(*chord)
    assert console.events() == []

    keyboard.tap(KEY_A)
    console.wait_for(*taps(KEY_A))
    keyboard.strike_chord()
    works_on(kvm, keyboard, "target", times=2)
    console.wait_for(*taps(KEY_A), *chord)
    assert not console.held()

    keyboard.tap(KEY_B)
    target.wait_for(*chord, *taps(KEY_B))
    assert console.presses() == [*taps(KEY_A), *chord]


def test_letting_go_releases_what_another_device_holds(
    kvm: Daemon, keyboard: Device, target: HostKeyboard, plug: Callable[[str], Device]
) -> None:
    other = plug("keyboard")
    works_on(kvm, other, "target")
    other.press(KEY_A)
    target.wait_for((KEY_A, DOWN))
    keyboard.strike_chord()
    works_on(kvm, keyboard, "local console")
    eventually(lambda: not target.held(), "nothing to be held")
    keyboard.strike_chord()
    works_on(kvm, keyboard, "target", times=2)
    # A key is down of which the console has seen the press.
    other.release(KEY_A)
    works_on(kvm, other, "target", times=2)


def test_unplugging_releases_what_is_held(kvm: Daemon, keyboard: Device, target: HostKeyboard) -> None:
    keyboard.press(SHIFT, KEY_A)
    target.wait_for((SHIFT, DOWN), (KEY_A, DOWN))
    keyboard.unplug()
    eventually(lambda: not target.held(), "all keys up")
    assert f"{keyboard} was unplugged" in kvm.journal()


def test_a_device_that_is_unplugged_before_it_is_grabbed_is_gone_and_no_failure(plug: Callable[[str], Device]) -> None:
    device = plug("keyboard")
    source = Source(kvmd.Device("input", Path(device.node).name, node=device.node))
    device.unplug()
    source.settle(wanted=True)
    assert not source.grabbed
    with pytest.raises(kvmd.DeviceLost):
        source.read()
    source.close()


def has_travelled(mouse: HostMouse, steps: int) -> bool:
    return mouse.travelled(REL_X) == steps


def test_a_mouse_moves_clicks_and_turns(
    kvm: Daemon, plug: Callable[[str], Device], host_mouse: Callable[..., HostMouse]
) -> None:
    mouse = plug("mouse")
    works_on(kvm, mouse, "target")
    host = host_mouse(TARGET, absolute=False)
    for count in range(BURST, 101, BURST):
        for _ in range(BURST):
            mouse.send((EV_REL, REL_X, 7), (EV_REL, REL_Y, -9))
        eventually(partial(has_travelled, host, 7 * count), f"{count} moves")
    buttons = range(BTN_LEFT, BTN_EXTRA + 1)
    mouse.tap(*buttons)
    mouse.send((EV_REL, REL_WHEEL, -2), (EV_REL, REL_HWHEEL, 3))
    eventually(lambda: host.travelled(REL_HWHEEL) == 3, "the wheels to turn")
    assert (host.travelled(REL_X), host.travelled(REL_Y), host.travelled(REL_WHEEL)) == (700, -900, -2)
    assert host.presses() == taps(*buttons)
    last_move = max(at for at, event in enumerate(host.events()) if event.type == EV_REL and event.code == REL_X)
    assert host.events().index(Input(EV_KEY, BTN_LEFT, DOWN)) > last_move


def test_events_that_the_kernel_dropped_leave_the_keys_as_they_are(
    kvm: Daemon, keyboard: Device, target: HostKeyboard
) -> None:
    keyboard.press(KEY_A)
    target.wait_for((KEY_A, DOWN))
    run("systemctl", "kill", "--signal=STOP", UNIT)
    try:
        keyboard.release(KEY_A)
        keyboard.tap(*(KEY_A, KEY_B) * 50)
        keyboard.press(SHIFT, KEY_B)
    finally:
        run("systemctl", "kill", "--signal=CONT", UNIT)
    eventually(lambda: target.held() == {SHIFT, KEY_B}, "Shift and B, which are down, and no A")
    assert "moves were lost" in kvm.journal()
    keyboard.release(KEY_B, SHIFT)
    eventually(lambda: not target.held(), "all keys up")


def test_what_an_absent_target_does_not_take_is_not_held_and_told_once(
    kvm: Daemon, controller: DummyHcd, keyboard: Device, target: HostKeyboard, host_keyboard: Host
) -> None:
    keyboard.press(SHIFT)
    target.wait_for((SHIFT, DOWN))
    controller.unplug()
    try:
        eventually(lambda: hid(kvm)["state"] == "no signal", "the loss")
        keyboard.press(KEY_A)
        keyboard.tap(*PLAIN)
        keyboard.release(SHIFT)
        told = f"{keyboard}: keyboard and mouse: no signal:"
        eventually(lambda: told in kvm.journal(), "the refusal in the journal")
    finally:
        controller.plug()
    wait_until_online(kvm)
    again = host_keyboard(TARGET, grab=True)
    assert not again.held()
    keyboard.release(KEY_A)
    keyboard.tap(KEY_B)
    again.wait_for(*taps(KEY_B))
    assert kvm.journal().count(told) == 1


def test_a_killed_daemon_gives_the_keyboard_back_and_then_waits_for_a_held_key(
    kvm: Daemon, keyboard: Device, console: HostInput, host_keyboard: Host
) -> None:
    keyboard.press(KEY_A)
    kvm.kill()
    kvm.wait()
    wait_until_online(kvm)
    target = host_keyboard(TARGET, grab=True)
    eventually(lambda: not target.held(), "all keys up")
    keyboard.tap(KEY_B)
    console.wait_for(*taps(KEY_B))
    keyboard.release(KEY_A)
    works_on(kvm, keyboard, "target", times=2)
    keyboard.tap(KEY_B)
    target.wait_for(*taps(KEY_B))


def test_a_key_that_is_held_stays_held(running: Daemon, plug: Callable[[str], Device], host_keyboard: Host) -> None:
    """This and what follows start the daemon anew, with settings of their own."""
    running.start(f"[hid]\nhold_timeout = 3\n{CONFIG}")
    wait_until_online(running)
    keyboard = plug("keyboard")
    works_on(running, keyboard, "target")
    target = host_keyboard(TARGET, grab=True)
    keyboard.press(KEY_A)
    target.wait_for((KEY_A, DOWN))
    time.sleep(7)  # more than twice the time after which a silent client is let go
    assert target.presses() == [(KEY_A, DOWN)]
    keyboard.release(KEY_A)
    target.wait_for(*taps(KEY_A))


def test_a_stopped_daemon_leaves_nothing_down_and_nothing_grabbed(
    running: Daemon, plug: Callable[[str], Device], host_keyboard: Host, host_input: Callable[..., HostInput]
) -> None:
    running.start(CONFIG)
    wait_until_online(running)
    keyboard = plug("keyboard")
    works_on(running, keyboard, "target")
    target = host_keyboard(TARGET, grab=True)
    keyboard.press(KEY_A)
    target.wait_for((KEY_A, DOWN))
    running.stop()
    target.wait_for(*taps(KEY_A))
    console = host_input(keyboard.name, is_keyboard)
    keyboard.release(KEY_A)
    keyboard.tap(KEY_B)
    eventually(lambda: console.presses()[-2:] == taps(KEY_B), "B at the console")


def test_it_never_grabs_what_kvmd_itself_types_with(running: Daemon, host_keyboard: Host) -> None:
    with kvmd_in_group("kvmd-uinput"):
        running.start('[hid]\ndriver = "uinput"\n[plugins.local_input]\nenabled = true\n')
    wait_until_online(running)
    # The keyboard of the guest's own is grabbed, so it has looked at all there are.
    eventually(lambda: "works on the target" in running.journal().rpartition("hid: online")[2], "a grabbed keyboard")
    host = host_keyboard("kvmd keyboard")
    assert running.request("POST", "/keyboard", {"keycodes": ["KeyA"]}).code == 200
    host.wait_for(*taps(KEY_A))
    assert "kvmd keyboard" not in running.journal()


def test_settings_that_cannot_be_used_keep_the_daemon_from_starting(running: Daemon) -> None:
    Path("/etc/kvmd/kvmd.toml").write_text('[plugins.local_input]\nchord = ["Any"]\n')
    run("systemctl", "restart", "--no-block", UNIT)
    line = 'kvmd: /etc/kvmd/kvmd.toml: plugins.local_input: chord: "Any" is not a key'
    eventually(lambda: line in running.journal(), "the mistake in the journal", pause=0.5)
