"""Nodes in /dev: who may open them, and who has."""

import os
import pty
from pathlib import Path

from kvmd.contract.device import Device
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import nodes
from kvmd.doctor.machine import Machine
from tests.kvmd.doctor.conftest import Tree

CAMERA = Device("video4linux", "video0", node="/dev/video0", properties={"ID_MODEL": "MS2109"})
STRANGER = os.getuid() + 1000
USER = f"root:x:0:0::/:\nkvmd:x:{STRANGER}:{STRANGER}::/var/lib/kvmd:\n"
UNIT = "usr/lib/systemd/system/kvmd.service"


def groups(*members: str) -> str:
    group = os.getgid() or 44
    return f"root:x:0:\nvideo:x:{group}:{','.join(members)}\nkvmd:x:{STRANGER}:\n"


def machine(tree: Tree, mode: int) -> None:
    tree.write({"etc/passwd": USER, "etc/group": groups(), "dev/video0": ""})
    (tree.root / "dev/video0").chmod(mode)
    if not os.getgid():
        os.chown(tree.root / "dev/video0", 0, 44)


def test_a_node_that_its_group_opens(tree: Tree) -> None:
    machine(tree, 0o660)
    [found, _] = tree.look(nodes, devices=[CAMERA])
    assert (found.kind, "not in the group video" in found.what) == ("not-in-group", True)
    assert "usermod -aG video kvmd" in found.mend
    tree.write({"etc/group": groups("pi", "kvmd")})
    assert tree.kinds(nodes, devices=[CAMERA]) == ["unseen"]


def test_a_node_that_no_group_opens(tree: Tree) -> None:
    machine(tree, 0o600)
    assert tree.kinds(nodes, devices=[CAMERA]) == ["denied", "unseen"]
    (tree.root / "dev/video0").chmod(0o666)
    assert tree.kinds(nodes, devices=[CAMERA]) == ["unseen"]


def test_a_device_that_was_pulled_meanwhile(tree: Tree) -> None:
    tree.write({"etc/passwd": USER})
    assert tree.kinds(nodes, devices=[CAMERA]) == ["unseen"]


def test_no_user(tree: Tree) -> None:
    assert tree.kinds(nodes) == []
    tree.write({UNIT: ""})
    assert tree.kinds(nodes) == ["no-user"]


def test_who_has_a_node_open_on_this_very_machine(tree: Tree) -> None:
    ours, theirs = pty.openpty()
    port = Device("tty", "pts", node=os.ttyname(theirs))
    found = tree.look(nodes, devices=[port], machine=Machine(Path("/")))
    holders = [each for each in found if getattr(each, "kind", "") == "in-use"]
    assert len(holders) == 1
    assert f"(process {os.getpid()})" in holders[0].what
    of_the_daemon = tree.kinds(nodes, devices=[port], machine=Machine(Path("/")), daemon=Daemon(pid=os.getpid()))
    assert "in-use" not in of_the_daemon
    os.close(ours)
    os.close(theirs)
