"""The chroots and packages; what is slow to make is kept in the user's cache."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kvmd

from . import chroots, packages
from .machine import Machine

PROGRAMS = ("mmdebstrap", "dpkg-deb", "unshare")


def missing() -> str:
    """Why there can be no chroot on this machine; an empty string where there can."""
    if os.geteuid() != 0:
        return "chroots need root: run as root, as in CI"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"chroots need {', '.join(absent)}: run make test" if absent else ""


@pytest.fixture(scope="session")
def new_machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Machine]]:
    """How a test gets a bare system of a Debian release."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    made: list[Path] = []

    def make(suite: str) -> Machine:
        tar = chroots.cached(suite, packages.wanted(), reporter.write_line if reporter else print)
        root = tmp_path_factory.mktemp(suite)
        made.append(root)
        subprocess.run(["tar", "--extract", "--numeric-owner", f"--file={tar}", f"--directory={root}"], check=True)
        root.chmod(0o755)
        return Machine(root)

    yield make
    for root in made:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def debian_13(new_machine: Callable[[str], Machine]) -> Machine:
    """A Debian 13 that tests share which leave nothing of kvmd there, or heed nothing that is."""
    return new_machine(chroots.NEW)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout, as `make deb` builds it."""
    return packages.build(kvmd.__version__, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an earlier version."""
    return packages.build("0.0.1", tmp_path_factory.mktemp("earlier"))
