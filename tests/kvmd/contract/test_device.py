"""Devices: what a table row and options accept, and what the real udev library tells of this machine."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvmd.contract import device as devices
from kvmd.contract.device import (
    Device,
    DeviceOptions,
    DriverOptions,
    Match,
    Monitor,
    best_match,
    device_at,
    list_devices,
)

DONGLE = Device(
    "video4linux",
    "video0",
    "/sys/devices/pci0000:00/usb1/1-1/video4linux/video0",
    "/dev/video0",
    {
        "ID_VENDOR_ID": "534d",
        "ID_MODEL_ID": "2109",
        "ID_MODEL": "USB_Video",
        "ID_SERIAL_SHORT": "20210623",
        "ID_PATH": "pci-0000:00:14.0-usb-0:1:1.0",
        "ID_V4L_PRODUCT": "USB Video: USB Video",
        "ID_V4L_CAPABILITIES": ":capture:",
    },
)
BARE = Device("video4linux", "video1")


class TestMatch:
    @pytest.mark.parametrize(
        ("properties", "accepted"),
        [
            ({}, True),
            ({"ID_VENDOR_ID": "534d"}, True),
            ({"ID_VENDOR_ID": "534d", "ID_MODEL_ID": "2109"}, True),
            ({"ID_VENDOR_ID": "534d", "ID_MODEL_ID": "2130"}, False),
            ({"ID_VENDOR_ID": "534D"}, False),
            ({"ID_V4L_CAPABILITIES": "*:capture:*"}, True),
            ({"ID_MODEL_ID": "21[03]?"}, True),
            ({"ID_BUS": "usb"}, False),
            ({"ID_BUS": "?*"}, False),
        ],
    )
    def test_properties_are_patterns(self, properties: dict[str, str], accepted: bool) -> None:
        assert Match("video4linux", properties).accepts(DONGLE) is accepted

    @pytest.mark.parametrize("character", ['"', "\\", "|", "\n", "\x7f"])
    @pytest.mark.parametrize("row", [("t{}y", {}), ("tty", {"ID{}": "a"}), ("tty", {"ID_MODEL": "a{}b"})])
    def test_what_a_udev_rule_cannot_say_is_refused(self, row: tuple[str, dict[str, str]], character: str) -> None:
        subsystem, properties = row
        given = {name.format(character): value.format(character) for name, value in properties.items()}
        with pytest.raises(ValueError, match=r"cannot be a pattern of udev's: put \? in the place of"):
            Match(subsystem.format(character), given)

    def test_another_subsystem(self) -> None:
        assert not Match("tty").accepts(DONGLE)

    def test_the_best_row_counts(self) -> None:
        rows = [Match("video4linux", score=20), Match("video4linux", {"ID_VENDOR_ID": "534d"}, score=80), Match("tty")]
        assert best_match(rows, DONGLE) == 80
        assert best_match(rows, BARE) == 20
        assert best_match(rows, Device("input", "event0")) == 0
        assert best_match([], DONGLE) == 0


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "selected"),
        [
            ({}, True),
            ({"usb_id": "534d:2109"}, True),
            ({"usb_id": "534d:2130"}, False),
            ({"serial": "20210623"}, True),
            ({"serial": "2021"}, False),
            ({"path": "pci-0000:00:14.0-usb-0:1:1.0"}, True),
            ({"path": "*usb-0:1:*"}, True),
            ({"path": "*usb-0:2:*"}, False),
            ({"name": "video0"}, True),
            ({"name": "USB Video*"}, True),
            ({"name": "USB_Video"}, True),
            ({"name": "video1"}, False),
            ({"usb_id": "534d:2109", "serial": "another"}, False),
        ],
    )
    def test_selects(self, options: dict[str, str], selected: bool) -> None:
        assert DeviceOptions(**options).selects(DONGLE) is selected

    @pytest.mark.parametrize("options", [{"usb_id": "534d:2109"}, {"serial": "1"}, {"path": "?*"}, {"name": "USB*"}])
    def test_a_device_that_tells_nothing(self, options: dict[str, str]) -> None:
        assert not DeviceOptions(**options).selects(BARE)

    def test_node(self) -> None:
        assert DeviceOptions(device="/dev/video7").node() == "/dev/video7"
        assert DeviceOptions().node() is None

    def test_a_driver_without_devices(self) -> None:
        assert DriverOptions().node() is None
        assert DriverOptions().selects(DONGLE)


@pytest.mark.parametrize(
    ("device", "label"),
    [
        (DONGLE, "USB Video: USB Video (/dev/video0)"),
        (Device("tty", "ttyUSB0", node="/dev/ttyUSB0", properties={"ID_MODEL": "CH340"}), "CH340 (/dev/ttyUSB0)"),
        (Device("udc", "dummy_udc.0"), "dummy_udc.0"),
    ],
)
def test_label(device: Device, label: str) -> None:
    assert str(device) == label


class TestUdev:
    """The real library, and the devices that every Linux has."""

    def test_list(self) -> None:
        devices = list_devices(["mem"])
        null = next(device for device in devices if device.name == "null")
        assert (null.subsystem, null.node) == ("mem", "/dev/null")
        assert null.path.startswith("/sys/")
        assert null.properties["MAJOR"] == "1"

    def test_list_is_sorted_and_lists_nothing_twice(self) -> None:
        paths = [device.path for device in list_devices(["tty", "mem", "tty"])]
        assert paths == sorted(set(paths))
        assert {device.subsystem for device in list_devices(["tty", "mem"])} == {"tty", "mem"}

    def test_list_of_nothing(self) -> None:
        assert list_devices([]) == []
        assert list_devices(["no_such_subsystem"]) == []

    def test_device_at_a_node(self) -> None:
        null = device_at("/dev/null")
        assert null is not None
        assert (null.subsystem, null.name, null.node) == ("mem", "null", "/dev/null")
        assert null in list_devices(["mem"])

    def test_device_at_a_link_keeps_its_name(self, tmp_path: Path) -> None:
        link = tmp_path / "by-id"
        link.symlink_to("/dev/null")
        found = device_at(str(link))
        assert found is not None
        assert (found.subsystem, found.node) == ("mem", str(link))

    def test_no_device(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch()
        assert device_at(str(tmp_path / "none")) is None
        assert device_at(str(file)) is None
        assert device_at(str(tmp_path)) is None

    @pytest.mark.parametrize(
        ("major", "subsystem"),
        [
            (81, "video4linux"),
            (188, "tty"),
            (166, "tty"),
            (204, "tty"),
            (4, "tty"),
            (136, "tty"),
            (143, "tty"),
            (1000, ""),
        ],
    )
    def test_a_node_that_sysfs_does_not_know(self, monkeypatch: pytest.MonkeyPatch, major: int, subsystem: str) -> None:
        status = SimpleNamespace(st_mode=0o020660, st_rdev=os.makedev(major, 9999))
        monkeypatch.setattr(devices, "Path", lambda node: SimpleNamespace(stat=lambda: status, name=Path(node).name))
        assert device_at("/dev/thing0") == Device(subsystem, "thing0", node="/dev/thing0")

    def test_monitor_starts_and_stops(self) -> None:
        def listening() -> int:
            return [thread.name for thread in threading.enumerate()].count("kvmd-udev")

        before = listening()
        monitor = Monitor(["video4linux", "tty"], lambda *_: None)
        monitor.stop()
        monitor = Monitor(["video4linux", "tty"], lambda *_: None)
        monitor.start()
        assert listening() == before + 1
        monitor.stop()
        monitor.stop()
        assert listening() == before

    def test_monitor_hears_events(self) -> None:
        """The kernel sends none to an unprivileged test, so pyudev's own device stands for the message."""
        heard = []
        raw = SimpleNamespace(
            subsystem="tty",
            sys_name="ttyUSB0",
            sys_path="/sys/x",
            device_node=None,
            properties={"A": "b"},
            action="add",
        )
        monitor = Monitor(["tty"], lambda action, device: heard.append((action, device)))
        monitor._observer._callback(raw)
        assert heard == [("add", Device("tty", "ttyUSB0", "/sys/x", None, {"A": "b"}))]
