"""The installed daemon with a relay board: found by udev, pressed over HTTP, pulled and killed in mid-press."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .daemon import Answer, Daemon
from .relay_board import RelayBoard
from .waiting import eventually

# auto would have ch9329 look for its chip behind the relay board's CH340
HID = 'hid = { driver = "uinput" }\n'
USB = HID + "power = { options = { power_channel = 1, reset_channel = 2 } }\n"
NODE = "/dev/ttyUSB0"
SERIAL = HID + (
    f'power = {{ driver = "serial_relay", options = {{ device = "{NODE}", power_channel = 1, reset_channel = 2 }} }}\n'
)
LONG = 20
"""Seconds of a press that is not meant to end by itself; the most that can be asked for."""


def use(daemon: Daemon, config: str) -> None:
    """Have the daemon run with these settings, and without a board."""
    daemon.run_with(config)
    eventually(lambda: power(daemon)["state"] != "online", "the board of the test before to be gone")


def power(daemon: Daemon) -> dict[str, Any]:
    """How power stands, as the status tells it."""
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["power"]
    return status


def press(daemon: Daemon, button: str, seconds: float) -> Answer:
    """Press a button."""
    return daemon.request("POST", "/api/power", {"action": "press", "button": button, "seconds": seconds})


def wait_until(daemon: Daemon, state: str) -> dict[str, Any]:
    """Wait until power is in this state; return the status."""
    return eventually(lambda: (now := power(daemon))["state"] == state and now, f"power to be {state}")


def presses(daemon: Daemon, board: RelayBoard, port: int = 1) -> None:
    """Press both buttons, and see the relays move."""
    before = len(board.moves(port))
    for button in ("power", "reset"):
        answer = press(daemon, button, 0.5)
        assert answer.code == 200, answer
    board.wait_for(port=port)
    assert board.moves(port)[before:] == [(1, True), (1, False), (2, True), (2, False)]


def test_hid_board_that_is_plugged_in_starts_the_daemon_which_presses_as_its_own_user(
    hid_board: RelayBoard, daemon: Daemon
) -> None:
    daemon.start(USB)
    wait_until(daemon, "absent")
    daemon.stop()
    node = hid_board.plug()
    eventually(daemon.active, "udev to have started kvmd")
    daemon.wait()
    status = wait_until(daemon, "online")
    assert (status["driver"], status["device"]) == ("hid_relay", f"USBRelay2 QWERT ({node})")
    assert Path(f"/proc/{daemon.pid()}").owner() == "kvmd"
    presses(daemon, hid_board)


def test_hid_board_that_is_pulled_in_mid_press_is_told_and_found_in_the_other_port(
    hid_board: RelayBoard, daemon: Daemon
) -> None:
    use(daemon, USB)
    hid_board.plug()
    wait_until(daemon, "online")
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(press, daemon, "power", LONG)
        hid_board.wait_for(1)
        hid_board.unplug()
        answer = pressing.result()
    assert answer.code == 503, answer
    assert "is gone" in answer.json["info"]
    assert "is gone" in wait_until(daemon, "lost")["reason"]
    hid_board.plug(port=2)
    wait_until(daemon, "online")
    presses(daemon, hid_board, port=2)


def test_nothing_is_pressed_that_was_not_named(hid_board: RelayBoard, serial_board: RelayBoard, daemon: Daemon) -> None:
    use(daemon, HID)
    hid_board.plug()
    serial_board.plug(port=2)
    way_out = "set power.options.power_channel or reset_channel"
    eventually(lambda: way_out in power(daemon)["reason"], "the board that is wired to nothing to be told")
    assert press(daemon, "power", 1).code == 409
    hid_board.unplug()
    eventually(lambda: power(daemon)["reason"] == "no power device is plugged in", "its end to be told")
    assert press(daemon, "power", 1).code == 409
    state = serial_board.state(port=2)
    assert (state["log"], state["misunderstood"]) == ([], "")


def test_serial_board_is_pressed_by_its_name(serial_board: RelayBoard, daemon: Daemon) -> None:
    use(daemon, SERIAL)
    serial_board.plug()
    assert wait_until(daemon, "online")["driver"] == "serial_relay"
    presses(daemon, serial_board)
    assert serial_board.state()["misunderstood"] == "", "nobody else writes to it"


def test_button_of_a_serial_board_comes_up_when_the_daemon_ends(serial_board: RelayBoard, daemon: Daemon) -> None:
    use(daemon, SERIAL)
    serial_board.plug()
    wait_until(daemon, "online")
    with ThreadPoolExecutor() as pool:
        pool.submit(press, daemon, "power", LONG)
        serial_board.wait_for(1)
        daemon.stop()
        serial_board.wait_for()


def test_button_of_a_serial_board_comes_up_after_the_daemon_was_killed(
    serial_board: RelayBoard, daemon: Daemon
) -> None:
    use(daemon, SERIAL)
    serial_board.plug()
    wait_until(daemon, "online")
    with ThreadPoolExecutor() as pool:
        pool.submit(press, daemon, "reset", LONG)
        serial_board.wait_for(2)
        daemon.kill()
        serial_board.wait_for()
    assert serial_board.moves() == [(2, True), (2, False)]


def test_button_of_a_hid_board_comes_up_after_the_daemon_was_killed(hid_board: RelayBoard, daemon: Daemon) -> None:
    use(daemon, USB)
    hid_board.plug()
    wait_until(daemon, "online")
    with ThreadPoolExecutor() as pool:
        pool.submit(press, daemon, "power", LONG)
        hid_board.wait_for(1)
        daemon.kill()
        hid_board.wait_for()
    assert hid_board.moves() == [(1, True), (1, False)]
