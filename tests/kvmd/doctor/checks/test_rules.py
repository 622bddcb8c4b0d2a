"""The udev rules that are installed, against those of the drivers."""

from kvmd.doctor.checks import rules
from kvmd.plugins.udev_rules import udev_rules
from kvmd_drivers.ch9329 import kvmd_drivers
from tests.kvmd.doctor.conftest import Tree

DRIVERS = list(kvmd_drivers())
WHOLE = udev_rules(match for driver in DRIVERS for match in driver.matches)
FILE = "usr/lib/udev/rules.d/70-kvmd.rules"


def test_rules_missing_old_and_whole(tree: Tree) -> None:
    assert tree.kinds(rules, drivers=DRIVERS) == [], "who runs it from a checkout has none"
    tree.write({"usr/lib/systemd/system/kvmd.service": ""})
    assert tree.kinds(rules, drivers=DRIVERS) == ["no-rules"]
    *others, last = WHOLE.splitlines(keepends=True)
    tree.write({FILE: "".join(others)})
    [found] = tree.look(rules, drivers=DRIVERS)
    assert (found.kind, found.what.endswith(last.strip())) == ("old-rules", True)
    tree.write({"etc/udev/rules.d/75-kvmd-vendors.rules": last})
    assert tree.kinds(rules, drivers=DRIVERS) == [], "they may be in several files"


def test_a_file_in_etc_takes_the_place_of_the_one_that_was_installed(tree: Tree) -> None:
    tree.write({"usr/lib/systemd/system/kvmd.service": "", FILE: WHOLE})
    assert tree.kinds(rules, drivers=DRIVERS) == []
    tree.write({"etc/udev/rules.d/70-kvmd.rules": ""})
    assert tree.kinds(rules, drivers=DRIVERS) == ["no-rules"]
