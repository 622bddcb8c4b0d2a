"""The CPU time of encoding one picture, and of one that did not change."""

import io
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from bench import cpu, picture
from bench.table import Row, Table
from kvmd.contract.capture import Frame, PixelFormat
from kvmd.video.encode import Encoder, to_jpeg

QUALITY = 80
ROUNDS = 7
FRAMES = 12
"""Pictures in a row, of which the mean is one sample."""

UNCHANGED = 200
FFMPEG_FRAMES = (4, 24)
"""ffmpeg is run for both, and the difference counts: so its start does not."""

SUBSAMPLING = {PixelFormat.YUYV: "4:2:2", PixelFormat.NV12: "4:2:0", PixelFormat.RGB24: "4:2:0"}
INPUT = {PixelFormat.YUYV: "yuyv422", PixelFormat.NV12: "nv12", PixelFormat.RGB24: "rgb24"}
OUTPUT = {"4:2:2": "yuvj422p", "4:2:0": "yuvj420p"}

CASES = {
    "YUYV": (PixelFormat.YUYV, True),
    "YUYV, 16 to 235": (PixelFormat.YUYV, False),
    "NV12": (PixelFormat.NV12, True),
    "RGB24": (PixelFormat.RGB24, True),
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contestant:
    """An encoder.

    :param cost: the CPU seconds of one picture
    :param jpeg: makes one
    """

    name: str
    cost: Callable[[], float]
    jpeg: Callable[[], bytes]


def measure(say: Say) -> Table:
    """Compare encoders on each format, and an unchanged picture with a changed one."""
    image = picture.desktop()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="kvmd-bench-") as folder:
        for name, (pixels, full_range) in CASES.items():
            say(name)
            frame = picture.frame(image, pixels, full_range)
            rows += _compare(name, _contestants(frame, Path(folder), picture.luma(image)), picture.luma(image))
    say("unchanged pictures")
    rows += _unchanged(picture.frame(image, PixelFormat.YUYV))
    return Table("CPU time of one picture, 1920x1080", "ms of one core", rows, _remarks())


def _remarks() -> list[str]:
    remarks = [
        f"kvmd and Pillow at quality {QUALITY}; size and PSNR of the luma plane say how alike the pictures are.",
        f"{ROUNDS} rounds, contestants in turn.",
    ]
    if shutil.which("ffmpeg"):
        remarks.append("ffmpeg: mjpeg on one thread, fixed Huffman tables as in libjpeg, -q:v of the nearest PSNR.")
    else:
        remarks.append("ffmpeg is not installed and was left out; apt-get install ffmpeg")
    return remarks


def _contestants(frame: Frame, folder: Path, reference: picture.Plane) -> list[Contestant]:
    contestants = [
        _in_process("kvmd", lambda: to_jpeg(frame, QUALITY)),
        _in_process("Pillow", lambda: _pillow(frame)),
    ]
    if shutil.which("ffmpeg"):
        contestants.append(_ffmpeg(frame, folder, _psnr(contestants[0].jpeg(), reference), reference))
    return contestants


def _in_process(name: str, encode: Callable[[], bytes]) -> Contestant:
    def cost() -> float:
        begin = time.process_time()
        for _ in range(FRAMES):
            encode()
        return (time.process_time() - begin) / FRAMES

    return Contestant(name, cost, encode)


def _compare(case: str, contestants: list[Contestant], reference: picture.Plane) -> list[Row]:
    costs: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(ROUNDS + 1):
        for contestant in contestants:
            cost = contestant.cost() * 1000
            # the first round warms up caches and tables
            if number:
                costs[contestant.name].append(cost)
    return [Row(case, each.name, costs[each.name], _note(each.jpeg(), reference)) for each in contestants]


def _note(jpeg: bytes, reference: picture.Plane) -> str:
    return f"{len(jpeg) // 1000} kB, {_psnr(jpeg, reference):.1f} dB"


def _psnr(jpeg: bytes, reference: picture.Plane) -> float:
    """Return the peak signal-to-noise ratio of luma, in dB."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("YCbCr", None)
    decoded = np.asarray(image)[:, :, 0].astype(np.float64)
    return float(10 * np.log10(255**2 / np.mean((decoded - reference) ** 2)))


def _pillow(frame: Frame) -> bytes:
    """Encode the plain way: an image with all three channels in full size, and save."""
    size = (frame.width, frame.height)
    if frame.format is PixelFormat.RGB24:
        image = Image.frombuffer("RGB", size, bytes(frame.data), "raw", "RGB", 0, 1)
    else:
        planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in _split(frame)]
        if not frame.full_range:
            planes = [plane.point(table) for plane, table in zip(planes, (_LUMA, _CHROMA, _CHROMA), strict=True)]
        image = Image.merge("YCbCr", [plane.resize(size, Image.Resampling.NEAREST) for plane in planes])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING[frame.format])
    return buffer.getvalue()


_LUMA = [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]
_CHROMA = [min(255, max(0, round((value - 128) * 255 / 224 + 128))) for value in range(256)]


def _split(frame: Frame) -> list[picture.Plane]:
    data = np.frombuffer(frame.data, np.uint8)
    if frame.format is PixelFormat.YUYV:
        packed = data.reshape(frame.height, -1)
        return [packed[:, 0::2], packed[:, 1::4], packed[:, 3::4]]
    pairs = data[frame.width * frame.height :].reshape(frame.height // 2, -1)
    return [data[: frame.width * frame.height].reshape(frame.height, -1), pairs[:, 0::2], pairs[:, 1::2]]


def _ffmpeg(frame: Frame, folder: Path, wanted: float, reference: picture.Plane) -> Contestant:
    """Give ffmpeg the quality step whose picture is nearest to ours."""
    raw, out = folder / "raw", folder / "out.jpg"
    raw.write_bytes(frame.data)

    def jpeg(step: int) -> bytes:
        subprocess.run(_command(frame, raw, step, 1, ["-f", "mjpeg", str(out)]), check=True)
        return out.read_bytes()

    def cost() -> float:
        few, many = (cpu.of_command(_command(frame, raw, best, count, ["-f", "null", "-"])) for count in FFMPEG_FRAMES)
        return (many - few) / (FFMPEG_FRAMES[1] - FFMPEG_FRAMES[0])

    best = min(range(2, 9), key=lambda step: abs(_psnr(jpeg(step), reference) - wanted))
    return Contestant("ffmpeg", cost, lambda: jpeg(best))


def _command(frame: Frame, raw: Path, step: int, count: int, output: list[str]) -> list[str]:
    """Read the picture once and encode it ``count`` times."""
    given = f"-f rawvideo -pix_fmt {INPUT[frame.format]} -s {frame.width}x{frame.height}"
    if frame.format is not PixelFormat.RGB24:
        given += f" -color_range {'pc' if frame.full_range else 'tv'}"
    filters = f"loop=loop={count - 1}:size=1,format={OUTPUT[SUBSAMPLING[frame.format]]}"
    encoder = f"-frames:v {count} -c:v mjpeg -threads 1 -huffman default -q:v {step}"
    start = "ffmpeg -nostdin -hide_banner -loglevel error -y -filter_threads 1"
    return [*start.split(), *given.split(), "-i", str(raw), "-vf", filters, *encoder.split(), *output]


def _unchanged(frame: Frame) -> list[Row]:
    """Feed the encoder with pictures that differ in their very last byte, and with equal ones."""
    other = msgspec.structs.replace(frame, data=bytes(frame.data[:-1]) + bytes([frame.data[-1] ^ 255]))
    twin = msgspec.structs.replace(frame, data=bytes(bytearray(frame.data)))
    encoded, skipped = [], []
    for _ in range(ROUNDS):
        encoded.append(_feed([frame, other] * (FRAMES // 2)) * 1000)
        skipped.append(_feed([frame, twin] * (UNCHANGED // 2)) * 1000)
    name = "YUYV, through Encoder.feed"
    return [Row(name, "kvmd, changed", encoded), Row(name, "kvmd, unchanged", skipped)]


def _feed(frames: list[Frame]) -> float:
    """Return the CPU seconds of a picture, from the first on that has one before it."""
    delivered: list[Frame] = []
    encoder = Encoder(QUALITY, delivered.append, 1)
    begin = 0.0
    for number, frame in enumerate([frames[1], *frames]):
        if number == 1:
            begin = time.process_time()
        encoder.feed(frame)
        while len(delivered) <= number:
            time.sleep(0.0005)
    total = time.process_time() - begin
    encoder.close()
    return total / len(frames)
