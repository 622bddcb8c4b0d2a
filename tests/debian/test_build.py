"""packaging/debian/build.py: what goes into the package, as far as that can be seen without building it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "packaging/debian/build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_of_etc_is_in_it(build: ModuleType) -> None:
    packed = {path for pattern in build.FILES for path in ROOT.glob(pattern)}
    assert {path for path in ETC.rglob("*") if path.is_file()} <= packed


def test_the_purge_takes_away_every_unit() -> None:
    found = re.search(r"for unit in (.*); do", (ROOT / "packaging/debian/postrm").read_text())
    assert found
    assert set(found[1].split()) == {
        path.name for path in ETC.iterdir() if path.is_file() and "[Unit]" in path.read_text()
    }


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_each_python_gets_one_version_of_everything_with_its_hashes(build: ModuleType, python: str) -> None:
    pins = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:", build.locked(python), re.MULTILINE)
    names = re.findall(r"^([a-z0-9-]+)==", (ROOT / "locks/run.txt").read_text(), re.MULTILINE)
    assert sorted(pins) == sorted(set(names))


@pytest.mark.parametrize(
    ("python", "debian"), [("0.1.0", "0.1.0"), ("1.0rc1", "1.0~rc1"), ("1.0.dev3", "1.0~dev3"), ("2.0a1", "2.0~a1")]
)
def test_what_comes_before_a_release_is_older_than_it(build: ModuleType, python: str, debian: str) -> None:
    assert build.debian_version(python) == debian
