"""The tables of text, made anew from the layouts of Debian 13, which the image of the kernel tests has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import layouts
from tests.lab import image, tools

ROOT = Path(__file__).parents[1]
DEBUGFS = shutil.which("debugfs") or "/usr/sbin/debugfs"  # not in the path of ordinary users
COMPARE = "from tests import layouts; print(layouts.version(), *layouts.differing())"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What Debian 13 has in /usr/share of layouts."""
    if reason := tools.missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    disk = image.cached(ROOT, lambda _: None).disk
    for folder in ("X11", "pkgconfig"):
        subprocess.run([DEBUGFS, "-R", f"rdump /usr/share/{folder} {tmp_path}", disk], check=True, capture_output=True)
    return tmp_path


@pytest.mark.timeout(3600)  # the image may have to be built
def test_the_tables_are_those_that_are_made(data: Path) -> None:
    environment = os.environ | {"XKB_CONFIG_ROOT": f"{data}/X11/xkb", "XLOCALEDIR": f"{data}/X11/locale"}
    command = [sys.executable, "-c", COMPARE]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == [layouts.kept_version()], f"run: make layouts, as docs/text.md says\n{result}"
