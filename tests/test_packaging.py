"""What is installed: every package and data file on disk, and modules that import on a bare machine."""

import configparser
import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
FOLDERS = dict(line.split(" = ") for line in SETUP["options"]["package_dir"].split("\n") if line)
PACKAGES = SETUP["options"]["packages"].split()
ENTRY_POINTS = [line for line in SETUP["options.entry_points"]["kvmd"].split("\n") if line]


EXAMPLES = ROOT / "plugins/examples"
"""Packages of their own."""
TEMPLATES = Path("scaffold/templates")
"""Of packages: data, though most of it is Python."""


def tracked() -> Iterator[tuple[str, Path]]:
    """List the files of the packages, and no leftovers of running them, with the packages that they are in."""
    for name, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            inner = path.relative_to(ROOT / folder)
            if path.is_file() and "__pycache__" not in inner.parts and not path.is_relative_to(EXAMPLES):
                yield name, inner


def test_packages_are_those_on_disk() -> None:
    code = [(name, inner) for name, inner in tracked() if not _is_data(inner)]
    on_disk = {".".join([name, *inner.parts[:-1]]) for name, inner in code if inner.name == "__init__.py"}
    assert on_disk == set(PACKAGES)
    assert sorted(PACKAGES) == PACKAGES


def test_every_data_file_is_named_and_every_name_is_of_a_file() -> None:
    data = {f"{name}/{inner}" for name, inner in tracked() if _is_data(inner)}
    found = set()
    for package, patterns in SETUP["options.package_data"].items():
        top, *rest = package.split(".")
        folder = ROOT.joinpath(FOLDERS[top], *rest)
        for pattern in patterns.replace(",", " ").split():
            files = [path for path in folder.glob(pattern) if path.is_file() and "__pycache__" not in path.parts]
            assert files, f"{package}: {pattern} is of no file"
            found |= {"/".join([top, *path.relative_to(ROOT / FOLDERS[top]).parts]) for path in files}
    assert found == data


def _is_data(inner: Path) -> bool:
    return inner.suffix != ".py" or inner.is_relative_to(TEMPLATES)


def test_every_driver_has_an_entry_point() -> None:
    modules = {line.split(" = ")[1] for line in ENTRY_POINTS}
    on_disk = {
        f"kvmd_drivers.{inner.parts[0].removesuffix('.py')}" for name, inner in tracked() if _is_driver(name, inner)
    }
    assert {module for module in modules if module.startswith("kvmd_drivers.")} == on_disk


def _is_driver(name: str, inner: Path) -> bool:
    is_module = len(inner.parts) == 1 and inner.suffix == ".py" and inner.name != "__init__.py"
    return name == "kvmd_drivers" and (is_module or (len(inner.parts) == 2 and inner.name == "__init__.py"))


def test_the_installed_package_has_the_entry_points_of_setup_cfg() -> None:
    installed = {f"{point.name} = {point.value}" for point in importlib.metadata.entry_points(group="kvmd")}
    assert set(ENTRY_POINTS) <= installed


@pytest.mark.parametrize("line", ENTRY_POINTS)
def test_drivers_import_on_a_bare_machine(line: str) -> None:
    """Vendor libraries and those for one page or command are imported where they are used."""
    module = line.split(" = ")[1]
    absent = ["evdev", "gpiod", "picamera2", "serial", "libcamera"]
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import {module}"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert packed == {"/".join([name, *inner.parts]) for name, inner in tracked()}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_has_the_entry_points(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        written = archive.read(name).decode()
    assert "kvmd = kvmd.cli.main:main" in written
    assert set(ENTRY_POINTS) <= set(written.split("\n"))
