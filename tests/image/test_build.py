"""image/build.py: the files that go into an image, and its disk; the whole of it is tried by make image-test."""

import io
import json
import os
import runpy
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from image import build
from kvmd.access.credentials import Credentials
from kvmd.contract import settings
from kvmd.doctor.checks.firmware import in_force

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "image"
PROGRAMS = ("sfdisk", "fakeroot", "mke2fs", "debugfs", "mkfs.vfat", "mcopy", "mdir")
DISK = "01234567"
BOTH = pytest.mark.parametrize("is_read_only", [False, True], ids=["written", "read-only"])
GADGET, BRIDGE = "dtoverlay=dwc2,dr_mode=peripheral", "dtoverlay=tc358743"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems that are made in a moment."""
    for name, size in {"BOOT": 40, "ROOT": 16, "DATA": 8}.items():
        monkeypatch.setattr(build, name, size)


@BOTH
@pytest.mark.parametrize("name", ["pc", "arm64", "rpi"])
def test_the_files_of_every_board_fit_each_other(name: str, is_read_only: bool) -> None:
    board = build.BOARDS[name]
    files = {path: (mode, content.decode()) for path, mode, content in build.files(board, DISK, is_read_only)}
    scripts = {path for path, (_, text) in files.items() if text.startswith("#!")}
    assert scripts == {path for path, (mode, _) in files.items() if mode == 0o755}
    mounted = [line.split()[:2] for line in files["etc/fstab"][1].splitlines()]
    parts = [[f"PARTUUID={DISK}-02", "/"], [f"PARTUUID={DISK}-01", "/boot/firmware"]]
    data = [[f"PARTUUID={DISK}-03", "/data"], ["/data/etc", "/etc/kvmd"], ["/data/var", "/var/lib/kvmd"]]
    assert mounted == parts + (data if is_read_only else [])
    loading = [text for path, (_, text) in files.items() if f"root=PARTUUID={DISK}-02 " in text]
    assert len(loading) == {"pc": 2, "arm64": 1, "rpi": 1}[name]
    assert all(("kvmd.read_only" in text) == is_read_only for text in loading)


@pytest.mark.parametrize(
    ("model", "is_gadget"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", False),  # it would lose its network
        ("Raspberry Pi Zero 2 W Rev 1.0", True),
        ("Raspberry Pi 4 Model B Rev 1.5", True),
        ("Raspberry Pi Compute Module 4 Rev 1.1", True),
        ("Raspberry Pi 5 Model B Rev 1.0", True),
    ],
)
def test_the_overlays_are_those_that_the_doctor_looks_for(model: str, is_gadget: bool) -> None:
    lines = in_force((IMAGE / "rpi/boot/firmware/config.txt").read_text(), model)
    assert (lines.count(GADGET), lines.count(BRIDGE)) == (is_gadget, 1)
    assert "otg_mode=1" not in lines


@pytest.mark.parametrize(
    ("account", "password", "is_taken"),
    [("admin", "that of the page", True), ("admin", "another", False), ("root", "that of the page", False)],
)
def test_the_console_takes_the_password_of_the_page_for_admin_alone(
    account: str, password: str, is_taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "auth.json"
    Credentials(users).set_password("admin", "that of the page")
    kvmd_toml = tmp_path / "kvmd.toml"
    kvmd_toml.write_text(f'auth.file = "{users}"')
    monkeypatch.setattr(settings, "DEFAULT_PATH", kvmd_toml)
    monkeypatch.setenv("PAM_USER", account)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\0"))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(IMAGE / "files/usr/lib/kvmd-image/password"))
    assert (not ended.value.code) == is_taken


@BOTH
@pytest.mark.usefixtures("small")
def test_the_disk_has_everything_in_its_place(
    is_read_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if absent := [program for program in PROGRAMS if shutil.which(program) is None]:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{', '.join(absent)} missing: run make test")
    board = build.BOARDS["rpi"]
    _write_tar(tmp_path / "root.tar", uid=123)
    monkeypatch.chdir(tmp_path.parent)  # make gives it a path that begins where it is
    build.make_disk(board, Path(tmp_path.name), DISK, is_read_only)

    disk = tmp_path / "disk"
    table = json.loads(_output("sfdisk", "--json", disk))["partitiontable"]
    assert table["id"] == f"0x{DISK}"
    *_, last = begins = [each["start"] for each in table["partitions"]]
    assert disk.stat().st_size == (last + table["partitions"][-1]["size"]) * 512
    assert "kernel8" in _output("mdir", "-i", f"{disk}@@{begins[0] * 512}", "::")
    root = f"{disk}?offset={begins[1] * 512}"
    assert not _names(root, "/boot/firmware")
    settings_at = f"{disk}?offset={last * 512}", "/etc" if is_read_only else "/etc/kvmd"
    assert _names(*settings_at) == {"kvmd.toml": "123"}
    if is_read_only:
        assert not _names(root, "/etc/kvmd")
        assert not _names(root, "/var/lib/kvmd")


def _write_tar(path: Path, uid: int) -> None:
    with tarfile.open(path, "w") as tar:
        for name in ("./boot/firmware/kernel8.img", "./etc/kvmd/kvmd.toml", "./var/lib/kvmd/auth.json", "./dev/null"):
            member = tarfile.TarInfo(name)
            member.uid = uid
            tar.addfile(member)


def _names(device: str, folder: str) -> dict[str, str]:
    """Return the files in a folder of a file system, with their owners."""
    lines = _output("debugfs", "-R", f"ls -p {folder}", device).splitlines()
    fields = [line.split("/") for line in lines if line]
    return {each[5]: each[3] for each in fields if each[5] not in {".", ".."}}


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
