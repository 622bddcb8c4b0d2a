"""The machine's files: what is there, and what may not be read."""

import os
from pathlib import Path

from kvmd.doctor.machine import Machine, Process
from tests.kvmd.doctor.conftest import Tree


def test_what_is_not_there_is_empty(tree: Tree) -> None:
    machine = Machine(tree.root)
    assert (machine.model, machine.processes, machine.open_files, machine.listeners(80)) == ("", [], {}, None)
    assert not machine.sees_processes
    assert not machine.is_active("kvmd.service")


def test_units(tree: Tree) -> None:
    machine = Machine(tree.root)
    tree.write({"lib/systemd/system/kvmd.service": ""})
    assert machine.has_unit("kvmd.service")
    tree.write({"etc/systemd/system/x.target.wants/kvmd.service": "no link"})
    assert not machine.is_enabled("kvmd.service")


def test_a_port_whose_owner_may_not_be_seen(tree: Tree) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 00000000:0050 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"
    tree.write({"proc/net/tcp": head + row.format("0A")})
    assert Machine(tree.root).listeners(80) == []
    assert Machine(tree.root).listeners(81) is None
    tree.write({"proc/net/tcp": head + row.format("01")})
    assert Machine(tree.root).listeners(80) is None, "a connection"


def test_this_machine_sees_this_process(tmp_path: Path) -> None:
    machine = Machine(Path("/"))
    own = next(process for process in machine.processes if process.pid == os.getpid())
    with (tmp_path / "open").open("w") as file:
        assert machine.open_files[file.name] == [own]
    assert str(Process(7, "x")) == "x (process 7)"
