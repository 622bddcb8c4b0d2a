"""`make install`, cut off at any of its steps, and run again; with a package that holds next to nothing."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.waiting import eventually

from . import wheels
from .guide import removal
from .machine import Machine

ROOT = Path(__file__).parents[2]
COPIED = ("etc", "tools", "Makefile")
STEPS = ("install", "systemd-sysusers", "chgrp", "ln", "python3", "systemctl")
"""Programs that it calls, in the order of their first call."""
STANDSTILL = "#!/bin/sh\ntouch /reached\nexec sleep infinity\n"


@pytest.fixture
def command(debian_13: Machine) -> list[str]:
    """How it is called there, in a checkout that is there."""
    checkout = debian_13.root / "root/checkout"
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, _made(checkout) / name)
    wheel = wheels.make(checkout, "kvmd")
    digest = hashlib.sha256(wheels.make(checkout, "helper").read_bytes()).hexdigest()
    (_made(checkout / "locks") / "run.txt").write_text(f"helper==1 \\\n    --hash=sha256:{digest}\n")
    here = "/root/checkout"
    offline = ["env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={here}"]
    return [*offline, "make", f"--directory={here}", "install", f"PACKAGE={here}/{wheel.name}"]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def test_it_works_again_wherever_it_was_cut_off(debian_13: Machine, command: list[str]) -> None:
    before = debian_13.files()
    reached = debian_13.root / "reached"
    for step in STEPS:
        program = debian_13.root / "usr/local/sbin" / step
        program.write_text(STANDSTILL)
        program.chmod(0o755)
        with debian_13.begin(*command) as process:
            eventually(lambda: reached.exists() or process.poll() is not None, step)
            debian_13.cut_off(process)
        reached.unlink()
        program.unlink()
    debian_13.run(*command)
    assert debian_13.run("kvmd") == "kvmd\n"
    assert debian_13.kept()["etc/kvmd/kvmd.toml"] == ((ROOT / "etc/kvmd.toml").read_bytes(), 0o640, "root:kvmd")
    assert (debian_13.root / "etc/issue.d/kvmd.issue").is_symlink()
    assert {path.name for path in ROOT.glob("etc/*.service")} <= set(
        debian_13.run("ls", "/usr/lib/systemd/system").split()
    )
    for line in removal():
        debian_13.run("sh", "-c", line)
    ours = ("kvmd", "gpio", "issue.d")
    assert not [path for path in debian_13.files() - before if any(name in path for name in ours)]
