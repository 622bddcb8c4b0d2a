"""Plugging in is all that it takes: whatever comes first, late, goes, or comes back elsewhere, ends in its role."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .camera import Camera
from .chip import Chip
from .daemon import CONFIG, UNIT, Daemon
from .dummy_hcd import DummyHcd
from .gpio_sim import GpioSim
from .typist import tap
from .vivid import Vivid
from .waiting import eventually, run

PANEL = '[power]\ndriver = "gpio"\noptions = { power_button = "POWER_SW", power_lamp = "POWER_LED" }\n'
RATE = 2
"""Pictures a second of the camera, whose sending costs more than anything that is looked at here."""


@pytest.fixture
def stopped(daemon: Daemon) -> None:
    """The daemon, enabled and not running, as after a boot."""
    daemon.stop()
    CONFIG.write_text(PANEL)


@pytest.fixture
def controller(stopped: None) -> Iterator[DummyHcd]:  # noqa: ARG001  # so that it is the controller that starts the daemon
    """A USB device controller that comes after that."""
    controller = DummyHcd()
    controller.load()
    yield controller
    controller.unload()
    run("kvmd", "gadget", "down")


def roles(daemon: Daemon) -> dict[str, tuple[str, str | None]]:
    """Who fills which role, and how it stands."""
    status = daemon.request("GET", "/api/status").json["data"]
    return {role: (status[role]["state"], status[role]["driver"]) for role in ("capture", "hid", "power")}


def filled(daemon: Daemon, **drivers: str) -> None:
    """Wait until these drivers work."""
    wanted = {role: ("online", driver) for role, driver in drivers.items()}
    eventually(lambda: wanted.items() <= roles(daemon).items(), f"{wanted}")


def started(daemon: Daemon) -> None:
    """Wait until udev and systemd have started the daemon, and it answers."""
    eventually(daemon.active, "the daemon")
    daemon.wait()


def users_of(*nodes: Path) -> list[str]:
    """Name the programs that have one of these nodes open."""
    found = []
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended
            if descriptor.readlink() in nodes:
                found.append((descriptor.parents[1] / "comm").read_text().strip())
    return found


@pytest.mark.usefixtures("stopped")
def test_a_machine_with_nothing_plugged_in_runs_no_daemon_and_the_first_device_starts_it(
    gpio_sim: GpioSim, chip: Chip, camera: Camera, daemon: Daemon
) -> None:
    assert UNIT not in run("systemctl", "list-dependencies", "--plain", "default.target"), "a boot would start it"
    gpio_sim.add()
    assert UNIT not in run("systemctl", "list-jobs"), "every board has such a chip"
    assert not daemon.active()
    port = chip.plug(port=1)
    started(daemon)
    filled(daemon, hid="ch9329", power="gpio")
    assert roles(daemon)["capture"] == ("absent", None)
    tap(daemon, "KeyA")
    node = camera.plug(port=2, rate=RATE)
    filled(daemon, capture="v4l2", hid="ch9329", power="gpio")
    said = daemon.journal()
    assert f"({node}) (driver v4l2)\n" in said
    assert f"({port}) at 9600 baud (driver ch9329)\n" in said
    assert "power: online: GPIO lines of panel (driver gpio)\n" in said


def test_devices_that_go_and_come_back_in_each_others_ports_are_in_their_roles_again(
    gpio_sim: GpioSim, chip: Chip, camera: Camera, daemon: Daemon
) -> None:
    daemon.run_with(PANEL)
    panel = gpio_sim.add()
    camera.plug(port=2, rate=RATE)
    chip.plug(port=1)
    filled(daemon, capture="v4l2", hid="ch9329", power="gpio")
    panel.unplug()
    chip.unplug(1)
    camera.unplug(2)
    eventually(lambda: {state for state, _ in roles(daemon).values()} == {"lost"}, "all to be missed")
    camera.plug(port=1, rate=RATE)
    panel.plug()
    chip.plug(port=2)
    filled(daemon, capture="v4l2", hid="ch9329", power="gpio")
    before = chip.arrived(2)
    tap(daemon, "KeyA")
    assert len(chip.arrived(2)) > len(before)
    assert all(f"{role}: lost: " in daemon.journal() for role in roles(daemon))


def test_one_device_takes_over_from_another_and_a_stop_lets_go_of_all(
    controller: DummyHcd, chip: Chip, vivid: Vivid, daemon: Daemon
) -> None:
    started(daemon)
    filled(daemon, hid="usb_gadget")
    node = vivid.load()
    port = chip.plug()
    filled(daemon, capture="v4l2", hid="usb_gadget")
    assert users_of(port) == []
    controller.remove()
    filled(daemon, capture="v4l2", hid="ch9329")
    assert set(users_of(node, port)) == {"kvmd"}
    daemon.stop()
    assert users_of(node, port) == []
