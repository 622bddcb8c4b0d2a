"""From HTTP to the lines of a front panel: the installed daemon, as its own user, with gpiod and simulated chips."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .daemon import API_PORT, HOST, Answer, Daemon
from .gpio_sim import DISK_LAMP, POWER_BUTTON, POWER_LAMP, RESET_BUTTON, GpioSim, SimulatedChip
from .waiting import eventually, run

PANEL = """
[power]
driver = "gpio"
options = { power_button = "POWER_SW", reset_button = "panel:3", power_lamp = "POWER_LED", disk_lamp = "HDD_LED" }
"""
LINES = {"power": POWER_BUTTON, "reset": RESET_BUTTON}
LONGEST = 20


class Press:
    """A request that presses a button, under way.

    :param wanted: its body, besides the action
    """

    def __init__(self, daemon: Daemon, **wanted: Any) -> None:
        self._answer: list[Answer] = []
        self._begin = time.monotonic()
        self.took = 0.0
        self._thread = threading.Thread(target=self._send, args=(daemon, {"action": "press", **wanted}), daemon=True)
        self._thread.start()

    def answer(self) -> Answer:
        """What the daemon said in the end."""
        eventually(lambda: not self._thread.is_alive(), "the answer to a press")
        [answer] = self._answer
        return answer

    def _send(self, daemon: Daemon, wanted: dict[str, Any]) -> None:
        try:
            answer = daemon.request("POST", "/api/power", wanted)
        except (OSError, http.client.HTTPException) as error:  # the daemon was killed
            answer = Answer(0, str(error).encode())
        self.took = time.monotonic() - self._begin
        self._answer.append(answer)


@pytest.fixture
def panel(gpio_sim: GpioSim, daemon: Daemon) -> Iterator[SimulatedChip]:
    """A front panel that the daemon is at work with."""
    daemon.run_with(PANEL)
    chip = gpio_sim.add()
    in_state(daemon, "online")
    yield chip
    for offset in LINES.values():
        chip.pull(offset, 0)


def power(daemon: Daemon) -> Any:
    """How power stands."""
    answer = daemon.request("GET", "/api/power")
    assert answer.code == 200, answer
    return answer.json["data"]


def in_state(daemon: Daemon, state: str) -> Any:
    """Wait until the driver is in this state; return how power stands."""
    return eventually(lambda: (now := power(daemon))["state"] == state and now, f"power to be {state}")


def target_is(daemon: Daemon, target: str) -> None:
    eventually(lambda: power(daemon)["target"] == target, f"the target to be {target}")


def act(daemon: Daemon, action: str) -> Answer:
    return daemon.request("POST", "/api/power", {"action": action})


def is_down(chip: SimulatedChip, button: str = "power") -> None:
    """Wait until a button is down."""
    eventually(lambda: chip.level(LINES[button]) == 1, f"the {button} button to be down", pause=0.01)


@pytest.mark.parametrize("button", LINES)
def test_press_is_seen_at_the_line_for_its_whole_length(panel: SimulatedChip, daemon: Daemon, button: str) -> None:
    press = Press(daemon, button=button, seconds=2)
    is_down(panel, button)
    answer = press.answer()
    assert (answer.code, answer.json["info"]) == (200, f"the {button} button was pressed for 2 s")
    assert press.took >= 2
    assert panel.level(LINES[button]) == 0


def test_status_tells_of_the_press_and_others_are_refused_meanwhile(panel: SimulatedChip, daemon: Daemon) -> None:
    press = Press(daemon, seconds=LONGEST)
    is_down(panel)
    status = power(daemon)
    assert status["press"]["button"] == "power"
    assert 0 <= status["press"]["seconds_left"] <= LONGEST
    refused = Press(daemon, button="reset", seconds=0.1).answer()
    assert refused.code == 409
    assert "the power button is pressed" in refused.json["info"]
    assert panel.level(RESET_BUTTON) == 0
    assert press.answer().code == 200
    assert power(daemon)["press"] is None


def test_it_works_as_the_daemons_own_user(panel: SimulatedChip, daemon: Daemon) -> None:
    assert Path(f"/proc/{daemon.pid()}").owner() == "kvmd"
    assert (panel.node.group(), panel.node.stat().st_mode & 0o777) == ("gpio", 0o660)
    status = power(daemon)
    assert (status["driver"], status["device"], status["remarks"]) == ("gpio", "GPIO lines of panel", [])
    assert status["capabilities"] == ["power_button", "reset_button", "power_lamp", "disk_lamp"]


def test_lamp_decides_what_is_done(panel: SimulatedChip, daemon: Daemon) -> None:
    target_is(daemon, "off")
    assert act(daemon, "off").json["info"] == "nothing was done: the target is off already"
    panel.pull(POWER_LAMP, 1)
    target_is(daemon, "on")
    assert act(daemon, "on").json["info"] == "nothing was done: the target is on already"
    assert act(daemon, "off").json["info"].startswith("the power button was pressed")


def test_power_lamp_that_blinks_means_sleeping(panel: SimulatedChip, daemon: Daemon) -> None:
    awake = threading.Event()

    def blink() -> None:
        while not awake.wait(0.7):
            panel.pull(POWER_LAMP, 1 - panel.level(POWER_LAMP))

    blinking = threading.Thread(target=blink)
    blinking.start()
    try:
        target_is(daemon, "sleeping")
    finally:
        awake.set()
        blinking.join()
    panel.pull(POWER_LAMP, 1)
    target_is(daemon, "on")


def test_disk_lamp_tells_of_activity(panel: SimulatedChip, daemon: Daemon) -> None:
    assert power(daemon)["disk_active"] is False
    panel.pull(DISK_LAMP, 1)
    eventually(lambda: power(daemon)["disk_active"], "disk activity")
    panel.pull(DISK_LAMP, 0)
    eventually(lambda: power(daemon)["disk_active"] is False, "the disk to be quiet")


def test_chip_that_is_pulled_is_lost_and_found_again(panel: SimulatedChip, daemon: Daemon) -> None:
    panel.unplug()
    assert f"its chip {'/dev/gpiochip'}" in in_state(daemon, "lost")["reason"]
    answer = act(daemon, "force_off")
    assert answer.code == 503, answer
    assert "does not answer any more" in answer.json["info"]
    panel.plug()
    in_state(daemon, "online")
    assert Press(daemon, seconds=0.1).answer().code == 200


def test_chip_that_is_pulled_in_mid_press_ends_it_and_the_button_is_up_when_it_is_back(
    panel: SimulatedChip, daemon: Daemon
) -> None:
    press = Press(daemon, seconds=LONGEST)
    is_down(panel)
    panel.unplug()
    answer = press.answer()
    assert answer.code == 503, answer
    panel.plug()
    in_state(daemon, "online")
    assert panel.level(POWER_BUTTON) == 0


def test_press_of_a_client_that_goes_away_ends_all_the_same(panel: SimulatedChip, daemon: Daemon) -> None:
    connection = http.client.HTTPConnection(HOST, API_PORT)
    body = json.dumps({"action": "press", "seconds": 3})
    headers = {"Authorization": f"Bearer {daemon.token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/power", body, headers)
    is_down(panel)
    connection.close()
    eventually(lambda: panel.level(POWER_BUTTON) == 0, "the button to be up")


def test_daemon_that_is_stopped_in_mid_press_releases_the_button(panel: SimulatedChip, daemon: Daemon) -> None:
    press = Press(daemon, seconds=LONGEST)
    is_down(panel)
    daemon.stop()
    assert panel.level(POWER_BUTTON) == 0
    press.answer()
    assert press.took < LONGEST
    assert run("systemctl", "show", "--property=Result", "--value", "kvmd.service").strip() == "success"
    assert "is released" not in daemon.journal(), "kvmd was started once more, for nothing"


def test_daemon_that_is_killed_in_mid_press_leaves_no_button_pressed(panel: SimulatedChip, daemon: Daemon) -> None:
    """The line keeps its level after the kill, as it does on many chips: systemd has it released, and starts anew."""
    press = Press(daemon, seconds=LONGEST)
    is_down(panel)
    panel.pull(POWER_BUTTON, 1)
    daemon.kill()
    assert press.answer().code == 0
    eventually(lambda: "every button of gpio is released" in daemon.journal(), "kvmd power release")
    eventually(lambda: panel.level(POWER_BUTTON) == 0, "the button to be up")
    daemon.wait()
    in_state(daemon, "online")
    assert panel.level(POWER_BUTTON) == 0


def test_chip_that_comes_later_is_found(gpio_sim: GpioSim, daemon: Daemon) -> None:
    daemon.start(PANEL)
    status = in_state(daemon, "absent")
    assert 'power_button: there is no "POWER_SW"' in status["reason"]
    refused = act(daemon, "force_off")
    assert refused.code == 409, refused
    assert "POWER_SW" in refused.json["info"]
    gpio_sim.add()
    in_state(daemon, "online")
