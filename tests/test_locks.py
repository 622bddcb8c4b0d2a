"""The locks: what releases and tests are made of, by hash; and the programs that install and audit it."""

import configparser
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
EXTRAS = SETUP["options.extras_require"]
RUN = SETUP["options"]["install_requires"]
WANTED = {
    "dev": RUN + EXTRAS["lint"],
    "run": RUN + EXTRAS["gpio"] + EXTRAS["build"],
    "guest": RUN + EXTRAS["test-guest"],
    "release": EXTRAS["release"],
}
PYTHONS = ("3.11", "3.12", "3.13")
PIN = re.compile(r"^([a-z0-9-]+==[^\\\n]+?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def pins(lock: str, python: str = "3.13", patch: int = 0) -> dict[str, str]:
    """Return the versions that a lock has for a Python on Linux."""
    found = [Requirement(text) for text, _ in PIN.findall((ROOT / f"locks/{lock}.txt").read_text())]
    here = {"python_version": python, "python_full_version": f"{python}.{patch}", "sys_platform": "linux"}
    fitting = [each for each in found if each.marker is None or each.marker.evaluate(here)]
    assert len({each.name for each in fitting}) == len(fitting), f"{lock} has a package twice for Python {python}"
    return {each.name: str(each.specifier).removeprefix("==") for each in fitting}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_everything_has_hashes_and_nothing_says_where_it_came_from(path: Path) -> None:
    left = PIN.sub("", path.read_text())
    assert [line for line in left.splitlines() if not line.startswith("#")] == [], "run make lock"
    assert "//" not in path.read_text()


@pytest.mark.parametrize("lock", WANTED)
@pytest.mark.parametrize("python", PYTHONS)
def test_it_has_what_setup_cfg_asks_for(lock: str, python: str) -> None:
    locked = pins(lock, python)
    for line in filter(None, WANTED[lock].splitlines()):
        wanted = Requirement(line)
        assert locked.get(wanted.name.lower(), "none") in wanted.specifier, f"{line}: run make lock"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_agree(python: str) -> None:
    locks = {lock: pins(lock, python) for lock in WANTED if lock != "guest" or python == "3.13"}
    for lock, locked in locks.items():
        for name, version in locked.items():
            assert {
                other: there[name] for other, there in locks.items() if there.get(name, version) != version
            } == {}, lock


def test_the_tests_run_with_what_the_lock_says() -> None:
    """In the environment of the Makefile; without this, a lock could pass that nobody has ever run."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    locked = pins("dev", python, sys.version_info.micro)
    assert {name: importlib.metadata.version(name) for name in locked} == locked


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with two versions of a package, which is all that pip sees."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for version in ("1", "2"):
        info = f"acme-{version}.dist-info"
        with zipfile.ZipFile(folder / f"acme-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("acme.py", f"VERSION = {version}\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def install(shop: Path, digest: str, bits: int, argument: str) -> subprocess.CompletedProcess[str]:
    """Install with a lock that names version 1, on a system of so many bits, into a folder."""
    lock = shop.parent / "lock.txt"
    lock.write_text(f"# a comment\nacme==1 ; sys_platform == 'linux' \\\n    --hash=sha256:{digest}\n")
    programs = shop.parent / "programs"
    programs.mkdir()
    (programs / "getconf").write_text(f"#!/bin/sh\necho {bits}\n")
    (programs / "pip").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shop),
        "PIP_TARGET": str(shop.parent / "target"),
    }
    command = [str(ROOT / "tools/install-locked"), str(programs / "pip"), str(lock), argument]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_what_has_the_hash_of_the_lock_is_installed(shop: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((shop / "acme-1-py3-none-any.whl").read_bytes()).hexdigest()
    ran = install(shop, digest, 64, "acme")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "target/acme.py").read_text() == "VERSION = 1\n"


def test_what_has_another_hash_is_not(shop: Path, tmp_path: Path) -> None:
    ran = install(shop, "0" * 64, 64, "acme")
    assert ran.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in ran.stderr
    assert not (tmp_path / "target/acme.py").exists()


def test_on_32_bits_the_version_is_the_locks_and_that_hashes_are_not_checked_is_said(
    shop: Path, tmp_path: Path
) -> None:
    ran = install(shop, "0" * 64, 32, "acme")
    assert ran.returncode == 0, ran.stderr
    assert "hashes are not checked" in ran.stderr
    assert (tmp_path / "target/acme.py").read_text() == "VERSION = 1\n"


AUDITED = {
    "dependencies": [
        {"name": "acme", "version": "1", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2"]}]},
        {"name": "other", "skip_reason": "not found"},
    ]
}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (
            AUDITED,
            1,
            "acme 1: PYSEC-2026-1, fixed in 2; run make lock\nadvisories: 1 of 2 releases looked up, 1 affected\n",
        ),
        (
            {"dependencies": [{"name": "acme", "version": "1", "vulns": []}]},
            0,
            "advisories: 1 of 2 releases looked up, 0 ",
        ),
        (None, 0, "advisories: 0 of 2 releases looked up, 0 affected\n"),
    ],
)
def test_audit(answer: object, code: int, said: str, tmp_path: Path) -> None:
    """With a program that says what pip-audit says (its JSON format), or what it says without a network."""
    lock = tmp_path / "lock.txt"
    lock.write_text("acme==1 \\\n    --hash=sha256:0\nother==3 ; python_version < '4' \\\n    --hash=sha256:0\n")
    program = tmp_path / "pip-audit"
    words = "echo 'ERROR: no route to host' >&2; exit 1" if answer is None else f"echo '{json.dumps(answer)}'"
    program.write_text(f"#!/bin/sh\n{words}\n")
    program.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, ROOT / "tools/audit", program, lock], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout[: len(said)]) == (code, said)
    assert ("cannot be looked up: ERROR: no route to host" in ran.stderr) is (answer is None)
