"""From HTTP through a real serial port to a CH9329: found, tuned, pulled and plugged in as a cable of that kind is."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmd.input.keymap import find_keys

from .chip import Chip
from .daemon import Daemon
from .typist import hid, tap, wait_until_online
from .waiting import eventually, run

KEYBOARD, MEDIA, ABSOLUTE, RELATIVE = 2, 3, 4, 5
"""Commands of the chip."""
NOTHING = (KEYBOARD, "00" * 8)

BY_ID = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"
STATE = Path("/var/lib/kvmd")

AUTO = ""
FAST = 'hid = { driver = "ch9329", options = { set_baud = 115200 } }\n'


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """What speed a chip had in the test before is not known."""
    yield
    for file in STATE.glob("ch9329-*"):
        file.unlink()


@pytest.fixture
def running(daemon: Daemon) -> Daemon:
    """The daemon with its default settings and nothing plugged in."""
    daemon.run_with(AUTO)
    eventually(lambda: hid(daemon)["state"] != "online", "the chip of the test before to be gone")
    return daemon


@pytest.fixture
def typist(chip: Chip, running: Daemon) -> Daemon:
    """The daemon, ready to type on a chip as it comes from the factory, in port 1."""
    chip.plug()
    wait_until_online(running)
    return running


def arrived(chip: Chip, port: int = 1) -> list[tuple[int, str]]:
    """What arrived at the target, but for the empty reports with which the daemon begins."""
    return list(itertools.dropwhile(lambda report: report == NOTHING, chip.arrived(port)))


def usage(name: str) -> str:
    """The usage of a key, in two hexadecimal digits."""
    return f"{find_keys(name)[0].usage:02x}"


def pressed(name: str) -> tuple[int, str]:
    return KEYBOARD, f"0000{usage(name)}0000000000"


def taps(*names: str) -> list[tuple[int, str]]:
    """What arrives when these keys are tapped one after the other."""
    return [report for name in names for report in (pressed(name), NOTHING)]


def types(daemon: Daemon, chip: Chip, port: int = 1) -> None:
    """Tap a key, and see it arrive."""
    before = len(arrived(chip, port))
    tap(daemon, "KeyA")
    assert arrived(chip, port)[before:] == taps("KeyA")


def in_state(daemon: Daemon, state: str) -> dict[str, Any]:
    """Wait until HID is in this state; return the status."""
    return eventually(lambda: (now := hid(daemon))["state"] == state and now, f"HID to be {state}")


def test_chip_that_is_plugged_in_later_is_found_and_types(chip: Chip, daemon: Daemon) -> None:
    daemon.start(AUTO)
    assert in_state(daemon, "absent")["reason"].startswith("no hid device is plugged in")
    chip.plug()
    wait_until_online(daemon)
    tap(daemon, "KeyH")
    tap(daemon, "KeyI")
    tap(daemon, "ControlLeft", "AltLeft", "Delete")
    reports = arrived(chip)
    assert reports[:4] == taps("KeyH", "KeyI")
    assert (KEYBOARD, f"0500{usage('Delete')}0000000000") in reports
    assert reports[-1] == NOTHING
    assert chip.state()["holds_nothing"]


def test_node_is_found_by_what_udev_says_of_it_and_opened_by_the_daemons_own_user(chip: Chip, typist: Daemon) -> None:
    found = json.loads(run("kvmd", "devices", "--json"))
    [port] = [each for each in found["devices"] if each["usb_id"] == "1a86:7523"]
    assert port["node"] == str(chip.node())
    assert port["drivers"] == ["ch9329"]
    assert found["roles"]["hid"]["driver"] == "ch9329"
    assert Path(f"/proc/{typist.pid()}").owner() == "kvmd"


def test_chip_is_found_by_its_link(chip: Chip, daemon: Daemon) -> None:
    daemon.start(f'hid = {{ driver = "ch9329", options = {{ device = "{BY_ID}" }} }}\n')
    assert in_state(daemon, "absent")["reason"]
    chip.plug(2)
    wait_until_online(daemon)
    types(daemon, chip, port=2)


def test_pulled_out_it_is_told_and_found_again_in_the_other_port(chip: Chip, typist: Daemon) -> None:
    types(typist, chip)
    chip.unplug(1)
    reason = in_state(typist, "lost")["reason"]
    assert "/dev/ttyUSB0 is gone" in reason
    answer = typist.request("POST", "/keyboard", {"keycodes": ["KeyA"]})
    assert answer.code == 503
    assert "is gone" in answer.json["info"]
    chip.plug(2)
    wait_until_online(typist)
    types(typist, chip, port=2)


@pytest.mark.parametrize("baud", [9600, 115200, 1200])
def test_speed_is_found_and_remembered(chip: Chip, running: Daemon, baud: int) -> None:
    chip.plug(baud=baud)
    wait_until_online(running)
    assert f"at {baud} baud" in hid(running)["device"]
    assert chip.state()["baud"] == pytest.approx(baud, rel=0.003)
    types(running, chip)
    [file] = STATE.glob("ch9329-*")
    assert file.read_text() == str(baud)


def test_speed_is_set_once_and_stays(chip: Chip, daemon: Daemon) -> None:
    chip.plug()
    daemon.start(FAST)
    wait_until_online(daemon)
    assert "at 115200 baud" in hid(daemon)["device"]
    assert chip.state()["chip_baud"] == 115200
    types(daemon, chip)
    daemon.start()
    wait_until_online(daemon)
    assert hid(daemon)["remarks"] == []
    types(daemon, chip)


def test_speed_that_the_line_does_not_carry_is_given_up(chip: Chip, daemon: Daemon) -> None:
    chip.plug(clear_up_to=57600)
    daemon.start(FAST)
    wait_until_online(daemon)
    status = hid(daemon)
    assert "at 9600 baud" in status["device"]
    assert status["remarks"][0].startswith("the CH9329 could not be set to 115200 baud")
    assert chip.state()["chip_baud"] == 9600
    types(daemon, chip)


def test_adapter_without_a_chip_is_not_taken_for_one(chip: Chip, running: Daemon) -> None:
    node = chip.plug_loop()
    reason = in_state(running, "retrying")["reason"]
    assert f"no CH9329 answers on {node}" in reason
    assert running.request("POST", "/keyboard", {"keycodes": ["KeyA"]}).code == 503


def test_lines_that_reset_a_chip_on_some_boards_stay_low(chip: Chip, typist: Daemon) -> None:
    types(typist, chip)
    state = chip.state()
    assert (state["dtr"], state["rts"]) == (False, False)


def test_mouse_and_media_keys_arrive(chip: Chip, running: Daemon) -> None:
    chip.plug(baud=115200)
    wait_until_online(running)
    for event in ({"x": 1.0, "y": 0.0}, {"dx": -5, "dy": 7}, {"x": 0.0, "y": 1.0, "click": "left"}, {"wheel": 1}):
        answer = running.request("POST", "/mouse", event)
        assert answer.code == 200, answer
    tap(running, "AudioVolumeMute")
    reports = arrived(chip)
    assert reports[0] == (ABSOLUTE, "0200ff0f000000")
    assert reports[1] == (RELATIVE, "0100fb0700")
    assert (ABSOLUTE, "02010000ff0f00") in reports
    assert (MEDIA, "02040000") in reports
    assert reports[-1] == (MEDIA, "02000000")
    assert chip.state()["holds_nothing"]


def test_what_it_cannot_do_is_said(chip: Chip, running: Daemon) -> None:
    chip.plug(baud=115200)
    wait_until_online(running)
    before = chip.arrived()
    answer = running.request("POST", "/mouse", {"hwheel": 1})
    assert answer.code == 409
    assert "horizontal" in answer.json["info"]
    assert chip.arrived() == before


def test_lamps_of_the_target_are_in_the_status(chip: Chip, typist: Daemon) -> None:
    assert hid(typist)["leds"] == {"num": False, "caps": False, "scroll": False}
    chip.act("leds 2")
    eventually(lambda: hid(typist)["leds"]["caps"], "Caps Lock in the status")
    tap(typist, "CapsLock")
    eventually(lambda: not hid(typist)["leds"]["caps"], "Caps Lock out of the status")


def test_target_that_is_off_is_told_and_used_again(chip: Chip, typist: Daemon) -> None:
    chip.act("unplug")
    assert "USB not enumerated" in in_state(typist, "no signal")["reason"]
    answer = typist.request("POST", "/keyboard", {"keycodes": ["KeyA"]})
    assert answer.code == 503
    assert "USB not enumerated" in answer.json["info"]
    chip.act("plug")
    wait_until_online(typist)
    types(typist, chip)


def test_keys_that_are_held_come_up_when_the_daemon_ends(chip: Chip, typist: Daemon) -> None:
    assert typist.request("POST", "/api/keyboard", {"press": ["ShiftLeft", "KeyA"]}).code == 200
    assert not chip.state()["holds_nothing"]
    typist.stop()
    assert chip.state()["holds_nothing"]


def test_killed_daemon_leaves_no_key_down_after_its_restart(chip: Chip, typist: Daemon) -> None:
    assert typist.request("POST", "/api/keyboard", {"press": ["KeyA"]}).code == 200
    assert not chip.state()["holds_nothing"]
    typist.kill()
    typist.start()
    wait_until_online(typist)
    eventually(lambda: chip.state()["holds_nothing"], "the key to be up")


def test_random_keys_through_a_bad_line_arrive_complete_and_in_order(chip: Chip, running: Daemon) -> None:
    chip.plug(baud=115200)
    wait_until_online(running)
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    names = dice.choices(["KeyA", "KeyB", "Digit1", "Enter", "Space", "F5"], k=60)
    for name in names:
        if dice.random() < 0.3:
            chip.act(dice.choice(["sum", "noise-before", "e4", "e1"]))
        tap(running, name)
    # a report whose acknowledgement could not be read is sent again, which for keys means nothing
    once = [report for report, _ in itertools.groupby(arrived(chip))]
    assert once == taps(*names), f"seed {seed}"


def test_commands_find_the_port_by_themselves(chip: Chip, running: Daemon) -> None:
    running.stop()
    run("systemctl", "mask", "--runtime", "kvmd.service")
    try:
        chip.plug()
        info = json.loads(run("kvmd", "ch9329", "info", "--json"))
        assert info["baud"] == 9600
        run("kvmd", "ch9329", "config", "--set-baud", "115200")
        assert chip.state()["chip_baud"] == 115200
        assert json.loads(run("kvmd", "ch9329", "info", "--json"))["baud"] == 115200
    finally:
        run("systemctl", "unmask", "--runtime", "kvmd.service")


def test_commands_say_who_has_the_port(chip: Chip, typist: Daemon) -> None:
    with pytest.raises(RuntimeError, match="in use by another program, such as the kvmd daemon"):
        run("kvmd", "ch9329", "info")
    types(typist, chip)
