"""From an HDMI receiver to HTTP: vivid's HDMI input behind csi_bridge in the installed daemon."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kvmd import edid

from .daemon import STREAM_PORT, Daemon
from .test_capture import has_bars
from .test_csi_bridge import CURRENT, HDMI, MODES, NO_SIGNAL, REASONS, read_edid, send, signal
from .viewer import Part, Viewer
from .vivid import Vivid
from .waiting import eventually, run

MEMORY = Path("/var/lib/kvmd/edid")

CYCLE = ("640x480", "1280x720", "1920x1080", "640x480")


@pytest.fixture
def receiver(vivid: Vivid, daemon: Daemon) -> Iterator[Vivid]:
    """The card, captured by csi_bridge, which remembers no EDID."""
    MEMORY.unlink(missing_ok=True)
    capture_from(daemon, vivid.load(**HDMI))
    yield vivid
    MEMORY.unlink(missing_ok=True)


def capture_from(daemon: Daemon, node: Path, options: str = "") -> None:
    daemon.run_with(f'[capture]\ndriver = "csi_bridge"\noptions = {{ device = "{node}"{options} }}\n')


def capture(daemon: Daemon) -> dict[str, Any]:
    status: dict[str, Any] = daemon.request("GET", "/api/status").json["data"]["capture"]
    return status


def wait_for(daemon: Daemon, **wanted: object) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = capture(daemon)
        return found if all(found[name] == value for name, value in wanted.items()) else None

    return eventually(look, f"a status with {wanted}")


def shows(name: str) -> Callable[[Part], bool]:
    """Tell whether a part is a picture of the source, in one of ``MODES``."""

    def look(part: Part) -> bool:
        width, height = part.size()
        return f"{width}x{height}" == name and has_bars(part.sketch())

    return look


def test_each_signal_mode_is_told_in_status_and_picture(receiver: Vivid, daemon: Daemon) -> None:
    viewer = Viewer(daemon)
    viewer.wait_for(shows("1280x720"), "the colour bars")
    for mode, words in REASONS.items():
        signal(receiver, mode)
        viewer.wait_for(lambda part: not has_bars(part.sketch()), "a slate")
        found = wait_for(daemon, state="no signal")
        assert found["reason"].startswith(words)
        assert (found["cable"], found["timings"], found["resolution"]) == (mode != NO_SIGNAL, None, None)
        answer = daemon.request("GET", "/snapshot?timeout=0", port=STREAM_PORT)
        assert answer.code == 503
        assert not has_bars(Image.open(io.BytesIO(answer.body)).convert("RGB"))
        signal(receiver, CURRENT)
        viewer.wait_for(shows("1280x720"), "the colour bars again")
        assert wait_for(daemon, state="online")["cable"] is True
    assert not viewer.ended.is_set()
    viewer.close()


def test_viewer_sees_each_new_size_on_one_connection(receiver: Vivid, daemon: Daemon) -> None:
    viewer = Viewer(daemon)
    viewer.wait_for(shows("1280x720"), "the colour bars")
    for name in CYCLE:
        send(receiver, name)
        viewer.wait_for(shows(name), name)
        width, height = map(int, name.split("x"))
        found = wait_for(daemon, state="online", resolution={"width": width, "height": height})
        assert found["timings"]["frame_rate"] == found["frame_rate"] == pytest.approx(MODES[name][1], abs=0.01)
    assert not viewer.ended.is_set()
    viewer.close()


def test_edid_over_http_outlives_a_restart_and_a_replug(receiver: Vivid, daemon: Daemon) -> None:
    viewer = Viewer(daemon)
    viewer.wait_for(shows("1280x720"), "the colour bars")
    assert "edid" in capture(daemon)["capabilities"]
    assert bytes.fromhex(daemon.request("GET", "/api/edid").json["data"]["hex"]) == read_edid(receiver)

    answer = daemon.request("PUT", "/api/edid", {"profile": "1080p50-2lane"})
    assert answer.code == 200, answer
    assert read_edid(receiver) == edid.profile("1080p50-2lane")
    assert answer.json["data"]["decoded"]["name"] == "kvmd 1080p50"
    viewer.wait_for(shows("1280x720"), "the colour bars again")
    viewer.close()

    daemon.stop()
    run("v4l2-ctl", f"--device={receiver.node}", "--clear-edid")
    daemon.start()
    eventually(lambda: read_edid(receiver) == edid.profile("1080p50-2lane"), "the EDID after a restart")

    receiver.unbind()
    wait_for(daemon, state="lost")
    receiver.bind()
    eventually(lambda: read_edid(receiver) == edid.profile("1080p50-2lane"), "the EDID after a re-plug")
    wait_for(daemon, state="online")

    assert daemon.request("PUT", "/api/edid", {"clear": True}).code == 200
    assert wait_for(daemon, state="no signal")["reason"].startswith("no signal: the source sends nothing")
    daemon.start()
    wait_for(daemon, state="no signal")
    assert daemon.request("GET", "/api/edid").json["data"]["hex"] == ""


def test_damaged_edid_is_refused_over_http(receiver: Vivid, daemon: Daemon) -> None:
    wait_for(daemon, state="online")
    before = read_edid(receiver)
    broken = bytearray(edid.profile("720p60"))
    broken[200] ^= 1
    answer = daemon.request("PUT", "/api/edid", {"hex": broken.hex()})
    assert answer.code == 400
    assert "block 1" in answer.json["info"]
    assert read_edid(receiver) == before


def test_injected_errors_are_survived_and_counted(receiver: Vivid, daemon: Daemon) -> None:
    viewer = Viewer(daemon)
    viewer.wait_for(shows("1280x720"), "the colour bars")
    since = capture(daemon)["since"]
    injected = ("inject_v4l2_buf_flag_error", "inject_vidioc_qbuf_error", "inject_fatal_streaming_error")
    for count, name in enumerate(injected, 1):
        receiver.control(name, 1)
        wait_for(daemon, dropped=count, state="online")
        viewer.wait_for(shows("1280x720"), f"the colour bars after {name}")
    assert not viewer.ended.is_set()
    viewer.close()
    assert capture(daemon)["since"] == since, "it was never offline"


def test_too_few_lanes_are_told(receiver: Vivid, daemon: Daemon) -> None:
    capture_from(daemon, receiver.node, ", lanes = 1")
    send(receiver, "1920x1080")
    [remark] = eventually(lambda: capture(daemon)["remarks"], "a remark")
    assert remark == (
        "1920x1080 at 50 in UYVY needs 2 CSI lanes, this board has 1: set the source to 25 Hz, or load the EDID 720p60"
    )
    send(receiver, "640x480")
    wait_for(daemon, remarks=[])
