"""The kernel's modules."""

from kvmd.doctor.checks import kernel
from tests.kvmd.doctor.conftest import Tree


def test_a_kernel_whose_modules_an_upgrade_has_taken(tree: Tree) -> None:
    tree.write({"proc/sys/kernel/osrelease": "6.12.41\n", "lib/modules/6.12.48/modules.dep": ""})
    [found] = tree.look(kernel)
    assert (found.kind, "6.12.41" in found.what, found.mend) == ("kernel-replaced", True, "sudo reboot")
    tree.write({"lib/modules/6.12.41/modules.dep": ""})
    assert tree.kinds(kernel) == []


def test_a_container_has_no_modules_at_all(tree: Tree) -> None:
    tree.write({"proc/sys/kernel/osrelease": "6.12.41\n"})
    assert tree.kinds(kernel) == []
