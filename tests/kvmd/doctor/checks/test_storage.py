"""The disk of the daemon's folder."""

import os
from pathlib import Path

import pytest

from kvmd.contract.settings import AuthSettings, Settings
from kvmd.doctor.checks import storage
from tests.kvmd.doctor.conftest import Tree


@pytest.mark.parametrize(
    ("free", "total", "kinds"),
    [
        (5000, 32000, []),
        (150, 32000, ["disk-low"]),
        (10, 32000, ["disk-full"]),
        (0, 32000, ["disk-full"]),
        (60, 100, []),
        (8, 100, ["disk-low"]),
        (0, 0, []),
    ],
)
def test_how_much_is_little(free: int, total: int, kinds: list[str]) -> None:
    assert [found.kind for found in storage.judge(Path("/"), free, total)] == kinds


def test_a_folder_that_is_not_there_yet_is_judged_where_it_will_be(tree: Tree) -> None:
    assert storage._existing(tree.state) == tree.root
    assert "read-only" not in tree.kinds(storage)


def test_a_file_system_that_is_read_only(tree: Tree) -> None:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    folders = [Path(fields[1]) for fields in mounts if "ro" in fields[3].split(",") and Path(fields[1]).is_dir()]
    folder = next((each for each in folders if os.statvfs(each).f_flag & os.ST_RDONLY), None)
    if folder is None:
        pytest.skip("everything can be written here")
    found = tree.look(storage, settings=Settings(auth=AuthSettings(file=str(folder / "auth.json"))))
    assert found[0].kind == "read-only"
