"""Wheels, built from copies of the sources; with the setuptools that is installed, where it is new enough."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("kvmd", "drivers", "plugins", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def build_ours(folder: Path) -> Path:
    """Build kvmd's own wheel in a folder."""
    source = folder / "source"
    source.mkdir()
    for name in OURS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "examples"))
        else:
            shutil.copy(ROOT / name, source)
    return build(folder, source)[0]


def build(folder: Path, *sources: Path) -> list[Path]:
    """Build the wheels of some packages in a folder."""
    flags = ["--no-deps", *(["--no-build-isolation"] if setuptools() >= 77 else [])]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder), *flags, *map(str, sources)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return sorted(folder.glob("*.whl"))


def setuptools() -> int:
    """Return the version of setuptools that is installed, 0 for none."""
    try:
        return int(importlib.metadata.version("setuptools").split(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0
