"""USB capture devices and their nodes."""

from kvmd.contract.device import Device
from kvmd.doctor.checks import dongles
from tests.kvmd.doctor.conftest import Tree

PATH = "/sys/devices/pci0000:00/usb1/1-2"
CONTROL = Device("usb", "1-2:1.0", f"{PATH}/1-2:1.0", properties={"INTERFACE": "14/1/0"})
PICTURES = Device("usb", "1-2:1.1", f"{PATH}/1-2:1.1", properties={"INTERFACE": "14/2/0"})
SOUND = Device("usb", "1-3:1.0", "/sys/devices/pci0000:00/usb1/1-3/1-3:1.0", properties={"INTERFACE": "1/1/0"})
NODE = Device("video4linux", "video0", f"{CONTROL.path}/video4linux/video0", node="/dev/video0")


def test_one_with_and_without_a_node(tree: Tree) -> None:
    usb = [CONTROL, PICTURES, SOUND]
    assert tree.kinds(dongles, usb=usb, devices=[NODE]) == []
    [found] = tree.look(dongles, usb=usb)
    assert (found.kind, "1-2:1.0" in found.what) == ("no-video", True)
