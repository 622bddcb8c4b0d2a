"""Other KVM programs, and who has our ports: real sockets of this process."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmd.contract.reports import Status
from kvmd.contract.settings import Settings, WebSettings
from kvmd.doctor.case import Daemon
from kvmd.doctor.checks import programs
from kvmd.doctor.machine import Machine
from tests.kvmd.doctor.conftest import Tree


@pytest.mark.parametrize("slices", ["sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice"])
def test_a_service_of_another_program(tree: Tree, slices: str) -> None:
    (tree.root / slices / "kvmd-otg.service").mkdir(parents=True)
    [found] = tree.look(programs)
    assert (found.kind, found.mend) == ("other-kvm", "sudo systemctl disable --now kvmd-otg.service")


def test_a_program_that_somebody_started(tree: Tree) -> None:
    tree.write({"proc/77/comm": "ustreamer\n", "proc/78/comm": "bash\n"})
    [found] = tree.look(programs)
    assert (found.kind, "ustreamer (process 77)" in found.what, "kill 77" in found.mend) == ("other-kvm", True, True)
    (tree.root / "sys/fs/cgroup/system.slice/tinypilot.service").mkdir(parents=True)
    assert tree.kinds(programs) == ["other-kvm"], "its streamer goes with it"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_has_a_port_of_ours(
    tree: Tree, make_status: Callable[..., Status], family: socket.AddressFamily, host: str
) -> None:
    with socket.create_server((host, 0), family=family) as taken:
        address = f"[{host}]:{taken.getsockname()[1]}" if ":" in host else f"{host}:{taken.getsockname()[1]}"
        web = WebSettings(listen=["unix:/run/kvmd/web"], tls_listen=[address], video_listen=[], video_tls_listen=[])
        given = {"settings": Settings(web=web), "machine": Machine(Path("/"))}
        found = [each for each in tree.look(programs, **given) if each.kind == "port-taken"]
        assert len(found) == 1
        assert f"(process {os.getpid()})" in found[0].what
        assert "web.tls_listen" in found[0].what
        assert "port-taken" not in tree.kinds(programs, **given, daemon=Daemon(make_status())), "it is the daemon's"
        assert "port-taken" not in tree.kinds(programs, **given, daemon=Daemon(hidden="use sudo")), "it may be"
    assert "port-taken" not in tree.kinds(programs, **given)
