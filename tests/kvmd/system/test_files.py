"""Files that are there whole or not at all, also after a power cut."""

import os
from pathlib import Path

import pytest

from kvmd.system import files
from kvmd.system.files import remove, write_private
from tests.shadow import shadow


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What was brought to the disk, in order: its name, and whether the file was in its place by then."""
    done = []

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        done.append((path.name, (path / "secret").exists()))
        os.fsync(handle)

    shadow(monkeypatch, files, "os", fsync=fsync)
    return done


def test_a_file_is_on_the_disk_before_its_name_is_and_then_the_name(
    tmp_path: Path, synced: list[tuple[str, bool]]
) -> None:
    write_private(tmp_path / "secret", b"one")
    (file, _), folder = synced
    assert file.startswith(".secret.")
    assert folder == (tmp_path.name, True)


def test_folders_that_are_made_are_on_the_disk_as_well(tmp_path: Path, synced: list[tuple[str, bool]]) -> None:
    write_private(tmp_path / "a" / "b" / "secret", b"one")
    assert {("a", False), (tmp_path.name, False)} <= set(synced[:2])
    assert synced[-1] == ("b", True)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_what_is_removed_stays_removed(tmp_path: Path, synced: list[tuple[str, bool]]) -> None:
    path = tmp_path / "secret"
    path.touch()
    remove(path)
    assert synced == [(tmp_path.name, False)]
    remove(path)
    assert len(synced) == 1


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some file systems, and above folders that others own."""
    for replaced, error in (("fsync", OSError(22, "Invalid argument")), ("open", PermissionError(13, "denied"))):

        def fail(file: object, *_: object, error: OSError = error) -> int:
            if isinstance(file, int) and not Path(f"/proc/self/fd/{file}").is_dir():
                return 0
            raise error

        with monkeypatch.context() as patch:
            shadow(patch, files, "os", **{replaced: fail})
            write_private(tmp_path / replaced, b"one")
        assert (tmp_path / replaced).read_bytes() == b"one"


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(5, f"Input/output error at {handle}")

    shadow(monkeypatch, files, "os", fsync=fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_private(tmp_path / "secret", b"one")
    assert list(tmp_path.iterdir()) == []
