"""A vendor's package beside the installed kvmd: pip, one command, and its device starts the daemon, which drives it."""

import itertools
from collections.abc import Iterator

import pytest

from kvmd import KeyboardReport, find_keys
from kvmd.system.udev import RULES

from .acme import payload
from .daemon import CONFIG, Daemon
from .typist import hid, tap, wait_until_online
from .uhid import Typist
from .waiting import eventually, run

NOTHING = payload(KeyboardReport())
KEY_A = payload(KeyboardReport(keys=(find_keys("KeyA")[0].usage,)))


@pytest.fixture
def no_rules() -> Iterator[None]:
    """No rules but kvmd's own, in the end."""
    yield
    run("kvmd", "udev-rules", "--remove")
    assert not RULES.exists()


def types(daemon: Daemon, chip: Typist) -> None:
    """Tap a key, and see it arrive, after what the daemon begins with."""
    tap(daemon, "KeyA")
    assert list(itertools.dropwhile(lambda report: report == NOTHING, chip.written())) == [KEY_A, NOTHING]


@pytest.mark.usefixtures("package", "no_rules")
def test_a_vendors_device_starts_the_daemon_after_pip_and_one_command(typist_chip: Typist, daemon: Daemon) -> None:
    daemon.stop()
    CONFIG.write_text("")
    node = typist_chip.plug()
    assert node.group() == "root"
    assert "SYSTEMD_WANTS" not in run("udevadm", "info", "--query=property", str(node))

    said = run("kvmd", "udev-rules", "--install").splitlines()
    assert said[0] == f"{RULES}: acme"
    assert said[1].startswith("udev knows them; ")
    eventually(daemon.active, "kvmd, started by a device that was there already")
    daemon.wait()
    wait_until_online(daemon)
    assert (node.group(), node.stat().st_mode & 0o777) == ("kvmd", 0o660)
    assert (hid(daemon)["driver"], hid(daemon)["device"]) == ("acme", f"Acme Typist ({node})")
    assert f"hid: online: Acme Typist ({node}) (driver acme)" in daemon.journal()
    types(daemon, typist_chip)

    typist_chip.unplug()
    eventually(lambda: hid(daemon)["state"] == "lost", "the chip to be missed")
    typist_chip.plug()
    wait_until_online(daemon)
    types(daemon, typist_chip)
