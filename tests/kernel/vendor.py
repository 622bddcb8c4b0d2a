"""A vendor's package, installed beside kvmd as everybody installs one: acme.py in a wheel."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .waiting import run

PACKAGE = "kvmd_acme"
INFO = f"{PACKAGE}-1.0.dist-info"
FILES = {
    f"{PACKAGE}.py": Path(__file__).with_name("acme.py").read_text(),
    f"{INFO}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\nRequires-Dist: kvmd-hal\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": f"[kvmd]\nacme = {PACKAGE}\n",
}


def pack(folder: Path) -> Path:
    """Make its wheel."""
    wheel = folder / f"{PACKAGE}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr(f"{INFO}/RECORD", "".join(f"{name},,\n" for name in (*FILES, f"{INFO}/RECORD")))
    return wheel


@pytest.fixture
def package(tmp_path: Path) -> Iterator[None]:
    """The package, in kvmd's own environment; gone in the end."""
    wheel = pack(tmp_path)
    run("/opt/kvmd/bin/pip", "install", "--quiet", "--no-compile", str(wheel))
    yield
    run("/opt/kvmd/bin/pip", "uninstall", "--quiet", "--yes", PACKAGE)
