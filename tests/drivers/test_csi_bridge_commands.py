"""``kvmd edid`` on files; tests/kernel/test_edid.py has the devices."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from kvmd import DriverError, RequestError, edid
from kvmd_drivers.csi_bridge.commands import edid_commands

OURS = edid.profile("1080p60")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in a folder of its own; return what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(edid_commands, arguments, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return run


@pytest.fixture
def damaged(tmp_path: Path) -> str:
    (tmp_path / "damaged.bin").write_bytes(OURS[:-1] + b"\0")
    return "damaged.bin"


class TestShow:
    def test_a_profile(self, run: Callable[..., str]) -> None:
        lines = run("show", "1080p60").splitlines()
        assert lines[0] == "kvmd 1080p60: maker KVH, product 1, serial 1"
        assert lines[1] == "  EDID 1.3, 2 blocks, HDMI, of week 1 of 2025"
        assert lines[2] == "  1920x1080@60     148.50 MHz  detailed, preferred, native"
        assert "  1920x1080@50     148.50 MHz  VIC 31" in lines
        assert "  1280x1024@60                 standard" in lines
        assert lines[-2:] == ["  stereo LPCM at 32, 44.1 and 48 kHz", "  LPCM, 2 channels, at 32, 44.1, 48 kHz"]

    def test_a_file_as_json(self, run: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "own.hex").write_text(OURS.hex(" "))
        told = json.loads(run("show", "own.hex", "--json"))
        assert told["hex"] == OURS.hex()
        assert told["decoded"]["preferred"]["name"] == "1920x1080@60"

    def test_a_damaged_one_is_shown_too(self, run: Callable[..., str], damaged: str) -> None:
        lines = run("show", damaged).splitlines()
        assert lines[0].startswith("damaged: block 1: its sum is 0x00 and has to be 0x")
        assert lines[1].startswith("kvmd 1080p60: ")

    def test_one_that_cannot_be_read(self, run: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "zeros").write_bytes(bytes(128))
        assert run("show", "zeros").splitlines()[1] == "it cannot be read"

    def test_no_such_file(self, run: Callable[..., str]) -> None:
        with pytest.raises(RequestError) as raised:
            run("show", "4k")
        assert str(raised.value) == (
            "4k cannot be read (No such file or directory); name a file or one of 1080p60, 1080p50-2lane, 720p60"
        )


class TestEdit:
    def test_a_profile_into_a_file(self, run: Callable[..., str], tmp_path: Path) -> None:
        changes = ("--name", "Rack 7", "--serial", "4711", "--preferred", "1920x1080@50")
        assert run("edit", "1080p60", *changes, "--output", "own.bin") == ""
        wanted = edid.edit(OURS, name="Rack 7", serial=4711, preferred="1920x1080@50")
        assert (tmp_path / "own.bin").read_bytes() == wanted

    def test_mend(self, run: Callable[..., str], damaged: str, tmp_path: Path) -> None:
        run("edit", damaged, "--mend", "--output", "mended.bin")
        assert (tmp_path / "mended.bin").read_bytes() == OURS

    def test_a_damaged_one_is_refused_and_nothing_written(
        self, run: Callable[..., str], damaged: str, tmp_path: Path
    ) -> None:
        with pytest.raises(RequestError, match=r"^block 1: its sum is 0x00 and has to be"):
            run("edit", damaged, "--name", "x", "--output", "own.bin")
        assert not (tmp_path / "own.bin").exists()

    def test_where_it_cannot_be_written(self, run: Callable[..., str]) -> None:
        with pytest.raises(DriverError, match=r"^nowhere/own\.bin cannot be written: No such file or directory$"):
            run("edit", "720p60", "--name", "x", "--output", "nowhere/own.bin")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("edit", "720p60", "--name", "x"), "give --output, a file for the result"),
            (("edit", "720p60", "--output", "x"), "give one or more of --name, --serial, --preferred, --mend"),
            (("set",), "name a FILE or PROFILE, or --clear"),
            (("set", "720p60", "--clear"), "name a FILE or PROFILE, or --clear"),
        ],
    )
    def test_what_makes_no_sense(self, run: Callable[..., str], arguments: tuple[str, ...], words: str) -> None:
        assert words in run(*arguments, code=2)


def test_a_damaged_file_is_refused_before_a_device_is_looked_for(run: Callable[..., str], damaged: str) -> None:
    with pytest.raises(RequestError, match=r"^block 1: its sum is 0x00 and has to be"):
        run("set", damaged, "--device", "/dev/null")


def test_a_node_that_has_none(run: Callable[..., str]) -> None:
    with pytest.raises(DriverError, match=r"^/dev/null has no EDID; without --device, one that has is found$"):
        run("set", "720p60", "--device", "/dev/null")
