"""The numbers and structs of drivers/v4l2/uapi.py are those of the C compiler, for 64 and for 32 bits."""

import ctypes
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmd_drivers.v4l2 import uapi

STRUCTS = {
    "v4l2_capability": uapi.Capability,
    "v4l2_fract": uapi.Fract,
    "v4l2_fmtdesc": uapi.Fmtdesc,
    "v4l2_frmsize_discrete": uapi.FrmsizeDiscrete,
    "v4l2_frmsize_stepwise": uapi.FrmsizeStepwise,
    "v4l2_frmsizeenum": uapi.Frmsizeenum,
    "v4l2_frmival_stepwise": uapi.FrmivalStepwise,
    "v4l2_frmivalenum": uapi.Frmivalenum,
    "v4l2_pix_format": uapi.PixFormat,
    "v4l2_plane_pix_format": uapi.PlanePixFormat,
    "v4l2_pix_format_mplane": uapi.PixFormatMplane,
    "v4l2_format": uapi.Format,
    "v4l2_captureparm": uapi.Captureparm,
    "v4l2_streamparm": uapi.Streamparm,
    "v4l2_requestbuffers": uapi.Requestbuffers,
    "v4l2_plane": uapi.Plane,
    "v4l2_timecode": uapi.Timecode,
    "v4l2_buffer": uapi.Buffer,
    "v4l2_control": uapi.Control,
    "v4l2_edid": uapi.Edid,
    "v4l2_bt_timings": uapi.BtTimings,
    "v4l2_dv_timings": uapi.DvTimings,
    "v4l2_bt_timings_cap": uapi.BtTimingsCap,
    "v4l2_dv_timings_cap": uapi.DvTimingsCap,
    "v4l2_event_src_change": uapi.EventSrcChange,
    "v4l2_event": uapi.Event,
    "v4l2_event_subscription": uapi.EventSubscription,
}
IOCTLS = {
    "VIDIOC_QUERYCAP": "v4l2_capability",
    "VIDIOC_ENUM_FMT": "v4l2_fmtdesc",
    "VIDIOC_G_FMT": "v4l2_format",
    "VIDIOC_S_FMT": "v4l2_format",
    "VIDIOC_REQBUFS": "v4l2_requestbuffers",
    "VIDIOC_QUERYBUF": "v4l2_buffer",
    "VIDIOC_QBUF": "v4l2_buffer",
    "VIDIOC_DQBUF": "v4l2_buffer",
    "VIDIOC_STREAMON": "int",
    "VIDIOC_STREAMOFF": "int",
    "VIDIOC_G_PARM": "v4l2_streamparm",
    "VIDIOC_S_PARM": "v4l2_streamparm",
    "VIDIOC_G_CTRL": "v4l2_control",
    "VIDIOC_G_EDID": "v4l2_edid",
    "VIDIOC_S_EDID": "v4l2_edid",
    "VIDIOC_ENUM_FRAMESIZES": "v4l2_frmsizeenum",
    "VIDIOC_ENUM_FRAMEINTERVALS": "v4l2_frmivalenum",
    "VIDIOC_S_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_G_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_DQEVENT": "v4l2_event",
    "VIDIOC_SUBSCRIBE_EVENT": "v4l2_event_subscription",
    "VIDIOC_QUERY_DV_TIMINGS": "v4l2_dv_timings",
    "VIDIOC_DV_TIMINGS_CAP": "v4l2_dv_timings_cap",
}
CONSTANTS = [name for name in vars(uapi) if name.startswith(("V4L2_", "VIDEO_", "VIDIOC_"))]
SIZE_BITS = 0x3FFF << 16
HEADERS = "\n".join(
    f"#include <{name}>" for name in ("stddef.h", "stdio.h", "sys/ioctl.h", "sys/time.h", "linux/videodev2.h")
)

# A 32-bit libc keeps the old 32-bit time unless it is asked; the kernel's own layout has 64 bits.
FLAGS_32 = ("-m32", "-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64")


class Narrow:
    """The same structs as a 32-bit x86 compiler lays them out: pointers of 32 bits, nothing aligned beyond 4 bytes."""

    def __init__(self):
        self._made = {}

    def __call__(self, kind):
        if kind is ctypes.c_void_p or issubclass(kind, ctypes._Pointer):
            return ctypes.c_uint32
        if issubclass(kind, ctypes.Array):
            return self(kind._type_) * kind._length_
        if issubclass(kind, (ctypes.Structure, ctypes.Union)):
            return self._made.setdefault(kind, self._narrow(kind))
        return kind

    def _narrow(self, kind):
        base = ctypes.Structure if issubclass(kind, ctypes.Structure) else ctypes.Union
        members = {
            "_pack_": 4,
            "_layout_": "ms",
            "_anonymous_": getattr(kind, "_anonymous_", ()),
            "_fields_": [(name, self(field)) for name, field in kind._fields_],
        }
        return type(kind.__name__, (base,), members)


def fields(kind, path: str = "", start: int = 0) -> Iterator[tuple[str, int, int]]:
    """Path, offset and size of every field that the header has too, also of those within."""
    anonymous = getattr(kind, "_anonymous_", ())
    for name, field in kind._fields_:
        place = getattr(kind, name)
        hidden = name in anonymous
        if not name.startswith("_"):
            yield path + name, start + place.offset, place.size
        if issubclass(field, (ctypes.Structure, ctypes.Union)) and (hidden or not name.startswith("_")):
            yield from fields(field, path if hidden else f"{path}{name}.", start + place.offset)


def layout(structs) -> dict[str, int]:
    """Sizes and offsets by the C expressions that give them."""
    found = {}
    for name, kind in structs.items():
        found[f"sizeof(struct {name})"] = ctypes.sizeof(kind)
        for path, offset, size in fields(kind):
            found[f"offsetof(struct {name}, {path})"] = offset
            found[f"sizeof(((struct {name} *)0)->{path})"] = size
    return found


class Compiler:
    """gcc, for this machine or with ``-m32``."""

    def __init__(self, folder: Path, flags: tuple[str, ...]):
        self._folder = folder
        self._flags = flags

    def ask(self, expressions: list[str]) -> dict[str, int]:
        """What the expressions are worth in C."""
        lines = [f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in expressions]
        answer = self._run(HEADERS, *lines)
        return dict(zip(expressions, map(int, answer.splitlines()), strict=True))

    def works(self) -> bool:
        try:
            self._run("#include <stdio.h>")
        except (FileNotFoundError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, head: str, *lines: str) -> str:
        source, program = self._folder / "ask.c", self._folder / "ask"
        source.write_text("\n".join([head, "int main(void) {", *lines, "return 0; }", ""]))
        subprocess.run(["gcc", *self._flags, source, "-o", program], check=True)
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    found = Compiler(tmp_path, ())
    if not found.works():
        pytest.skip("gcc is not installed")
    return found


@pytest.fixture
def compiler_32(tmp_path: Path) -> Compiler:
    found = Compiler(tmp_path, FLAGS_32)
    if platform.machine() != "x86_64" or not found.works():
        pytest.skip("gcc-multilib is not installed, or this is not x86_64")
    return found


def test_every_constant_and_ioctl_is_the_headers(compiler):
    mine = {name: getattr(uapi, name) for name in CONSTANTS}
    assert len(mine) > 30
    assert compiler.ask(list(mine)) == mine


def test_every_struct_is_the_headers(compiler):
    mine = layout(STRUCTS)
    assert len(mine) > 200
    assert compiler.ask(list(mine)) == mine


def test_every_struct_is_the_headers_with_32_bits(compiler_32):
    narrow = Narrow()
    mine = layout({name: narrow(kind) for name, kind in STRUCTS.items()})
    assert mine["sizeof(struct v4l2_buffer)"] == 76
    assert compiler_32.ask(list(mine)) == mine


def test_every_ioctl_is_the_headers_with_32_bits(compiler_32):
    narrow = Narrow()
    sizes = {name: ctypes.sizeof(narrow(kind)) for name, kind in STRUCTS.items()} | {"int": 4}
    mine = {name: getattr(uapi, name) & ~SIZE_BITS | sizes[kind] << 16 for name, kind in IOCTLS.items()}
    assert set(mine) == {name for name in CONSTANTS if name.startswith("VIDIOC_")}
    assert compiler_32.ask(list(mine)) == mine
