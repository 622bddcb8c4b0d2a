"""`kvmd edid` on a real kernel: vivid's HDMI input keeps the EDID that its source would see."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from kvmd import DeviceAbsent, DriverError, RequestError, edid, recall
from kvmd.contract.device import device_at
from kvmd_drivers.csi_bridge import CsiBridge, CsiBridgeOptions
from kvmd_drivers.csi_bridge.commands import edid_commands

from .vivid import Vivid
from .waiting import run as run_program

Command = Callable[..., str]

pytestmark = pytest.mark.usefixtures("units_masked")


@pytest.fixture(scope="module")
def hdmi() -> Iterator[Path]:
    """An HDMI input."""
    card = Vivid()
    yield card.load(num_inputs=1, input_types=3)
    card.unload()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `kvmd edid`, which remembers in a folder of its own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(edid_commands, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def in_force(node: Path) -> bytes:
    """The EDID as another program reads it."""
    return edid.read(run_program("v4l2-ctl", f"--device={node}", "--get-edid=format=hex").encode())


def test_set_and_show(hdmi: Path, run: Command) -> None:
    for name in edid.profiles():
        assert run("set", name) == f"{hdmi}: the source sees {run('show', name).splitlines()[0]}\n"
        assert in_force(hdmi) == edid.profile(name)
        assert recall(edid.REMEMBERED) == edid.profile(name)
        assert run("show") == run("show", name)


def test_a_file_with_wrong_sums(hdmi: Path, run: Command, tmp_path: Path) -> None:
    run("set", "720p60")
    wrong = tmp_path / "wrong.hex"
    wrong.write_text(edid.profile("1080p60")[:-1].hex() + "00")
    with pytest.raises(RequestError, match=r"^block 1: its sum is 0x00 and has to be 0x[0-9a-f]{2}; let it be mended"):
        run("set", str(wrong))
    assert in_force(hdmi) == recall(edid.REMEMBERED) == edid.profile("720p60")
    run("set", str(wrong), "--mend")
    assert in_force(hdmi) == edid.profile("1080p60")


def test_edit_what_the_device_has(hdmi: Path, run: Command, tmp_path: Path) -> None:
    run("set", "1080p60")
    run("edit", "--name", "Rack 7", "--preferred", "1920x1080@50", "--device", str(hdmi))
    wanted = edid.edit(edid.profile("1080p60"), name="Rack 7", preferred="1920x1080@50")
    assert in_force(hdmi) == recall(edid.REMEMBERED) == wanted
    run("edit", "--serial", "9", "--output", str(tmp_path / "own.bin"))
    assert (tmp_path / "own.bin").read_bytes() == edid.edit(wanted, serial=9)
    assert in_force(hdmi) == wanted


def test_a_device_that_captures_is_told_with_the_way_out(hdmi: Path, run: Command) -> None:
    run("set", "1080p60")
    driver = CsiBridge(CsiBridgeOptions(device=str(hdmi)), device_at(str(hdmi)))
    driver.open()
    frames = driver.frames()
    next(frames)
    with pytest.raises(DriverError, match=rf"^{hdmi} is capturing, .* use PUT /api/edid, or stop kvmd$"):
        run("set", "720p60")
    driver.close()
    assert in_force(hdmi) == recall(edid.REMEMBERED) == edid.profile("1080p60")


def test_clear(hdmi: Path, run: Command) -> None:
    run("set", "1080p60")
    assert run("set", "--clear") == f"{hdmi}: the source sees none\n"
    assert recall(edid.REMEMBERED) == b""
    assert run("show") == "no EDID\n"
    with pytest.raises(RequestError, match=r"has no EDID that could be edited; set one first$"):
        run("edit", "--name", "x")


def test_what_was_set_goes_before_the_options_when_the_driver_opens(hdmi: Path, run: Command) -> None:
    run("set", "1080p50-2lane")
    run_program("v4l2-ctl", f"--device={hdmi}", "--clear-edid")
    driver = CsiBridge(CsiBridgeOptions(device=str(hdmi), edid="720p60"), device_at(str(hdmi)))
    driver.open()
    try:
        assert driver.edid() == edid.profile("1080p50-2lane")
    finally:
        driver.close()
    assert in_force(hdmi) == edid.profile("1080p50-2lane")


def test_more_blocks_than_the_device_takes(hdmi: Path, run: Command, tmp_path: Path) -> None:
    run("set", "720p60")
    long = tmp_path / "long.bin"
    long.write_bytes(edid.mend(edid.profile("720p60") + edid.profile("720p60")[128:] * 254))
    with pytest.raises(DriverError, match="it has 256 blocks and the device takes"):
        run("set", str(long))
    assert in_force(hdmi) == recall(edid.REMEMBERED) == edid.profile("720p60")


def test_no_device(vivid: Vivid, run: Command) -> None:
    vivid.unload()
    with pytest.raises(DeviceAbsent, match=r"^no device has an EDID that could be set; plug one in"):
        run("show")
