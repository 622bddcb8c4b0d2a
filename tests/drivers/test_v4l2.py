"""What the v4l2 driver decides, without a device; tests/kernel/test_v4l2.py has the kernel's own."""

import os
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from kvmd import Device, DeviceAbsent, DriverError, PixelFormat, YcbcrEncoding
from kvmd.contract.device import best_match
from kvmd_drivers.v4l2 import V4l2Capture, V4l2Options, uapi
from kvmd_drivers.v4l2.formats import PREFERENCE, Layout, Mode, choose, describe
from kvmd_drivers.v4l2.node import Capability, NodeFormat, Size, fourcc, number

FULL_HD = Size(1920, 1080)
HD = Size(1280, 720)
VGA = Size(640, 480)

# as an MS2109 lists them
DONGLE = [
    Mode(PixelFormat.MJPEG, FULL_HD, Fraction(30)),
    Mode(PixelFormat.MJPEG, HD, Fraction(60)),
    Mode(PixelFormat.MJPEG, VGA, Fraction(60)),
    Mode(PixelFormat.YUYV, FULL_HD, Fraction(5)),
    Mode(PixelFormat.YUYV, VGA, Fraction(30)),
]


def jpeg(size: int = 1000, tail: bytes = b"\xff\xd9") -> memoryview:
    return memoryview(b"\xff\xd8" + b"\x55" * (size - 2 - len(tail)) + tail)


def node_format(code: str, width: int = 640, height: int = 480, **fields: int) -> NodeFormat:
    values = {"stride": 0, "planes": 1, "field": 1, "colorspace": 0, "quantization": 0, "ycbcr_encoding": 0} | fields
    return NodeFormat(code, Size(width, height), **values)


def usb(**properties: str) -> Device:
    udev = {"ID_BUS": "usb", "ID_V4L_CAPABILITIES": ":capture:", **properties}
    return Device("video4linux", "video0", node="/dev/video0", properties=udev)


def open_files(path: str) -> int:
    """How often this process has a file open."""
    return sum(os.path.realpath(each) == path for each in Path("/proc/self/fd").iterdir())


# -- choice


def test_every_pixel_format_has_its_place() -> None:
    assert sorted(PREFERENCE, key=str) == sorted(PixelFormat, key=str)


def test_dongle_gives_its_largest_mjpeg() -> None:
    assert choose(DONGLE, None, None, None) == DONGLE[0]


def test_wanted_frame_rate_goes_before_size() -> None:
    assert choose(DONGLE, None, None, Fraction(60)) == DONGLE[1]


def test_low_wanted_frame_rate_leaves_the_format() -> None:
    assert choose(DONGLE, None, None, Fraction(5)) == DONGLE[0]


def test_wanted_size_is_kept_to() -> None:
    assert choose(DONGLE, None, VGA, None) == DONGLE[2]


def test_wanted_format_is_kept_to_and_fluent_goes_before_large() -> None:
    assert choose(DONGLE, PixelFormat.YUYV, None, None) == DONGLE[4]


def test_wanted_format_at_a_wanted_size_may_be_slow() -> None:
    assert choose(DONGLE, PixelFormat.YUYV, FULL_HD, None) == DONGLE[3]


def test_larger_picture_has_to_be_fluent() -> None:
    slow = Mode(PixelFormat.MJPEG, Size(3840, 2160), Fraction(5))
    assert choose([slow, *DONGLE], None, None, None) == DONGLE[0]


def test_where_nothing_is_fluent_the_fastest_wins() -> None:
    modes = [Mode(PixelFormat.YUYV, FULL_HD, Fraction(5)), Mode(PixelFormat.YUYV, HD, Fraction(10))]
    assert choose(modes, None, None, None) == modes[1]


def test_unknown_frame_rate_counts_as_fluent() -> None:
    modes = [Mode(PixelFormat.YUYV, FULL_HD), Mode(PixelFormat.YUYV, VGA, Fraction(60))]
    assert choose(modes, None, None, None) == modes[0]


def test_raw_formats_by_cost() -> None:
    modes = [Mode(each, HD, Fraction(60)) for each in reversed(PREFERENCE[1:])]
    assert choose(modes, None, None, None) == Mode(PixelFormat.YU12, HD, Fraction(60))


@pytest.mark.parametrize(("wanted", "size"), [(PixelFormat.NV12, None), (None, Size(800, 600)), (PixelFormat.YUYV, HD)])
def test_what_is_not_there_is_not_chosen(wanted: PixelFormat | None, size: Size | None) -> None:
    assert choose(DONGLE, wanted, size, None) is None


def test_modes_in_words() -> None:
    words = "MJPEG: 1920x1080 at 30, 1280x720 at 60, 640x480 at 60; YUYV: 1920x1080 at 5, 640x480 at 30"
    assert describe(DONGLE) == words
    assert describe([Mode(PixelFormat.NV12, HD), Mode(PixelFormat.YUYV, HD)]) == "NV12, YUYV: 1280x720"
    assert describe([]) == "nothing that kvmd can use"


# -- layout


@pytest.mark.parametrize(
    ("code", "stride", "length"),
    [
        ("YUYV", 1280, 614400),
        ("UYVY", 1280, 614400),
        ("NV12", 640, 460800),
        ("YU12", 640, 460800),
        ("RGB3", 1920, 921600),
        ("BGR3", 1920, 921600),
        ("GREY", 640, 307200),
    ],
)
def test_raw_picture_without_padding(code: str, stride: int, length: int) -> None:
    # a driver may leave the stride out
    for told in (0, stride):
        layout = Layout.of(node_format(code, stride=told))
        assert (layout.stride, layout.length) == (stride, length)


@pytest.mark.parametrize(("code", "length"), [("YUYV", 737280), ("NV12", 1105920), ("YU12", 1105920)])
def test_padded_lines_count(code: str, length: int) -> None:
    assert Layout.of(node_format(code, stride=1536)).length == length


def test_odd_height_has_its_last_chroma_line() -> None:
    assert Layout.of(node_format("NV12", 4, 3, stride=4)).length == 4 * 3 + 4 * 2
    assert Layout.of(node_format("YU12", 4, 3, stride=4)).length == 4 * 3 + 2 * 2 * 2


def test_short_picture_is_not_whole() -> None:
    layout = Layout.of(node_format("GREY", 64, 48))
    assert layout.is_whole(memoryview(bytes(64 * 48)))
    assert not layout.is_whole(memoryview(bytes(64 * 48 - 1)))
    assert not layout.is_whole(memoryview(b""))


@pytest.mark.parametrize(
    ("code", "colorspace", "quantization", "full"),
    [
        ("YUYV", 8, 0, False),  # sRGB, as webcams say
        ("YUYV", uapi.V4L2_COLORSPACE_JPEG, 0, True),
        ("YUYV", uapi.V4L2_COLORSPACE_JPEG, 2, False),
        ("YUYV", 3, uapi.V4L2_QUANTIZATION_FULL_RANGE, True),
        ("GREY", 8, 0, False),
        ("RGB3", 8, 0, True),
        ("BGR3", 8, 2, False),
        ("MJPG", 8, 0, True),
    ],
)
def test_range_by_the_headers_rule(code: str, colorspace: int, quantization: int, full: bool) -> None:
    assert Layout.of(node_format(code, colorspace=colorspace, quantization=quantization)).full_range is full


@pytest.mark.parametrize(
    ("colorspace", "ycbcr_encoding", "encoding"),
    [
        (8, 0, YcbcrEncoding.BT601),  # sRGB, as webcams say
        (uapi.V4L2_COLORSPACE_REC709, 0, YcbcrEncoding.BT709),
        (uapi.V4L2_COLORSPACE_REC709, 1, YcbcrEncoding.BT601),
        (uapi.V4L2_COLORSPACE_DCI_P3, 0, YcbcrEncoding.BT709),
        (8, uapi.V4L2_YCBCR_ENC_709, YcbcrEncoding.BT709),
        (8, uapi.V4L2_YCBCR_ENC_XV709, YcbcrEncoding.BT709),
    ],
)
def test_encoding_by_the_headers_rule(colorspace: int, ycbcr_encoding: int, encoding: YcbcrEncoding) -> None:
    raw = node_format("YUYV", colorspace=colorspace, ycbcr_encoding=ycbcr_encoding)
    assert Layout.of(raw).encoding is encoding


# -- JPEG


def test_mjpeg_has_neither_stride_nor_length() -> None:
    layout = Layout.of(node_format("MJPG", stride=1280))
    assert (layout.stride, layout.length) == (0, None)
    assert layout.is_whole(jpeg())
    assert not layout.is_whole(jpeg(tail=b""))


# -- nodes


@pytest.mark.parametrize(
    ("flags", "refusal"),
    [
        (uapi.V4L2_CAP_VIDEO_CAPTURE | uapi.V4L2_CAP_STREAMING, ""),
        (uapi.V4L2_CAP_VIDEO_CAPTURE_MPLANE | uapi.V4L2_CAP_STREAMING, ""),
        (uapi.V4L2_CAP_VIDEO_CAPTURE, "it cannot stream"),
        (uapi.V4L2_CAP_META_CAPTURE | uapi.V4L2_CAP_STREAMING, "it is a metadata node"),
        (uapi.V4L2_CAP_VIDEO_M2M_MPLANE | uapi.V4L2_CAP_STREAMING, "it is a codec"),
        (uapi.V4L2_CAP_VIDEO_CAPTURE | uapi.V4L2_CAP_VIDEO_OUTPUT | uapi.V4L2_CAP_STREAMING, "it is a codec"),
        (uapi.V4L2_CAP_VIDEO_OUTPUT | uapi.V4L2_CAP_STREAMING, "it is an output"),
        (uapi.V4L2_CAP_STREAMING, "it has no CAPTURE capability"),
    ],
)
def test_only_capture_nodes_are_taken(flags: int, refusal: str) -> None:
    assert Capability("card", flags).refusal() == refusal


def test_fourcc_both_ways() -> None:
    assert number("MJPG") == 0x47504A4D
    assert fourcc(0x47504A4D) == "MJPG"


def test_missing_node_is_absent(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    driver = V4l2Capture(V4l2Options(device=str(node)), None)
    with pytest.raises(DeviceAbsent, match=f"^{node}: there is no such node"):
        driver.open()
    driver.close()


def test_nothing_plugged_in_is_absent() -> None:
    with pytest.raises(DeviceAbsent, match="no capture device is plugged in"):
        V4l2Capture(V4l2Options(), None).open()


def test_another_kind_of_node_is_refused_and_let_go() -> None:
    before = open_files("/dev/null")
    driver = V4l2Capture(V4l2Options(device="/dev/null"), None)
    with pytest.raises(DriverError, match=r"^/dev/null: is not a V4L2 node; name one"):
        driver.open()
    assert open_files("/dev/null") == before


def test_frames_of_a_closed_driver() -> None:
    driver = V4l2Capture(V4l2Options(device="/dev/video0"), None)
    with pytest.raises(DriverError, match=r"^/dev/video0 is not open"):
        next(driver.frames())
    assert driver.status().device == "/dev/video0"
    driver.close()


# -- options and matches


def test_options_by_their_names() -> None:
    given = {"usb_id": "534d:2109", "width": 1280, "height": 720, "frame_rate": 59.94, "format": "YUYV"}
    options = msgspec.convert(given, V4l2Options)
    assert options.size() == HD
    assert options.rate() == Fraction(2997, 50)
    assert options.format is PixelFormat.YUYV


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"width": 640}, "width and height go together"),
        ({"height": 480}, "width and height go together"),
        ({"width": 0, "height": 480}, "width"),
        ({"frame_rate": 0}, "frame_rate"),
        ({"format": "H264"}, "H264"),
        ({"timeout": 60}, "timeout"),
        ({"fps": 30}, "fps"),
    ],
)
def test_wrong_options_are_named(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(given, V4l2Options)


def test_known_dongle_goes_before_a_webcam_before_the_rest() -> None:
    dongle = usb(ID_VENDOR_ID="534d", ID_MODEL_ID="2109")
    webcam = usb(ID_VENDOR_ID="046d", ID_MODEL_ID="0825")
    board = usb(ID_BUS="")
    scores = [best_match(V4l2Capture.matches, each) for each in (dongle, webcam, board)]
    assert scores == sorted(set(scores), reverse=True)
    assert min(scores) > 0


def test_metadata_node_of_a_dongle_does_not_match() -> None:
    node = usb(ID_VENDOR_ID="534d", ID_MODEL_ID="2109", ID_V4L_CAPABILITIES=":")
    assert best_match(V4l2Capture.matches, node) == 0
