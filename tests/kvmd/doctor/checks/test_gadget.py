"""The USB device port, its gadget and its host."""

from collections.abc import Callable

from kvmd.contract.reports import Status
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import gadget
from kvmd.plugins.choice import RoleReport
from tests.kvmd.doctor.conftest import Tree, named

UDC = "fe980000.usb"
CONFIGFS = "sys/kernel/config/usb_gadget"


def test_from_nothing_to_a_host_that_has_taken_it(tree: Tree, make_status: Callable[..., Status]) -> None:
    wanted = named("hid", "usb_gadget")
    assert tree.kinds(gadget, filled=wanted) == ["no-controller"]
    assert tree.kinds(gadget) == []
    tree.write({f"sys/class/udc/{UDC}/state": "not attached\n"})
    assert tree.kinds(gadget, filled=wanted) == ["no-libcomposite"]
    (tree.root / CONFIGFS).mkdir(parents=True)
    assert tree.kinds(gadget, filled=wanted) == ["no-gadget"]
    tree.write({f"{CONFIGFS}/pikvm/UDC": f"{UDC}\n"})
    [found] = tree.look(gadget, filled=wanted)
    assert (found.kind, "carries the gadget pikvm, not kvmd" in found.what) == ("foreign-gadget", True)
    assert tree.kinds(gadget, filled=named("hid", "usb_gadget", gadget="pikvm")) == ["no-host"]
    tree.write({f"{CONFIGFS}/pikvm/UDC": "\n", f"{CONFIGFS}/kvmd/UDC": f"{UDC}\n"})
    [found] = tree.look(gadget, filled=wanted)
    assert (found.kind, "not attached" in found.what) == ("no-host", True)
    assert tree.kinds(gadget, filled=wanted, daemon=Daemon(make_status())) == [], "it says so itself"
    tree.write({f"sys/class/udc/{UDC}/state": "configured\n"})
    assert tree.kinds(gadget, filled=wanted) == []


def test_whoever_types_by_other_means_needs_none(tree: Tree) -> None:
    tree.write({f"sys/class/udc/{UDC}/state": "not attached\n"})
    assert tree.kinds(gadget, filled=named("hid", "ch9329")) == []
    assert tree.kinds(gadget, filled=named("hid", "auto")) == ["no-libcomposite"]
    plugged = {"hid": RoleReport("ch9329", "USB Serial (/dev/ttyUSB0)", None)}
    assert tree.kinds(gadget, filled=named("hid", "auto"), roles=plugged) == []
