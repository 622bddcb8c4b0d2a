"""Memory, as the kernel counts it."""

from pathlib import Path

from kvmd.doctor.checks import memory
from kvmd.doctor.machine import Machine
from tests.kvmd.doctor.conftest import Tree

PLENTY = "MemTotal:  1000000 kB\nMemAvailable:  500000 kB\n"


def test_little_of_it_and_a_process_that_was_killed(tree: Tree) -> None:
    tree.write({"proc/meminfo": PLENTY, "proc/vmstat": "nr_dirty 5\noom_kill 0\n"})
    assert tree.kinds(memory) == []
    tree.write({"proc/meminfo": PLENTY.replace("500000", "30000"), "proc/vmstat": "nr_dirty 5\noom_kill 2\n"})
    found = tree.look(memory)
    assert [each.what.partition(" of ")[0] for each in found] == [
        "30 MB",
        "since the boot the kernel has killed 2 processes for want",
    ]


def test_this_machine_says_how_much_it_has(tree: Tree) -> None:
    assert "MemAvailable" in Machine(Path("/")).text("proc/meminfo")
    assert set(tree.kinds(memory, machine=Machine(Path("/")))) <= {"memory-short", "memory-killed"}
