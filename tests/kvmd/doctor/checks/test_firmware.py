"""A Raspberry Pi's config.txt: what is in force for a model, and what is missing in it."""

import pytest

from kvmd.doctor.checks import firmware
from tests.kvmd.doctor.conftest import PI_4, Tree, named, without

SHIPPED = """\
# For more options and information see http://rptl.io/configtxt
camera_auto_detect=1

[cm4]
# Enable host mode on the 2711 built-in XHCI USB controller.
otg_mode=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
"""
CM4 = "Raspberry Pi Compute Module 4 Rev 1.1"
CM5 = "Raspberry Pi Compute Module 5 Rev 1.0"


def pi(tree: Tree, config: str, model: str = PI_4) -> None:
    tree.write({"proc/device-tree/model": f"{model}\0", "boot/firmware/config.txt": config})


@pytest.mark.parametrize(
    ("model", "config", "kinds"),
    [
        (PI_4, SHIPPED, ["no-dwc2"]),
        (CM4, SHIPPED, ["otg-mode"]),
        (CM5, SHIPPED, ["host-mode"]),
        (PI_4, f"{SHIPPED}dtoverlay=dwc2, dr_mode=peripheral\n", ["overlay-waits"]),
        (PI_4, "[pi5]\ndtoverlay=dwc2\n", ["no-dwc2"]),
        (PI_4, "[pi4]\ndtoverlay=dwc2\n", ["overlay-waits"]),
        (PI_4, "[EDID=VSC-TD2220]\ndtoverlay=dwc2\n", ["no-dwc2"]),
        (PI_4, "#dtoverlay=dwc2\n", ["no-dwc2"]),
    ],
)
def test_the_usb_port(tree: Tree, model: str, config: str, kinds: list[str]) -> None:
    pi(tree, config, model)
    assert tree.kinds(firmware, filled=named("hid", "usb_gadget")) == kinds
    assert tree.kinds(firmware, roles=without("hid")) == kinds


def test_a_port_that_is_a_device_or_not_wanted(tree: Tree) -> None:
    pi(tree, SHIPPED)
    assert tree.kinds(firmware, filled=named("hid", "ch9329")) == []
    tree.write({"sys/class/udc/fe980000.usb": ""})
    assert tree.kinds(firmware, filled=named("hid", "usb_gadget")) == []


def test_the_bridge(tree: Tree) -> None:
    pi(tree, SHIPPED)
    bridge = named("capture", "csi_bridge")
    assert tree.kinds(firmware, filled=bridge, roles=without("capture")) == ["no-bridge"]
    assert tree.kinds(firmware, filled=bridge, roles=without("capture"), chips=["toshiba,tc358743"]) == []
    assert tree.kinds(firmware, filled=bridge) == []
    pi(tree, f"{SHIPPED}dtoverlay=tc358743\n")
    [found] = tree.look(firmware, roles=without("capture"))
    assert (found.kind, "tc358743" in found.what) == ("overlay-waits", True)


def test_no_other_board_has_it(tree: Tree) -> None:
    pi(tree, "", "Acme KVM")
    assert tree.kinds(firmware, filled=named("hid", "usb_gadget")) == []


def test_a_boot_partition_that_is_not_mounted(tree: Tree) -> None:
    tree.write({"proc/device-tree/model": PI_4})
    assert tree.kinds(firmware) == ["unseen"]
    tree.write({"boot/config.txt": ""})
    assert tree.kinds(firmware) == []
