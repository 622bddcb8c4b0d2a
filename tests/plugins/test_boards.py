"""The bundled boards: each loads and fits its drivers, and each is known among all others by what its machine shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kvmd.contract.board import Facts, choose_board, read_facts
from kvmd.contract.device import Device
from kvmd.contract.roles import CAPTURE, HID, ROLES, Role
from kvmd.contract.settings import Settings
from kvmd.kvm import Kvm
from kvmd.plugins.registry import Registry
from kvmd.system.config import convert
from kvmd_plugins.boards import kvmd_boards

ROOT = Path(__file__).parents[2]
MACHINES = ROOT / "tests/data/boards"
BOARDS = {board.name: board for board in kvmd_boards()}

ON_CM4 = ("blikvm-v1-v2", "pikvm-v4-mini", "pikvm-v4-plus")
ON_PI_4 = ("blikvm-v3", "pikvm-v2", "pikvm-v3")

RECOGNISED = {
    "compute-module-4-bridge": ("compute-module-csi", ON_CM4),
    "mangopi-mcore": ("blikvm-v4", ()),
    "pc-bare": (None, ()),
    "pc-dongle-and-adapter": (None, ()),
    "pc-openterface": ("openterface-mini", ()),
    "pc-two-hubs": (None, ()),
    "raspberry-pi-3-bridge": ("raspberry-pi-csi", ("pikvm-v2",)),
    "raspberry-pi-4-bridge": ("raspberry-pi-csi", ON_PI_4),
    "raspberry-pi-4-camera": (None, ()),
    "raspberry-pi-4-openterface": ("openterface-mini", ()),
    "raspberry-pi-5-bridge": ("raspberry-pi-5-csi", ()),
    "raspberry-pi-zero-2-w-bridge": ("raspberry-pi-csi", ("pikvm-v2",)),
}
"""Each machine in tests/data/boards, the board that it is recognised as, and those that it might be as well."""


def plugged_in(machine: str) -> list[Device]:
    """Read what ``udevadm info --export-db`` printed there."""
    devices = []
    for entry in (MACHINES / machine / "udev.txt").read_text().split("\n\n"):
        udev = dict(re.findall(r"^E: (.*?)=(.*)$", entry, re.MULTILINE))
        path = f"/sys{udev['DEVPATH']}"
        devices.append(Device(udev["SUBSYSTEM"], Path(path).name, path, udev.get("DEVNAME"), udev))
    return devices


def facts_of(machine: str) -> Facts:
    usb = [device for device in plugged_in(machine) if device.subsystem == "usb"]
    return read_facts(MACHINES / machine, usb)


@pytest.mark.parametrize("machine", RECOGNISED)
def test_each_machine_is_known_as_one_board_alone(machine: str) -> None:
    choice = choose_board("auto", [], kvmd_boards(), facts_of(machine), "kvmd.toml")
    assert (choice.board.name if choice.board else None, choice.alike) == RECOGNISED[machine]


def test_every_machine_has_an_expectation() -> None:
    assert {path.name for path in MACHINES.iterdir() if path.is_dir()} == set(RECOGNISED)


def test_every_board_that_says_how_it_is_known_is_met_on_a_machine() -> None:
    met = {name for board, alike in RECOGNISED.values() for name in (board, *alike)}
    assert met - {None} == {board.name for board in BOARDS.values() if board.known_by.given()}


def test_the_reason_is_told() -> None:
    choice = choose_board("auto", [], kvmd_boards(), facts_of("raspberry-pi-4-bridge"), "kvmd.toml")
    assert choice.why == 'model = "Raspberry Pi 4 Model B Rev 1.4", chip = "toshiba,tc358743"'


@pytest.mark.parametrize("name", BOARDS)
def test_its_file_has_its_name_and_says_how_it_is_known(name: str) -> None:
    text = (ROOT / f"plugins/boards/{name}.toml").read_text()
    first = "# Has to be named" if BOARDS[name].by_name else "# Recognised by"
    assert text.startswith(first)
    assert tomllib.loads(text)["name"] == name


def test_names_are_unique() -> None:
    assert len(BOARDS) == len(kvmd_boards()) == len(list((ROOT / "plugins/boards").glob("*.toml")))


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_its_drivers_are_there_and_take_its_options(name: str, role: Role[Any, Any]) -> None:
    settings = role.on(BOARDS[name])
    registry = Registry()
    registry.choose(role, settings, f"board {name}")
    if settings.driver == "auto":
        assert settings.options == {}
    else:
        convert(settings.options, registry.drivers_of(role)[settings.driver].Options, name)


@pytest.mark.parametrize("name", BOARDS)
def test_it_can_be_named(name: str) -> None:
    kvm = Kvm(Settings(board=name), Registry(), "my.toml")
    board = kvm.status().board
    assert board is not None
    assert (board.name, board.why) == (name, "named in my.toml")
    assert kvm.roles == {role.name: (role.on(BOARDS[name]), f"board {name}") for role in ROLES}


@pytest.mark.parametrize(
    ("machine", "name", "capture", "hid"),
    [
        ("mangopi-mcore", "blikvm-v4", "/dev/video1", "musb-hdrc.2.auto"),
        ("pc-openterface", "openterface-mini", "/dev/video2", "/dev/ttyUSB0"),
        ("raspberry-pi-4-openterface", "openterface-mini", "/dev/video0", "/dev/ttyUSB0"),
        ("pc-dongle-and-adapter", "usb-ch9329", "/dev/video0", "/dev/ttyUSB0"),
        ("raspberry-pi-4-bridge", "raspberry-pi-csi", "/dev/video0", "fe980000.usb"),
        ("raspberry-pi-4-bridge", "pikvm-v3", "/dev/video0", "fe980000.usb"),
        ("compute-module-4-bridge", "compute-module-csi", "/dev/video0", "fe980000.usb"),
        ("compute-module-4-bridge", "pikvm-v4-plus", "/dev/video0", "fe980000.usb"),
    ],
)
def test_its_drivers_take_the_right_devices(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str, capture: str, hid: str
) -> None:
    """The video codec, the webcam and the metadata nodes of these machines are left alone."""
    devices = plugged_in(machine)
    monkeypatch.setattr(
        "kvmd.plugins.choice.list_devices", lambda subsystems: [d for d in devices if d.subsystem in subsystems]
    )
    registry, board = Registry(), BOARDS[name]
    taken = [
        registry.choose(CAPTURE, board.capture, name).pick().device,
        registry.choose(HID, board.hid, name).pick().device,
    ]
    assert [device and (device.node or device.name) for device in taken] == [capture, hid]
