"""The Debian package on bare systems, from its installation to its purge, without a network."""

from collections.abc import Callable
from pathlib import Path

import kvmd
from tests.kernel import vendor
from tests.waiting import eventually

from . import packages, wheels
from .chroots import NEW, OLD
from .machine import Machine

PASSWORD = "correct horse battery staple"
APT = ("apt-get", "--yes", "-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Dpkg::Use-Pty=0")
WANTS = "etc/systemd/system"
DEVICE = f"{WANTS}/kvmd-device@.target.wants/kvmd.service"
GADGET = f"{WANTS}/kvmd-controller@.target.wants/kvmd-gadget.service"
RULES = "etc/udev/rules.d/70-kvmd-plugins.rules"
PIP = ("/opt/kvmd/bin/pip", "install", "--no-index", "--no-deps")

NewMachine = Callable[[str], Machine]


def version(machine: Machine) -> str:
    return machine.run("kvmd", "--version").split()[-1]


def settle(machine: Machine) -> None:
    """Do what a user does: settings, a board, a password, an EDID, an image; units, and no gadget."""
    with (machine.root / "etc/kvmd/kvmd.toml").open("a") as settings:
        settings.write("[plugins]\n# a word of the user\n")
    for name in (
        *("etc/kvmd/boards.d/mine.toml.off", "var/lib/kvmd/edid", "var/lib/kvmd/images/boot.iso"),
        f"{WANTS}/kvmd.service.d/mine.conf",
    ):
        path = machine.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"the user's {name}")
    machine.run("sh", "-c", f"echo '{PASSWORD}' | kvmd passwd --stdin")
    machine.run("systemctl", "disable", "kvmd-gadget.service")
    machine.run("systemctl", "enable", "kvmd.socket")
    machine.run("systemctl", "add-wants", "multi-user.target", "kvmd.service")


def test_from_debian_12_to_13_everything_stays(
    new_machine: NewMachine, package: Path, earlier: Path, tmp_path: Path
) -> None:
    machine = new_machine(OLD)
    machine.run(*APT, "install", machine.bring(earlier))
    assert version(machine) == "0.0.1"
    assert all((machine.root / link).is_symlink() for link in (DEVICE, GADGET))
    settle(machine)
    machine.serves(PASSWORD)
    for name, tag in (("vendor", "py3-none-any"), ("native", "cp311-cp311-linux_x86_64")):
        wheel = machine.bring(wheels.make(tmp_path, name, tag))
        machine.run(*PIP, wheel)
    rules = machine.root / RULES
    machine.run(*PIP, machine.bring(vendor.pack(tmp_path)))
    machine.run("kvmd", "udev-rules", "--install")
    right = rules.read_text()
    kept = machine.kept()
    assert kept["etc/kvmd/kvmd.toml"][1:] == (0o640, "root:kvmd")
    assert kept["var/lib/kvmd/auth.json"][1:] == (0o600, "kvmd:kvmd")

    rules.write_text("# an earlier version's")
    machine.install(package)
    assert (version(machine), machine.kept(), rules.read_text()) == (kvmd.__version__, kept, right)
    assert [machine.run(f"/opt/kvmd/bin/{name}") for name in ("vendor", "native")] == ["vendor\n", "native\n"]

    sources = machine.root / "etc/apt/sources.list"
    sources.write_bytes(sources.with_suffix(f".list.{NEW}").read_bytes())
    rules.write_text("# an earlier version's")
    told = machine.run(*APT, "full-upgrade")
    assert "native 1 does not fit this Python" in told
    assert machine.run("/opt/kvmd/bin/python", "--version").startswith("Python 3.13")
    assert (version(machine), machine.run("/opt/kvmd/bin/vendor")) == (kvmd.__version__, "vendor\n")
    assert (machine.kept(), rules.read_text()) == (kept, right)
    assert not (machine.root / GADGET).is_symlink()
    machine.serves(PASSWORD)


def test_on_debian_13_from_an_installation_that_is_killed_to_the_purge(
    debian_13: Machine, package: Path, earlier: Path, tmp_path: Path
) -> None:
    machine = debian_13
    machine.run(*APT, "install", *packages.wanted())
    before = machine.files()
    with machine.begin(*APT, "install", machine.bring(package)) as process:
        eventually((machine.root / "opt/kvmd.new/bin/pip").exists, "an environment in the making")
        machine.cut_off(process)
    machine.run("dpkg", "--configure", "--pending")
    assert version(machine) == kvmd.__version__
    machine.serves()
    first = (machine.root / "var/lib/kvmd/first-password").read_text().strip()
    assert f"first password {first};" in machine.console()
    settle(machine)
    assert "first password" not in machine.console()
    kept = machine.kept()

    machine.run(*PIP, machine.bring(vendor.pack(tmp_path)))
    [module] = machine.root.glob(f"opt/kvmd/lib/python3*/site-packages/{vendor.PACKAGE}.py")
    module.write_text("raise RuntimeError")
    (machine.root / RULES).write_text("# what kvmd udev-rules writes\n")
    told = machine.install(earlier)
    assert "downgrading" in told
    assert "devices of other packages' drivers may not start it" in told
    assert (version(machine), machine.kept()) == ("0.0.1", kept)
    assert not (machine.root / GADGET).is_symlink()

    (machine.root / RULES).write_text("# what kvmd udev-rules writes\n")
    machine.run("dpkg", "--remove", "kvmd-hal")
    assert machine.kept() == kept
    assert not list((machine.root / "opt").iterdir())
    machine.run("dpkg", "--purge", "kvmd-hal")
    assert machine.files() ^ before == set()
