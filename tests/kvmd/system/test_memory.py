"""What drivers remember: whole, private, and gone when it is to be."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kvmd import DriverError, forget, recall, remember


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(path))
    return path


def test_nothing_is_remembered_at_first() -> None:
    assert recall("edid") is None


def test_what_is_remembered_is_there_until_it_is_forgotten(folder: Path) -> None:
    remember("edid", b"one")
    remember("edid", b"")
    assert recall("edid") == b""
    forget("edid")
    forget("edid")
    assert recall("edid") is None
    assert list(folder.iterdir()) == []


def test_it_is_readable_by_its_owner_alone(folder: Path) -> None:
    remember("edid", b"one")
    assert stat.S_IMODE((folder / "edid").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_remembers_belongs_to_the_daemon(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    remember("edid", b"one")
    assert ((folder / "edid").stat().st_uid, (folder / "edid").stat().st_gid) == (1234, 1234)


def test_a_folder_that_is_none_is_named(folder: Path) -> None:
    folder.write_text("a file")
    acts: list[Callable[[], object]] = [
        lambda: remember("edid", b"one"),
        lambda: recall("edid"),
        lambda: forget("edid"),
    ]
    for act in acts:
        with pytest.raises(DriverError, match=f"^{folder}/edid cannot be "):
            act()


def test_what_cannot_be_kept_leaves_nothing_behind(folder: Path) -> None:
    (folder / "edid").mkdir(parents=True)
    with pytest.raises(DriverError, match="cannot be written"):
        remember("edid", b"one")
    assert [path.name for path in folder.iterdir()] == ["edid"]
