"""The power supply, in the firmware's bits and the driver's alarm."""

import pytest

from kvmd.doctor.checks import supply
from tests.kvmd.doctor.conftest import Tree


@pytest.mark.parametrize(
    ("bits", "kinds"),
    [
        ("0", []),
        ("50005", ["low-voltage"]),
        ("50000", ["voltage-dropped"]),
        ("80008", ["too-hot"]),
        ("4", ["too-hot"]),
        ("1", ["low-voltage"]),
    ],
)
def test_what_the_firmware_says(tree: Tree, bits: str, kinds: list[str]) -> None:
    tree.write({"sys/devices/platform/soc/soc:firmware/get_throttled": f"{bits}\n"})
    assert tree.kinds(supply) == kinds


def test_what_the_driver_says(tree: Tree) -> None:
    chip = "sys/class/hwmon/hwmon3"
    tree.write({f"{chip}/name": "rpi_volt\n", f"{chip}/in0_lcrit_alarm": "1\n"})
    assert tree.kinds(supply) == ["low-voltage"]
    tree.write({f"{chip}/name": "nct6775\n"})
    assert tree.kinds(supply) == [], "another chip's first input"
    tree.write({f"{chip}/name": "rpi_volt\n", f"{chip}/in0_lcrit_alarm": "0\n"})
    assert tree.kinds(supply) == []
