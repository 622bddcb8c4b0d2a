"""What a camera says of itself: descriptors and stream control as pure functions from values to bytes.

USB 2.0 chapter 9; USB Video Class 1.1 (below: UVC) chapter 3 and its payload specifications for MJPEG and uncompressed
video; the stream control is UVC section 4.3.1.1.
"""

from dataclasses import dataclass

from .. import device as usb
from ..device import block, u16, u32

WIDTH = 640
HEIGHT = 480
MAX_FRAME = WIDTH * HEIGHT * 2
"""Bytes of a frame, raw ones exactly."""
MAX_PAYLOAD = 16384
"""Bytes of a payload, its header included: what Linux asks for in one transfer, 32 packets, so that none is split."""

MJPEG = 1
YUYV = 2
"""The formats by their index."""

CONTROL_INTERFACE = 0
STREAMING_INTERFACE = 1
ENDPOINT = 0x81
"""Bulk, towards the host."""
PACKET = 512
"""Bytes of a bulk packet at high speed."""

VIDEO_CLASS = 0x0E
DEVICE_CLASS = (0xEF, 2, 1)
"""What a device with an interface association says of its class: class, subclass and protocol."""
UVC = 0x0110

# descriptor types: interface association (ECN), UVC table A-4
ASSOCIATION, CLASS = 0x0B, 0x24
# class-specific subtypes of the control interface (UVC table A-5) and of the streaming interface (table A-6)
VC_HEADER, VC_INPUT_TERMINAL, VC_OUTPUT_TERMINAL = 1, 2, 3
VS_INPUT_HEADER, VS_FORMAT_RAW, VS_FRAME_RAW, VS_FORMAT_MJPEG, VS_FRAME_MJPEG, VS_COLOUR = 1, 4, 5, 6, 7, 0x0D

YUY2_GUID = b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"


@dataclass(frozen=True)
class Identity:
    """Who a camera is, and how fast.

    :param usb_id: vendor and product as lsusb shows them; by default an MS2109, a common HDMI dongle
    :param rate: frames a second
    """

    usb_id: str = "534d:2109"
    serial: str = "20260001"
    product: str = "USB Video"
    rate: int = 10


def descriptor(identity: Identity, kind: int, index: int) -> bytes | None:
    """Return what GET_DESCRIPTOR asks for (USB 2.0 section 9.4.3); None if the camera has no such."""
    if kind == usb.STRING:
        return string(identity, index)
    found = {
        usb.DEVICE: device(identity),
        usb.CONFIGURATION: configuration(identity.rate),
        usb.QUALIFIER: qualifier(),
    }
    return found.get(kind)


def device(identity: Identity) -> bytes:
    """The device descriptor (USB 2.0 section 9.6.1); the strings are maker 1, product 2 and serial number 3."""
    ids = (bytes.fromhex(number)[::-1] for number in identity.usb_id.split(":"))
    return block(usb.DEVICE, u16(0x0200), bytes(DEVICE_CLASS), 64, *ids, u16(0x0100), 1, 2, 3, 1)


def qualifier() -> bytes:
    """What it would be at full speed: the same (USB 2.0 section 9.6.2)."""
    return block(usb.QUALIFIER, u16(0x0200), bytes(DEVICE_CLASS), 64, 1, 0)


def configuration(rate: int) -> bytes:
    """The configuration: two interfaces, 500 mA."""
    body = b"".join(
        [
            # interface association: a video interface collection of the two interfaces
            block(ASSOCIATION, CONTROL_INTERFACE, 2, VIDEO_CLASS, 3, 0, 0),
            block(usb.INTERFACE, CONTROL_INTERFACE, 0, 0, VIDEO_CLASS, 1, 0, 0),
            _control(),
            block(usb.INTERFACE, STREAMING_INTERFACE, 0, 1, VIDEO_CLASS, 2, 0, 0),
            _streaming(rate),
            block(usb.ENDPOINT, ENDPOINT, 2, u16(PACKET), 0),
        ]
    )
    return usb.configuration(2, 500, body)


def string(identity: Identity, index: int) -> bytes | None:
    """A string descriptor, number 0 being the list of languages (USB 2.0 section 9.6.7)."""
    if index == 0:
        return block(usb.STRING, usb.ENGLISH)
    texts = {1: "kvmd", 2: identity.product, 3: identity.serial}
    return usb.string(texts[index]) if index in texts else None


def stream_control(format_index: int, rate: int) -> bytes:
    """The probe and commit control: what is, or would be, streamed (UVC 1.1 table 4-47)."""
    return b"".join(
        [
            u16(1),  # bmHint: the frame interval stays
            bytes([format_index, 1]),  # and bFrameIndex
            u32(interval(rate)),
            bytes(10),  # no key frames, no window, no delay
            u32(MAX_FRAME),
            u32(MAX_PAYLOAD),
            u32(0),  # dwClockFrequency
            bytes([3, 0, 0, 0]),  # bmFramingInfo: frame identifier and end of frame are used; versions
        ]
    )


def interval(rate: int) -> int:
    """Units of 100 ns from one frame to the next."""
    return 10_000_000 // rate


def _control() -> bytes:
    """A camera, terminal 1, that feeds the host, terminal 2 (UVC section 3.7)."""
    camera = block(CLASS, VC_INPUT_TERMINAL, 1, u16(0x0201), 0, 0, bytes(6), 3, bytes(3))
    host = block(CLASS, VC_OUTPUT_TERMINAL, 2, u16(0x0101), 0, 1, 0)
    total = 13 + len(camera) + len(host)
    return block(CLASS, VC_HEADER, u16(UVC), u16(total), u32(48_000_000), 1, STREAMING_INTERFACE) + camera + host


def _streaming(rate: int) -> bytes:
    """Two formats of one size (UVC section 3.9)."""
    colours = block(CLASS, VS_COLOUR, 1, 1, 4)  # sRGB; BT.601 for luma and chroma
    mjpeg = block(CLASS, VS_FORMAT_MJPEG, MJPEG, 1, 1, 1, bytes(4))
    raw = block(CLASS, VS_FORMAT_RAW, YUYV, 1, YUY2_GUID, 16, 1, bytes(4))
    formats = mjpeg + _frame(VS_FRAME_MJPEG, rate) + colours + raw + _frame(VS_FRAME_RAW, rate) + colours
    total = 15 + len(formats)
    return block(CLASS, VS_INPUT_HEADER, 2, u16(total), ENDPOINT, 0, 2, 0, 0, 0, 1, bytes(2)) + formats


def _frame(subtype: int, rate: int) -> bytes:
    """A frame size with one frame rate (UVC MJPEG and Uncompressed, section 3.1.2)."""
    size, bits, time = u16(WIDTH) + u16(HEIGHT), u32(MAX_FRAME * 8 * rate), u32(interval(rate))
    return block(CLASS, subtype, 1, 0, size, bits, bits, u32(MAX_FRAME), time, 1, time)
