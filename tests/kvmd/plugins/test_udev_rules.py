"""udev rules: their exact text, and that etc/ has those of the bundled drivers."""

from pathlib import Path

from kvmd.contract.device import Match
from kvmd.plugins.registry import Registry
from kvmd.plugins.udev_rules import HEADER, udev_rules

ROOT = Path(__file__).parents[3]
START = 'TAG+="systemd", ENV{SYSTEMD_WANTS}+="kvmd-device@.target"'


def test_a_device_starts_the_daemon() -> None:
    rules = udev_rules([Match("video4linux", {"ID_VENDOR_ID": "534d", "ID_MODEL_ID": "2109"})])
    rule = (
        f'ACTION!="remove", SUBSYSTEM=="video4linux", ENV{{ID_MODEL_ID}}=="2109", ENV{{ID_VENDOR_ID}}=="534d", {START}'
    )
    assert rules == f"{HEADER}{rule}\n"


def test_a_node_beside_a_device_is_ours() -> None:
    rules = udev_rules([Match("hidg", score=0)])
    assert rules == f'{HEADER}ACTION!="remove", SUBSYSTEM=="hidg", GROUP="kvmd", MODE="0660", {START}\n'


def test_what_udev_has_to_ask_for_is_imported_once_before_it_is_matched() -> None:
    rules = udev_rules([Match("udc"), Match("hidraw", {"HID_NAME": "A*"}), Match("hidraw", {"HID_NAME": "B*"})])
    assert rules.splitlines()[1:] == [
        f'ACTION!="remove", SUBSYSTEM=="udc", {START}',
        'ACTION!="remove", SUBSYSTEM=="hidraw", IMPORT{parent}="HID_*"',
        'ACTION!="remove", SUBSYSTEM=="hidraw", IMPORT{builtin}="path_id"',
        f'ACTION!="remove", SUBSYSTEM=="hidraw", ENV{{HID_NAME}}=="A*", GROUP="kvmd", MODE="0660", {START}',
        f'ACTION!="remove", SUBSYSTEM=="hidraw", ENV{{HID_NAME}}=="B*", GROUP="kvmd", MODE="0660", {START}',
    ]


def test_rules_keep_their_order_and_none_stands_twice() -> None:
    rules = udev_rules([Match("udc", score=50), Match("tty", {"A": "*b?"}), Match("udc", score=20)])
    assert rules.splitlines()[1:] == [
        f'ACTION!="remove", SUBSYSTEM=="udc", {START}',
        f'ACTION!="remove", SUBSYSTEM=="tty", ENV{{A}}=="*b?", {START}',
    ]


def test_no_matches() -> None:
    assert udev_rules([]) == HEADER


def test_etc_has_the_rules_of_the_bundled_drivers() -> None:
    drivers = [driver for driver in Registry().drivers if driver.__module__.startswith("kvmd_drivers.")]
    matches = [match for driver in drivers for match in driver.matches]
    assert (ROOT / "etc/70-kvmd.rules").read_text() == udev_rules(matches)
