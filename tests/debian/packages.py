"""kvmd's Debian package, of any version; what is downloaded for it is kept in the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import chroots

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "packaging/debian"
LOCK = ROOT / "locks/run.txt"
SOURCES = ("kvmd", "drivers", "plugins", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def wanted() -> list[str]:
    """The Debian packages that it depends on."""
    depends = re.search(r"^Depends: (.*)$", (DEBIAN / "control").read_text(), re.MULTILINE)
    assert depends
    return list(dict.fromkeys(re.findall(r"(?:^|, )([a-z0-9-]+)", depends[1])))


def build(version: str, folder: Path) -> Path:
    """Build it."""
    wheels = chroots.cache() / f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    cached = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    subprocess.run(
        [sys.executable, DEBIAN / "build.py", "amd64", _wheel(version, folder), folder],
        check=True,
        env={**os.environ, **(cached if wheels.exists() else {})},
    )
    [package] = folder.glob("*.deb")
    if not wheels.exists():
        subprocess.run(["dpkg-deb", "--extract", package, folder / "tree"], check=True)
        wheels.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "tree/usr/lib/kvmd-hal/wheels", wheels)
    return package


def _wheel(version: str, folder: Path) -> Path:
    """Build kvmd's wheel of a version, from a copy of the sources."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    face = source / "kvmd/__init__.py"
    face.write_text(re.sub(r'^(__version__ = )".*"', rf'\1"{version}"', face.read_text(), flags=re.MULTILINE))
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *flags, source], check=True)
    return next(folder.glob("kvmd_hal-*.whl"))
