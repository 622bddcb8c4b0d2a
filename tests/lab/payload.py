"""The folder that the guests read: the checkout, the package, and what pytest is told."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError


def write(share: Path, checkout: Path, arguments: Sequence[str]) -> None:
    """Fill the folder.

    :param share: an empty folder
    :param arguments: for pytest, one a line
    """
    (share / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    _export(checkout, share / "checkout")
    _build_wheel(checkout, share)


def _export(checkout: Path, target: Path) -> None:
    """Copy what git would take: tracked files and new ones that are not ignored."""
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise LabError(f"git cannot list the checkout {checkout}: {result.stderr.strip()}")
    for name in filter(None, result.stdout.split("\0")):
        source, copy = checkout / name, target / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


def _build_wheel(checkout: Path, share: Path) -> None:
    """Build the package from a copy of its own, since building leaves files behind."""
    with tempfile.TemporaryDirectory(prefix="kvmd-lab-wheel-") as source:
        _export(checkout, Path(source))
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={share}", source]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode:
        raise LabError(f"the wheel for the guest cannot be built:\n{result.stderr.strip()}")
