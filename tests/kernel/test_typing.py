"""From HTTP to the computer: what /keyboard is asked for arrives as key events at the host of a real USB gadget."""

import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd.input.keymap import find_keys
from kvmd.input.layout import CONTROLS, load
from tests import xkb

from .daemon import Daemon
from .dummy_hcd import DummyHcd
from .host_input import HostKeyboard
from .typist import NAME, hid, presses, tap, wait_until_online
from .waiting import eventually

DOCUMENT = Path(__file__).parents[1] / "data" / "blikvm-api-v1.4.0.txt"
NAMES = re.findall(r'"(\w+)"=> \d+', DOCUMENT.read_text())
GADGET = Path("/sys/kernel/config/usb_gadget/kvmd")
SYSRQ = Path("/proc/sys/kernel/sysrq")

Host = Callable[..., HostKeyboard]


@pytest.fixture
def kernel_log() -> Iterator[Callable[[], str]]:
    """A function that returns what the kernel has logged since the test began; Magic SysRq may do all meanwhile."""
    before = SYSRQ.read_text()
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    lines: list[str] = []

    def read() -> str:
        try:
            while True:
                lines.append(os.read(log, 8192).decode())  # a record each time
        except BlockingIOError:
            return "".join(lines)

    SYSRQ.write_text("1")
    yield read
    SYSRQ.write_text(before)
    os.close(log)


def test_each_name_of_the_document_arrives_as_one_press_and_one_release(typist: Daemon, host_keyboard: Host) -> None:
    assert len(NAMES) == 95
    host = host_keyboard(NAME, grab=True)
    for name in NAMES:
        host.clear()
        tap(typist, name)
        host.wait_for(*presses(name))


def test_a_chord_is_pressed_together_and_released(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    tap(typist, "ControlLeft", "AltLeft", "Delete")
    eventually(lambda: len(host.presses()) == 6, "six key events")
    chord = {find_keys(name)[0].evdev for name in ("ControlLeft", "AltLeft", "Delete")}
    assert {code for code, value in host.presses()[:3] if value == 1} == chord
    assert {code for code, value in host.presses()[3:] if value == 0} == chord


@pytest.mark.parametrize(("key", "answer"), [("KeyH", "sysrq: HELP"), ("KeyS", "sysrq: Emergency Sync")])
def test_linux_takes_magic_sysrq_in_one_report(
    typist: Daemon, host_keyboard: Host, kernel_log: Callable[[], str], key: str, answer: str
) -> None:
    host = host_keyboard(NAME)  # a grab would keep it from the kernel
    tap(typist, "AltLeft", "PrintScreen", key)
    eventually(lambda: answer in kernel_log(), f'"{answer}" in the kernel\'s log')
    eventually(lambda: not host.held(), "all keys up")


def test_a_thousand_random_keys_arrive_complete_and_in_order(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    seed = random.randrange(1 << 32)
    names = random.Random(seed).choices(NAMES, k=1000)
    for name in names:
        tap(typist, name)
    wanted = presses(*names)
    eventually(lambda: len(host.presses()) >= len(wanted), f"{len(wanted)} events, seed {seed}")
    assert host.presses() == wanted, f"seed {seed}"
    assert not host.held()


def test_a_text_arrives_as_itself(typist: Daemon, host_keyboard: Host) -> None:
    """Some with Shift, AltGr and dead keys; test_text.py has the others, and those of other layouts."""
    host = host_keyboard(NAME, grab=True)
    chords = load("de").chords
    text = "".join([each for each in chords if each not in CONTROLS][::4])
    answer = typist.request("POST", "/api/text", {"text": text, "layout": "de", "delay": 0})
    assert answer.code == 200, answer
    host.wait_for_strokes(sum(len(chords[each]) for each in text))
    desktop = xkb.Keyboard("de")
    assert desktop.text(host.presses()) == text
    desktop.close()


def test_the_hosts_lamps_are_in_the_status(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    assert hid(typist)["leds"] == {"num": False, "caps": False, "scroll": False}
    host.set_led(host.codes.LED_CAPSL, True)
    eventually(lambda: hid(typist)["leds"]["caps"], "Caps Lock in the status")
    host.set_led(host.codes.LED_CAPSL, False)
    eventually(lambda: not hid(typist)["leds"]["caps"], "Caps Lock out in the status")


def test_a_key_that_is_held_stays_down_until_it_is_released(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    assert typist.request("POST", "/api/keyboard", {"press": ["ShiftLeft", "KeyA"]}).code == 200
    eventually(lambda: host.held() == {42, 30}, "Shift and A down")
    assert typist.request("POST", "/api/keyboard", {"release": ["KeyA"]}).code == 200
    eventually(lambda: host.held() == {42}, "A up")
    assert typist.request("POST", "/api/keyboard", {"release_all": True}).code == 200
    eventually(lambda: not host.held(), "Shift up")


def test_logging_out_releases_what_was_held(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    key = typist.token
    typist.login()
    try:
        assert typist.request("POST", "/api/keyboard", {"press": ["KeyA"]}).code == 200
        eventually(lambda: host.held() == {30}, "A down")
        assert typist.request("POST", "/api/logout").code == 200
        eventually(lambda: not host.held(), "all up after log-out")
    finally:
        typist.token = key


@pytest.mark.parametrize("loss", ["gadget", "controller"])
def test_a_controller_that_goes_and_comes_back(
    typist: Daemon, controller: DummyHcd, host_keyboard: Host, loss: str
) -> None:
    host = host_keyboard(NAME, grab=True)
    assert typist.request("POST", "/api/keyboard", {"press": ["KeyA"]}).code == 200
    eventually(lambda: host.held() == {30}, "A down")
    udc = controller.udc
    if loss == "gadget":
        (GADGET / "UDC").write_text("\n")
    else:
        controller.remove()
    answer = eventually(lambda: _refusal(typist), "a refusal")
    assert answer["status"] == 0
    assert udc in answer["info"] or "gadget" in answer["info"] or "UDC" in answer["info"]

    if loss == "gadget":
        (GADGET / "UDC").write_text(udc)
    else:
        controller.restore()
    wait_until_online(typist)
    again = host_keyboard(NAME, grab=True)
    assert not again.held()
    tap(typist, "KeyB")
    again.wait_for((48, 1), (48, 0))
    assert not again.held()


def _refusal(daemon: Daemon) -> dict[str, Any] | None:
    answer = daemon.request("POST", "/keyboard", {"keycodes": ["KeyX"]})
    return answer.json if answer.code == 503 else None


def test_a_killed_daemon_leaves_no_key_down(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    assert typist.request("POST", "/api/keyboard", {"press": ["KeyA", "ControlLeft"]}).code == 200
    eventually(lambda: host.held() == {30, 29}, "Control and A down")
    typist.kill()
    typist.wait()
    eventually(lambda: not host.held(), "all keys up after the restart")


def test_a_stopped_daemon_leaves_no_key_down(typist: Daemon, host_keyboard: Host) -> None:
    host = host_keyboard(NAME, grab=True)
    assert typist.request("POST", "/api/keyboard", {"press": ["KeyA"]}).code == 200
    eventually(lambda: host.held() == {30}, "A down")
    typist.stop()
    eventually(lambda: not host.held(), "all keys up")
    typist.start()


def test_the_daemon_is_not_root(typist: Daemon) -> None:
    assert typist.active()
    uids = re.search(r"Uid:\s+(\d+)", Path(f"/proc/{typist.pid()}/status").read_text())
    assert uids
    assert int(uids[1]) != 0


def test_a_silent_client_holds_nothing_for_good(typist: Daemon, host_keyboard: Host) -> None:
    typist.start("[hid]\nhold_timeout = 1\n")
    wait_until_online(typist)
    host = host_keyboard(NAME, grab=True)
    assert typist.request("POST", "/api/keyboard", {"press": ["KeyA"]}).code == 200
    host.wait_for((30, 1), (30, 0))
