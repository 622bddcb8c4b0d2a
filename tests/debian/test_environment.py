"""tools/environment.py: an environment that is made anew from any state, and keeps what others have installed into it.

With real environments and pip, and packages that hold next to nothing.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import eventually, patience

from . import wheels

ROOT = Path(__file__).parents[2]
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
EARLIER = "python3.9"


class Installation:
    """A folder for an environment with a package and what it needs, as the lock says."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "kvmd"
        self.lock = base / "lock.txt"
        self.package = wheels.make(base, "acme", requires="Requires-Dist: helper\n")
        digest = hashlib.sha256(wheels.make(base, "helper").read_bytes()).hexdigest()
        self.lock.write_text(f"helper==1 \\\n    --hash=sha256:{digest}\n")

    def begin(self) -> subprocess.Popen[str]:
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.base), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [sys.executable, ROOT / "tools/environment.py", self.folder, self.lock, self.package],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **pip},
            start_new_session=True,
        )

    def make(self) -> str:
        """Make the environment, and return what was told meanwhile."""
        process = self.begin()
        told = process.communicate(timeout=patience())[1]
        assert process.returncode == 0, told
        assert sorted(each.name for each in self.base.iterdir() if each.is_dir()) == ["kvmd"]
        return told

    def runs(self, program: str) -> bool:
        path = self.folder / "bin" / program
        return path.exists() and subprocess.check_output([path], text=True) == f"{program}\n"

    def pip(self, package: Path) -> None:
        options = ("--quiet", "--no-index", "--no-deps")
        subprocess.run([self.folder / "bin/pip", "install", *options, package], check=True)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One that works, made out of a half-made one, as what Ctrl+C leaves of a venv."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    (made.folder / "bin").mkdir(parents=True)
    (made.folder / "bin/python3").symlink_to("/nowhere")
    assert made.make() == ""
    return made


def test_it_is_made_from_a_half_made_one_and_sees_the_systems_packages(installation: Installation) -> None:
    assert installation.runs("acme")
    assert "include-system-site-packages = true" in (installation.folder / "pyvenv.cfg").read_text()
    texts = [path.read_bytes() for path in (installation.folder / "bin").iterdir() if not path.is_symlink()]
    assert not any(b"kvmd.new" in text for text in texts)


def test_the_old_one_works_until_the_new_one_is_whole_whenever_it_is_killed(installation: Installation) -> None:
    lock = installation.lock.read_bytes()
    installation.lock.unlink()
    os.mkfifo(installation.lock)  # pip waits for what stands in it
    process = installation.begin()
    pip = installation.folder.with_name("kvmd.new") / "bin/pip"
    eventually(pip.exists, "the new one's pip")
    assert installation.runs("acme")
    os.killpg(process.pid, 9)
    process.communicate(timeout=patience())
    installation.lock.unlink()
    installation.lock.write_bytes(lock)
    assert installation.runs("acme")


def test_where_it_cannot_be_made_the_old_one_stays_alone(installation: Installation) -> None:
    package, installation.package = installation.package, installation.base / "none.whl"
    process = installation.begin()
    process.communicate(timeout=patience())
    installation.package = package
    assert process.returncode != 0
    assert installation.runs("acme")
    assert [each.name for each in installation.base.iterdir() if each.is_dir()] == ["kvmd"]


def test_what_others_installed_is_taken_along_to_another_python_or_named(installation: Installation) -> None:
    """The folder of an earlier Python is what an upgrade of the distribution leaves of it."""
    version = HERE.removeprefix("python").replace(".", "")
    native = f"cp{version}-cp{version}-linux_x86_64"
    for name, tag in {"vendor": "py3-none-any", "stable": "cp38-abi3-linux_x86_64", "native": native}.items():
        installation.pip(wheels.make(installation.base, name, tag, "Requires-Dist: helper>=2\n"))
    installation.folder.rename(installation.folder.with_name("kvmd.old"))  # killed between the two renames
    told = installation.make()
    assert "vendor 1 was taken along" in told
    assert "native 1 was taken along" in told
    assert "vendor 1 has requirement helper>=2, but you have helper 1." in told
    assert installation.runs("native")
    (installation.folder / "lib" / HERE).rename(installation.folder / "lib" / EARLIER)
    told = installation.make()
    assert installation.runs("acme")
    assert [installation.runs(name) for name in ("vendor", "stable", "native")] == [True, True, False]
    assert f"native 1 does not fit this Python; install it again: {installation.folder}/bin/pip install" in told
    assert "acme" not in told
