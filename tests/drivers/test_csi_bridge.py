"""What the csi_bridge driver decides; tests/kernel/test_csi_bridge.py has the kernel's own answers."""

import contextlib
import errno
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kvmd import (
    Device,
    DeviceLost,
    DriverError,
    Frame,
    NoSignal,
    PixelFormat,
    RequestError,
    Timings,
    edid,
    recall,
    remember,
)
from kvmd.contract.device import best_match
from kvmd_drivers.csi_bridge import CsiBridge, CsiBridgeOptions, media, signals
from kvmd_drivers.v4l2 import V4l2Capture, uapi
from kvmd_drivers.v4l2.capture import ATTEMPTS
from tests.drivers.fake_v4l2 import HD, FakeV4l2, timings
from tests.drivers.test_csi_bridge_media import topology
from tests.waiting import patience

FULL_HD_50 = timings(1920, 1080, 148_500_000, (720, 45))
FULL_HD_60 = timings(1920, 1080, 148_500_000, (280, 45))
NOTHING = uapi.BtTimings()
UNLIMITED = uapi.BtTimingsCap()
TC358743 = uapi.BtTimingsCap(
    min_width=640,
    max_width=1920,
    min_height=350,
    max_height=1200,
    min_pixelclock=13_000_000,
    max_pixelclock=165_000_000,
)


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeV4l2:
    return FakeV4l2(tmp_path, monkeypatch)


@pytest.fixture
def bridge(kernel: FakeV4l2) -> Iterator[Callable[..., CsiBridge]]:
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> CsiBridge:
            driver = CsiBridge(CsiBridgeOptions(device=str(kernel.path), **options), None)
            stack.callback(driver.close)
            driver.open()
            return driver

        yield make


def take(driver: CsiBridge, count: int = 1) -> list[Frame]:
    with contextlib.closing(driver.frames()) as frames:
        return list(itertools.islice(frames, count))


def reason(driver: CsiBridge) -> str:
    with pytest.raises(NoSignal) as raised:
        take(driver)
    return str(raised.value)


def card(name: str, capabilities: str = ":capture:") -> Device:
    udev = {"ID_V4L_PRODUCT": name, "ID_V4L_CAPABILITIES": capabilities}
    return Device("video4linux", "video0", node="/dev/video0", properties=udev)


# -- timings


def test_timings_are_read_with_their_frame_rate() -> None:
    assert signals.read(FULL_HD_60) == Timings(1920, 1080, 60, 148_500_000)
    assert signals.read(FULL_HD_50) == Timings(1920, 1080, 50, 148_500_000)


def test_reduced_frame_rate_counts_where_it_can_be() -> None:
    can, does = uapi.V4L2_DV_FL_CAN_REDUCE_FPS, uapi.V4L2_DV_FL_REDUCED_FPS
    assert signals.read(timings(1920, 1080, 148_500_000, (280, 45), flags=can | does)).frame_rate == 59.94
    assert signals.read(timings(1920, 1080, 148_500_000, (280, 45), flags=can)).frame_rate == 60
    assert signals.read(timings(1920, 1080, 148_500_000, (280, 45), flags=does)).frame_rate == 60


def test_interlaced_timings_have_the_rate_of_their_fields() -> None:
    # CTA-861, VIC 5: 22 and 23 lines of blanking
    raw = timings(1920, 1080, 74_250_000, (280, 22), interlaced=1, il_vfrontporch=23)
    assert signals.read(raw) == Timings(1920, 1080, 60, 74_250_000, interlaced=True)


def test_timings_without_a_size_have_no_rate() -> None:
    assert signals.read(NOTHING) == Timings(0, 0, 0, 0)


# -- reasons


@pytest.mark.parametrize(
    ("error", "cable", "words"),
    [
        (errno.ENOLINK, None, "no signal: the source sends nothing"),
        (errno.ENOLINK, True, "no signal: the source sends nothing; the cable is in"),
        (errno.ENOLINK, False, "no signal: the source sends nothing; the cable is out, or the source is off"),
        (errno.ENOLCK, None, "no lock: the signal is unstable"),
        (errno.ENOLCK, True, "no lock: the signal is unstable; the cable is in"),
        (errno.EIO, None, "no sync: the receiver finds no picture in the signal"),
        (errno.EREMOTEIO, True, "no sync: the receiver finds no picture in the signal; the cable is in"),
        (errno.ETIMEDOUT, None, "no sync: the receiver finds no picture in the signal"),
    ],
)
def test_reason_of_each_answer(error: int, cable: bool | None, words: str) -> None:
    assert signals.fault(error, NOTHING, UNLIMITED, cable) == words


@pytest.mark.parametrize(
    ("raw", "limits", "words"),
    [
        (timings(3840, 2160, 594_000_000), UNLIMITED, "3840x2160 is more than this receiver takes;"),
        (
            timings(3840, 2160, 594_000_000),
            TC358743,
            "3840x2160 is more than this receiver takes (640x350 to 1920x1200, 13 to 165 MHz);",
        ),
        (timings(320, 200, 0), TC358743, "320x200 is less than this receiver takes (640x350"),
        (timings(0, 0, 297_000_000), TC358743, "a pixel clock of 297 MHz is more than this receiver takes"),
        (NOTHING, TC358743, "the source's mode is not what this receiver takes (640x350"),
    ],
)
def test_out_of_range_names_what_is_known(raw: uapi.BtTimings, limits: uapi.BtTimingsCap, words: str) -> None:
    assert signals.fault(errno.ERANGE, raw, limits, True).startswith(f"out of range: {words}")


def test_picture_of_no_size_is_no_signal() -> None:
    assert signals.flaw(NOTHING, None) == "no signal: the source sends nothing"


def test_interlaced_picture_is_refused_in_words() -> None:
    raw = timings(1920, 1080, 74_250_000, (280, 22), interlaced=1, il_vfrontporch=23)
    assert str(signals.flaw(raw, True)).startswith("interlaced: the source sends 1920x1080i at 60")


# -- lanes


@pytest.mark.parametrize(
    ("raw", "bits", "lanes"),
    [(FULL_HD_50, 16, 2), (FULL_HD_60, 16, 3), (FULL_HD_60, 24, 4), (HD, 16, 1), (FULL_HD_50, 24, 3)],
)
def test_lanes_that_a_mode_needs(raw: uapi.BtTimings, bits: int, lanes: int) -> None:
    assert signals.lanes_needed(signals.read(raw), bits) == lanes


def test_too_few_lanes_are_told_with_the_way_out() -> None:
    assert signals.lanes_remark(signals.read(FULL_HD_60), PixelFormat.UYVY, 2) == (
        "1920x1080 at 60 in UYVY needs 3 CSI lanes, this board has 2: "
        "set the source to 50 Hz, or load the EDID 1080p50-2lane"
    )
    assert str(signals.lanes_remark(signals.read(FULL_HD_60), PixelFormat.UYVY, 1)).endswith(
        "this board has 1: set the source to 25 Hz, or load the EDID 720p60"
    )
    huge = Timings(4096, 2160, 60, 594_000_000)
    assert "set the source to a smaller picture" in str(signals.lanes_remark(huge, PixelFormat.RGB24, 1))


@pytest.mark.parametrize("lanes", [None, 3, 4])
def test_enough_lanes_are_no_news(lanes: int | None) -> None:
    assert signals.lanes_remark(signals.read(FULL_HD_60), PixelFormat.UYVY, lanes) is None


@pytest.mark.parametrize(
    ("pixel_format", "lanes", "name"),
    [
        (PixelFormat.UYVY, None, "1080p50-2lane"),
        (PixelFormat.UYVY, 1, "720p60"),
        (PixelFormat.UYVY, 2, "1080p50-2lane"),
        (PixelFormat.UYVY, 4, "1080p60"),
        (PixelFormat.RGB24, 2, "720p60"),
        (PixelFormat.RGB24, 4, "1080p60"),
    ],
)
def test_shipped_edid_fits_the_lanes(pixel_format: PixelFormat, lanes: int | None, name: str) -> None:
    assert signals.edid_for(pixel_format, lanes) == name


def test_shipped_edids_are_those_that_are_known_here() -> None:
    assert list(signals.PROFILES) == edid.profiles()
    for name, most in signals.PROFILES.items():
        modes = edid.decode(edid.profile(name)).modes
        sent = [Timings(mode.width, mode.height, mode.refresh, 0) for mode in modes]
        for bits in (16, 24):
            assert max(signals.lanes_needed(each, bits) for each in sent) == signals.lanes_needed(most, bits)


# -- which EDID is loaded


def test_device_keeps_its_own_edid(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.own_edid = edid.profile("1080p60")
    assert bridge(lanes=2).edid() == edid.profile("1080p60")
    assert kernel.loaded == []


def test_device_without_an_edid_gets_one_that_fits(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    bridge(lanes=2)
    assert kernel.loaded == [edid.profile("1080p50-2lane")]


def test_option_goes_before_the_devices_own(kernel: FakeV4l2, bridge: Callable[..., CsiBridge], tmp_path: Path) -> None:
    kernel.own_edid = edid.profile("1080p60")
    (tmp_path / "edid.hex").write_text(edid.profile("720p60").hex(" "))
    bridge(edid=str(tmp_path / "edid.hex"))
    assert kernel.loaded == [edid.profile("720p60")]


def test_edid_that_is_there_already_is_not_loaded_again(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.own_edid = edid.profile("720p60")
    bridge(edid="720p60")
    assert kernel.loaded == []


@pytest.mark.parametrize("remembered", [edid.profile("720p60"), b""], ids=["set", "cleared"])
def test_remembered_edid_goes_before_the_option(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], remembered: bytes
) -> None:
    kernel.own_edid = edid.profile("1080p60")
    remember("edid", remembered)
    driver = bridge(edid="1080p50-2lane")
    assert kernel.loaded == [remembered]
    assert driver.edid() == remembered
    assert driver.status().remarks == ()


def test_edid_that_is_set_is_remembered_once_the_device_took_it(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge]
) -> None:
    driver = bridge()
    driver.set_edid(edid.profile("720p60"))
    assert recall("edid") == edid.profile("720p60")
    kernel.failures["S_EDID"] = [errno.EINVAL]
    with pytest.raises(DriverError, match=f"^{kernel.path}: the device refuses this EDID"):
        driver.set_edid(edid.profile("1080p60"))
    assert recall("edid") == driver.edid() == edid.profile("720p60")
    driver.set_edid(b"")
    assert recall("edid") == driver.edid() == b""


def test_damaged_edid_never_reaches_the_device(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    kernel.loaded.clear()
    with pytest.raises(RequestError, match="block 0"):
        driver.set_edid(edid.profile("720p60")[:-130] + bytes(130))
    assert kernel.loaded == []
    assert recall("edid") is None


def test_edid_in_force_that_cannot_be_remembered_is_told(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], memory: Path
) -> None:
    driver = bridge()
    memory.write_text("a file, where the folder should be")
    with pytest.raises(DriverError, match="is in force, but would not outlive a restart"):
        driver.set_edid(edid.profile("720p60"))
    assert kernel.own_edid == edid.profile("720p60")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("/nowhere", "/nowhere"),
        ("{broken}", "block 0: "),
    ],
)
def test_edid_that_cannot_be_loaded_is_told_and_keeps_no_picture_away(
    bridge: Callable[..., CsiBridge], tmp_path: Path, option: str, complaint: str
) -> None:
    (tmp_path / "broken").write_bytes(bytes(128))
    driver = bridge(edid=option.format(broken=tmp_path / "broken"))
    [remark] = driver.status().remarks
    assert remark.startswith("the EDID could not be loaded: ")
    assert complaint in remark
    assert take(driver)
    driver.set_edid(edid.profile("720p60"))
    assert driver.status().remarks == ()


def test_device_that_keeps_its_edid_to_itself(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.failures["G_EDID"] = [errno.ENOTTY] * 3
    assert bridge().status().remarks == ()
    [remark] = bridge(edid="720p60").status().remarks
    assert "has no EDID that could be read or set" in remark
    driver = bridge()
    kernel.failures["G_EDID"] = [errno.ENOTTY]
    with pytest.raises(DriverError, match="has no EDID that could be read or set"):
        driver.edid()


def test_edid_of_a_closed_driver() -> None:
    driver = CsiBridge(CsiBridgeOptions(device="/dev/video0"), None)
    for call in (driver.edid, lambda: driver.set_edid(b"")):
        with pytest.raises(DriverError, match=r"^/dev/video0 is not open"):
            call()
    assert driver.timings() is None


# -- following the source


def test_timings_of_the_source_are_set_before_the_picture(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    [frame] = take(driver)
    assert bytes(kernel.set[-1].bt) == bytes(HD)
    assert (frame.width, frame.height, frame.format) == (1280, 720, PixelFormat.UYVY)
    status, measured = driver.status(), driver.timings()
    assert status.signal is not None
    assert measured is not None
    assert (status.signal.frame_rate, status.cable, measured.width) == (60, True, 1280)


@pytest.mark.parametrize("error", [errno.ENOLINK, errno.ENOLCK, errno.ERANGE, errno.EIO, errno.ETIMEDOUT])
def test_missing_signal_is_asked_for_again_until_it_is_there(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], error: int
) -> None:
    driver = bridge()
    take(driver)
    kernel.failures["QUERY_DV_TIMINGS"] = [error, error]
    assert reason(driver) == reason(driver)
    assert driver.status().signal is None
    assert driver.timings() is None
    assert take(driver)


def test_cable_is_unknown_where_there_is_no_such_control(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.power = None
    kernel.failures["QUERY_DV_TIMINGS"] = [errno.ENOLINK]
    driver = bridge()
    assert reason(driver) == "no signal: the source sends nothing"
    assert driver.status().cable is None


def test_timings_that_are_measured_but_not_taken_are_out_of_range(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge]
) -> None:
    kernel.failures["S_DV_TIMINGS"] = [errno.ERANGE]
    assert reason(bridge()).startswith("out of range: 1280x720")


@pytest.mark.parametrize(
    ("error", "words"), [(errno.ENODATA, "choose an HDMI input"), (errno.ENOTTY, "it has no timings to measure")]
)
def test_node_without_timings_is_told(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], error: int, words: str
) -> None:
    driver = bridge()
    kernel.failures["QUERY_DV_TIMINGS"] = [error]
    with pytest.raises(DriverError, match=words) as raised:
        take(driver)
    assert not isinstance(raised.value, NoSignal)


def test_rk628_that_pretends_a_signal_has_none(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    pretence = timings(640, 480, 25_175_000, (160, 45), flags=uapi.V4L2_DV_FL_HAS_CEA861_VIC, cea861_vic=1)
    kernel.source = pretence
    assert take(bridge())[0].width == 640
    kernel.card = b"rk628-csi"
    driver = bridge()
    assert reason(driver).startswith("no signal: the source sends nothing")
    kernel.source = HD
    assert take(driver)[0].width == 1280


def test_other_format_where_uyvy_is_not_offered(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.formats = ["BGR3", "NV12"]
    assert take(bridge())[0].format is PixelFormat.NV12
    with pytest.raises(DriverError, match="does not offer YUYV; it offers NV12, BGR24: 1280x720"):
        take(bridge(format=PixelFormat.YUYV))


def test_red_and_blue_are_swapped_where_the_board_does_so(bridge: Callable[..., CsiBridge]) -> None:
    assert take(bridge(format=PixelFormat.RGB24))[0].format is PixelFormat.RGB24
    driver = bridge(format=PixelFormat.RGB24, swap_red_blue=True)
    assert take(driver)[0].format is PixelFormat.BGR24
    signal = driver.status().signal
    assert signal is not None
    assert signal.format is PixelFormat.BGR24


def test_status_tells_too_few_lanes(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    kernel.source = FULL_HD_60
    driver = bridge(lanes=2)
    take(driver)
    [remark] = driver.status().remarks
    assert "needs 3 CSI lanes, this board has 2" in remark
    kernel.source = FULL_HD_50
    take(driver)
    assert driver.status().remarks == ()


def test_silence_with_a_signal_is_told_as_such(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge(timeout=0.1)
    kernel.failures["DQBUF"] = [errno.EAGAIN] * 100_000
    assert reason(driver) == "no frames for 0.1 s, though the source sends 1280x720 at 60"
    kernel.failures["QUERY_DV_TIMINGS"] = [0, errno.ENOLINK]
    assert reason(driver).startswith("no signal: the source sends nothing")


def test_close_ends_the_wait_for_a_signal(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    kernel.failures["QUERY_DV_TIMINGS"] = [errno.ENOLINK]
    reason(driver)
    frames: list[Frame] = []
    waiting = threading.Thread(target=lambda: frames.extend(driver.frames()))
    driver._lock.acquire()
    waiting.start()
    driver._closing.set()
    driver._lock.release()
    waiting.join(patience())
    assert not waiting.is_alive()
    assert frames == []


# -- a receiver of its own


def graph_to(video: Path | str, receiver: Path) -> media.Topology:
    """A Raspberry Pi 5's graph, with nodes that are here."""
    seen = topology()
    ours = {"/dev/video0": str(video), "/dev/v4l-subdev2": str(receiver)}
    return msgspec.structs.replace(seen, nodes={key: ours.get(node, node) for key, node in seen.nodes.items()})


@pytest.fixture
def subdevice(kernel: FakeV4l2, tmp_path: Path) -> Path:
    kernel.failures["G_DV_TIMINGS"] = [errno.ENOTTY]
    node = tmp_path / "v4l-subdev2"
    node.touch()
    return node


def test_receiver_beside_the_node_is_found_and_its_pictures_led_there(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], subdevice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[media.Plan] = []
    monkeypatch.setattr(media, "find", lambda _: graph_to(kernel.path, subdevice))
    monkeypatch.setattr(media, "apply", applied.append)
    driver = bridge()
    assert driver._receiver is not None
    assert driver._receiver.path == str(subdevice)
    take(driver)
    assert [(planned.video, planned.size) for planned in applied] == [(str(kernel.path), (1280, 720))]


def test_links_that_others_have_changed_meanwhile_are_set_again(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], subdevice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = others = graph_to(kernel.path, subdevice)
    applied = []

    def apply(planned: media.Plan) -> None:
        nonlocal graph
        applied.append(planned.links)
        ours = {(link.source, link.sink): link for link in planned.links}
        links = tuple(ours.get((link.source, link.sink), link) for link in graph.links)
        graph = msgspec.structs.replace(graph, links=links)

    monkeypatch.setattr(media, "find", lambda _: graph)
    monkeypatch.setattr(media, "apply", apply)
    driver = bridge()
    take(driver)
    take(driver)
    assert applied[0]
    assert applied[1] == (), "all is as it was left"
    graph = others
    take(driver)
    assert applied[2] == applied[0]


def test_media_device_that_is_gone_is_the_devices_loss(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], subdevice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [graph_to(kernel.path, subdevice), None]
    monkeypatch.setattr(media, "find", lambda _: found.pop(0))
    driver = bridge()
    with pytest.raises(DeviceLost, match="the device is gone"):
        take(driver)


def test_node_that_gets_no_pictures_is_told(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge], subdevice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "find", lambda _: graph_to("/dev/video7", subdevice))
    with pytest.raises(DriverError, match=f"^{kernel.path} gets no pictures, they come to /dev/video7; name that"):
        take(bridge())


# -- a device that fails


def test_errors_that_pass_are_survived_and_counted(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    with contextlib.closing(driver.frames()) as frames:
        last = next(frames).sequence
        for _ in range(3):
            kernel.failures["DQBUF"] = [errno.EIO] * ATTEMPTS
            before, last = last, next(frames).sequence
            assert before < last
    assert driver.status().dropped == 3 * ATTEMPTS
    assert kernel.starts == 1 + 3 * ATTEMPTS


def test_pictures_that_the_kernel_does_not_count_are_counted(
    kernel: FakeV4l2, bridge: Callable[..., CsiBridge]
) -> None:
    kernel.counts = False
    with contextlib.closing(bridge().frames()) as frames:
        assert [next(frames).sequence for _ in range(4)] == [0, 1, 2, 3]


def test_device_that_fails_again_and_again_is_lost(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    kernel.failures["DQBUF"] = [errno.EIO] * (ATTEMPTS + 1)
    with pytest.raises(DeviceLost, match="the device failed"):
        take(driver)
    assert driver.status().signal is None


def test_device_that_is_gone_is_lost_at_once(kernel: FakeV4l2, bridge: Callable[..., CsiBridge]) -> None:
    driver = bridge()
    kernel.failures["DQBUF"] = [errno.ENODEV]
    with pytest.raises(DeviceLost, match="the device is gone"):
        take(driver)
    assert kernel.starts == 1


# -- options and matches


def test_options_by_their_names() -> None:
    options = msgspec.convert({"edid": "720p60", "lanes": 2, "format": "RGB24"}, CsiBridgeOptions)
    assert (options.edid, options.lanes, options.format) == ("720p60", 2, PixelFormat.RGB24)


@pytest.mark.parametrize(
    ("given", "complaint"), [({"lanes": 0}, "lanes"), ({"lanes": 8}, "lanes"), ({"width": 1}, "width")]
)
def test_wrong_options_are_named(given: dict[str, int], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(given, CsiBridgeOptions)


@pytest.mark.parametrize(
    "name", ["unicam", "rp1-cfe", "rkcif", "rkcif-mipi-lvds", "rk_hdmirx", "snps_hdmirx", "tc358743"]
)
def test_bridges_are_taken_before_v4l2_takes_them(name: str) -> None:
    assert best_match(CsiBridge.matches, card(name)) > best_match(V4l2Capture.matches, card(name)) > 0


@pytest.mark.parametrize("name", ["unicam", "rp1-cfe"])
def test_metadata_node_does_not_match(name: str) -> None:
    assert best_match(CsiBridge.matches, card(name, ":")) == 0


@pytest.mark.parametrize("name", ["vivid", "bcm2835-isp", "USB Video"])
def test_other_nodes_are_left_to_others(name: str) -> None:
    assert best_match(CsiBridge.matches, card(name)) == 0


def test_camera_port_goes_behind_a_known_dongle() -> None:
    dongle = {"ID_VENDOR_ID": "534d", "ID_MODEL_ID": "2109", "ID_BUS": "usb", "ID_V4L_CAPABILITIES": ":capture:"}
    score = best_match(V4l2Capture.matches, Device("video4linux", "video1", properties=dongle))
    assert 50 < best_match(CsiBridge.matches, card("unicam")) < score
