"""Serial adapters that have no port, and who took it."""

from kvmd.contract.device import Device
from kvmd.doctor.checks import serial
from tests.kvmd.doctor.conftest import Tree

PATH = "/sys/devices/pci0000:00/usb1/1-1"
IDS = {"ID_VENDOR_ID": "1a86", "ID_MODEL_ID": "7523"}
ADAPTER = Device("usb", "1-1", PATH, properties={**IDS, "DEVTYPE": "usb_device"})
INTERFACE = Device("usb", "1-1:1.0", f"{PATH}/1-1:1.0", properties={**IDS, "DEVTYPE": "usb_interface"})
PORT = Device("tty", "ttyUSB0", f"{PATH}/1-1:1.0/ttyUSB0/tty/ttyUSB0", node="/dev/ttyUSB0", properties=IDS)
PLUGGED = {"usb": [ADAPTER, INTERFACE]}


def test_an_adapter_with_its_port(tree: Tree) -> None:
    assert tree.kinds(serial, **PLUGGED, devices=[PORT]) == []


def test_an_adapter_that_brltty_has_taken(tree: Tree) -> None:
    assert tree.kinds(serial, **PLUGGED) == ["no-port"]
    tree.write({"proc/412/comm": "brltty\n"})
    [found] = tree.look(serial, **PLUGGED)
    assert (found.kind, "1a86:7523" in found.what) == ("brltty", True)


def test_the_daemon_which_sees_no_process_of_others_sees_the_unit(tree: Tree) -> None:
    (tree.root / "sys/fs/cgroup/system.slice/brltty-udev.service").mkdir(parents=True)
    assert tree.kinds(serial, **PLUGGED) == ["brltty"]


def test_modem_manager_matters_where_there_is_an_adapter(tree: Tree) -> None:
    (tree.root / "sys/fs/cgroup/system.slice/ModemManager.service").mkdir(parents=True)
    assert tree.kinds(serial) == []
    assert tree.kinds(serial, **PLUGGED, devices=[PORT]) == ["modem-manager"]
