"""EDIDs: every byte means what the standards say, which the program edid-decode knows too, and ours are in order."""

import random
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from kvmd import edid
from kvmd.edid.blocks import HEADER
from kvmd.edid.decoding import DESCRIPTORS
from kvmd.edid.editing import describe_text
from kvmd.edid.timings import Timing, read_detailed, read_size, table, wanted, write_detailed
from kvmd.errors import RequestError

NAMES = edid.profiles()
OURS = edid.profile("1080p50-2lane")
PRINTED = re.compile(r"^ *(HDMI VIC|VIC|DTD|DMT|IBM|Apple|GTF)[^:]*: +(\d+)x(\d+)(i?) +([\d.]+) Hz", re.MULTILINE)
SOURCES = {"HDMI VIC": "cta", "VIC": "cta", "DTD": "detailed"}
FITTING = [timing for timing in table().all if timing.width < 4096 and timing.clock < 600_000 and timing.h_front < 1024]
HEADER_LINES = Path("/usr/include/linux/v4l2-dv-timings.h")


def edid_decode(data: bytes, *options: str) -> str:
    return subprocess.run(["edid-decode", *options], input=data, capture_output=True, check=False).stdout.decode()


Decoded = tuple[str, int, int, bool, int]
"""Where a mode stands, its size, whether it is interlaced, and its rate."""


def printed_modes(data: bytes) -> list[Decoded]:
    """What edid-decode reads: where it stands, size, rate; of standard and established timings both are one."""
    found = PRINTED.findall(edid_decode(data, "--skip-hex-dump"))
    return sorted(
        (SOURCES.get(kind, "older"), int(width), int(height), bool(interlaced), round(float(refresh)))
        for kind, width, height, interlaced, refresh in found
    )


def decoded_modes(data: bytes) -> list[Decoded]:
    return sorted(
        (
            mode.source if mode.source in SOURCES.values() else "older",
            mode.width,
            mode.height,
            mode.interlaced,
            round(mode.refresh),
        )
        for mode in edid.decode(data).modes
    )


def base(
    *, established: str = "00 00 00", standard: bytes = b"", descriptors: Sequence[bytes] = (), version: int = 3
) -> bytes:
    """A base block; descriptors that are left out are dummies."""
    dummy = bytes((0, 0, 0, 0x10)).ljust(18, b"\0")
    return edid.mend(
        HEADER
        + bytes.fromhex("10 ac 34 12 78 56 34 12 0b 21 01")
        + bytes((version,))
        + bytes.fromhex("80 34 1d 78 0e")
        + bytes.fromhex("ee 91 a3 54 4c 99 26 0f 50 54")
        + bytes.fromhex(established)
        + standard.ljust(16, b"\1")
        + b"".join((*descriptors, *[dummy] * (4 - len(descriptors))))
        + bytes(2)
    )


def cta(*blocks: tuple[int, str], detailed: Sequence[bytes] = (), flags: int = 0x40) -> bytes:
    """A CTA extension with data blocks, by tag and content."""
    content = b"".join(bytes((tag << 5 | len(bytes.fromhex(text)),)) + bytes.fromhex(text) for tag, text in blocks)
    return (bytes((2, 3, 4 + len(content), flags)) + content + b"".join(detailed)).ljust(128, b"\0")


def detailed(name: str, size_mm: tuple[int, int] = (508, 286)) -> bytes:
    timing = wanted(name).among(table().all)
    assert timing is not None
    return write_detailed(timing, size_mm)


def preferred_of(data: bytes) -> edid.Mode:
    mode = edid.decode(data).preferred
    assert mode is not None
    return mode


def refusal(call: Callable[..., object], *arguments: str | bytes, **options: str | int) -> str:
    with pytest.raises(RequestError) as raised:
        call(*arguments, **options)
    return str(raised.value)


EVERYTHING = edid.mend(
    base(
        established="ff ff 80",
        standard=bytes.fromhex("8180 81c0 9500 a940 b300 d1c0 7159 0101"),
        descriptors=(
            detailed("1920x1080@60"),
            describe_text(0xFC, "Telly"),
            describe_text(0xFF, "SN-0042"),
            bytes.fromhex("00 00 00 f7 00 0a ff ff ff ff ff f0 00 00 00 00 00 00"),
        ),
    )
    + cta(
        (2, "90 1f 14 05 01 06 61 76 c1"),
        (1, "09 7f 07 15 07 50 3d 06 c0 7f 00 40"),
        (4, "01 00 00"),
        (3, "03 0c 00 10 00 b8 3c e0 01 02 03 04 00 80 01 02 03 04"),
        (7, "0e 60 66"),
        detailed=(detailed("1280x720@50"), detailed("1920x1080i@50"), detailed("1366x768@60")),
        flags=0xC1,
    )
)


class TestProfiles:
    def test_names(self) -> None:
        assert NAMES == ["1080p60", "1080p50-2lane", "720p60"]
        assert refusal(edid.profile, "4k") == (
            'there is no EDID profile "4k"; there are: 1080p60, 1080p50-2lane, 720p60'
        )

    @pytest.mark.parametrize("name", NAMES)
    def test_they_conform(self, name: str) -> None:
        data = edid.profile(name)
        assert len(data) == 256
        edid.check(data)
        said = edid_decode(data, "--check")
        assert "EDID conformity: PASS" in said
        assert "Warnings:" not in said, said
        assert "Failures:" not in said, said

    @pytest.mark.parametrize(
        ("name", "title", "preferred", "largest", "lanes"),
        [
            ("1080p60", "kvmd 1080p60", "1920x1080@60", "1920x1080@60", 3),
            ("1080p50-2lane", "kvmd 1080p50", "1280x720@60", "1920x1080@50", 2),
            ("720p60", "kvmd 720p60", "1280x720@60", "1280x720@60", 1),
        ],
    )
    def test_what_they_offer(self, name: str, title: str, preferred: str, largest: str, lanes: int) -> None:
        seen = edid.decode(edid.profile(name))
        assert (seen.maker, seen.name, seen.version, seen.hdmi, seen.basic_audio) == ("KVH", title, "1.3", True, True)
        assert seen.preferred is seen.modes[0]
        assert seen.preferred.name == preferred
        assert max(seen.modes, key=lambda mode: (mode.width, mode.refresh)).name == largest
        assert not any(mode.interlaced for mode in seen.modes)
        # UYVY has 16 bits a pixel, a lane takes 972 Mbit/s
        assert max(-(-mode.width * mode.height * mode.refresh * 16 // 972e6) for mode in seen.modes) == lanes
        assert {"640x480@59.94", "1280x720@50", "720x576@50"} <= {mode.name for mode in seen.modes}

    def test_they_are_told_apart(self) -> None:
        assert len({edid.decode(edid.profile(name)).product for name in NAMES}) == len(NAMES)


class TestReading:
    @pytest.mark.parametrize(
        "content",
        [
            OURS,
            OURS.hex().encode(),
            re.sub("(.{60})", r"\1\n", OURS.hex()).encode() + b"\n",
            OURS.hex(" ").upper().encode(),
            b", ".join(b"0x%02x" % byte for byte in OURS),
            b"{ " + b",\r\n\t".join(b"0X%02X" % byte for byte in OURS) + b" };\n",
            edid_decode(OURS).encode(),
        ],
        ids=["binary", "one line", "xxd -p", "spaces", "C", "C and Windows", "edid-decode"],
    )
    def test_every_form(self, content: bytes) -> None:
        assert edid.read(content) == OURS

    @pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"1080p60", b"00 ff f", "00 ff\u00b2".encode()])
    def test_neither(self, content: bytes) -> None:
        assert refusal(edid.read, content) == (
            "this is no EDID: neither hex digits alone, nor binary in blocks of 128 bytes"
        )

    @pytest.mark.parametrize("content", [b"", b" \n"])
    def test_empty(self, content: bytes) -> None:
        assert refusal(edid.read, content) == "the EDID is empty; to show the source none, clear it"

    def test_a_damaged_one_is_read_and_then_refused(self) -> None:
        assert edid.read(b"\x01" + OURS[1:]) == b"\x01" + OURS[1:]
        assert edid.read(OURS[:200]) == OURS[:200]


class TestChecking:
    def test_a_wrong_sum_is_named_with_both_sums(self) -> None:
        wrong = bytearray(OURS)
        right = wrong[255]
        wrong[255] = (right + 3) % 256
        assert refusal(edid.check, bytes(wrong)) == (
            f"block 1: its sum is 0x{wrong[255]:02x} and has to be 0x{right:02x}; "
            'let it be mended (--mend, or "mend": true) if the rest is right'
        )

    def test_every_wrong_block_is_named(self) -> None:
        wrong = bytearray(OURS)
        wrong[20] ^= 1
        wrong[200] ^= 1
        said = refusal(edid.check, bytes(wrong))
        assert said.startswith("block 0: its sum is")
        assert "; block 1: its sum is" in said

    @pytest.mark.parametrize("position", range(8, 256))
    def test_every_damaged_byte_is_seen(self, position: int) -> None:
        wrong = bytearray(OURS)
        wrong[position] ^= 0x40
        assert f"block {position // 128}: " in refusal(edid.check, bytes(wrong))

    @pytest.mark.parametrize(("length", "block"), [(0, 0), (127, 0), (200, 1), (255, 1), (257 * 128, 257)])
    def test_length(self, length: int, block: int) -> None:
        assert refusal(edid.check, OURS.ljust(length, b"\0")[:length]) == (
            f"block {block}: an EDID has 1 to 256 blocks of 128 bytes, not {length} bytes"
        )

    def test_header(self) -> None:
        said = refusal(edid.check, edid.mend(b"\xff" + OURS[1:]))
        assert said == ("block 0: the header is ff ff ff ff ff ff ff 00 and has to be 00 ff ff ff ff ff ff 00: no EDID")

    @pytest.mark.parametrize(("data", "there"), [(OURS[:128], 0), (OURS + OURS[128:], 2)])
    def test_count_of_blocks(self, data: bytes, there: int) -> None:
        assert refusal(edid.check, data) == (
            f"block 0: it counts 1 extension blocks and {there} follow; "
            'let it be mended (--mend, or "mend": true) if the rest is right'
        )


class TestMending:
    def test_what_is_right_stays(self) -> None:
        assert edid.mend(OURS) == OURS

    def test_sums_and_the_count_of_blocks(self) -> None:
        wrong = bytearray(OURS)
        wrong[126], wrong[127], wrong[255] = 9, 1, 2
        assert edid.mend(bytes(wrong)) == OURS
        edid.check(edid.mend(OURS[:128]))

    def test_no_whole_blocks(self) -> None:
        assert "not 200 bytes" in refusal(edid.mend, OURS[:200])


class TestDecoding:
    def test_identity(self) -> None:
        seen = edid.decode(EVERYTHING)
        assert (seen.maker, seen.product, seen.serial) == ("DEL", 0x1234, 0x12345678)
        assert (seen.week, seen.year, seen.version, seen.blocks) == (11, 2023, "1.3", 2)
        assert (seen.name, seen.serial_text) == ("Telly", "SN-0042")

    def test_what_is_not_told(self) -> None:
        seen = edid.decode(base(descriptors=[detailed("800x600@60")]))
        assert (seen.name, seen.serial_text, seen.audio, seen.basic_audio, seen.hdmi) == (None, None, (), False, False)
        assert [mode.name for mode in seen.modes] == ["800x600@60.32"]
        model_year = edid.decode(base(descriptors=[detailed("640x480@60")]).replace(b"\x0b\x21", b"\xff\x21", 1))
        assert (model_year.week, model_year.year) == (None, 2023)

    def test_audio(self) -> None:
        lpcm, ac3, dts = edid.decode(EVERYTHING).audio[:3]
        assert lpcm == edid.Audio("LPCM", 2, (32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000))
        assert ac3 == edid.Audio("AC-3", 6, (32_000, 44_100, 48_000))
        assert dts == edid.Audio("DTS", 6, (44_100, 48_000))

    def test_preferred_and_native(self) -> None:
        modes = edid.decode(EVERYTHING).modes
        assert [mode.name for mode in modes if mode.preferred] == ["1920x1080@60"]
        assert [(mode.name, mode.source) for mode in modes if mode.native] == [
            ("1920x1080@60", "detailed"),
            ("1920x1080@60", "cta"),
        ]

    def test_a_mode_of_a_code(self) -> None:
        mode = next(mode for mode in edid.decode(EVERYTHING).modes if mode.vic == 5)
        assert mode == edid.Mode("1920x1080i@60", 1920, 1080, 60.0, True, 74_250_000, "cta", 5)

    @pytest.mark.parametrize(
        ("code", "vic", "native"), [(1, 1, False), (64, 64, False), (129, 1, True), (192, 64, True), (193, 193, False)]
    )
    def test_which_codes_are_native(self, code: int, vic: int, native: bool) -> None:
        seen = edid.decode(edid.mend(base(descriptors=[detailed("800x600@60")]) + cta((2, f"{code:02x}"))))
        assert [(mode.vic, mode.native) for mode in seen.modes if mode.vic] == [(vic, native)]

    def test_as_edid_decode_reads_it(self) -> None:
        assert len(decoded_modes(EVERYTHING)) > 80
        assert decoded_modes(EVERYTHING) == printed_modes(EVERYTHING)

    @pytest.mark.parametrize("seed", range(30))
    def test_random_modes_are_as_edid_decode_reads_them(self, seed: int) -> None:
        chance = random.Random(seed)
        own = [write_detailed(timing, (0, 0)) for timing in chance.sample(FITTING, 3)]
        vics = bytes(chance.sample(sorted(table().vic), 20))
        data = edid.mend(
            base(established=chance.randbytes(2).hex() + "00", descriptors=own[:2])
            + cta((2, vics.hex()), detailed=own[2:])
        )
        assert decoded_modes(data) == printed_modes(data)

    @pytest.mark.parametrize("seed", range(200))
    def test_noise_never_fails(self, seed: int) -> None:
        chance = random.Random(seed)
        noise = bytearray(edid.mend(HEADER + chance.randbytes(120) + b"\2\3" + chance.randbytes(126)))
        noise[130] = chance.randrange(256)
        data = edid.mend(bytes(noise))
        seen = edid.decode(data)
        try:
            edited = edid.edit(data, name="noise", serial=1, preferred="1920x1080@50")
        except RequestError:
            return
        assert preferred_of(edited).name == "1920x1080@50"
        assert edid.decode(edited).maker == seen.maker

    @pytest.mark.parametrize("data", [b"", OURS[:100], bytes(128)])
    def test_no_edid(self, data: bytes) -> None:
        assert "are no EDID" in refusal(edid.decode, data)


class TestEditing:
    def test_nothing(self) -> None:
        assert edid.edit(OURS) == OURS

    def test_all_at_once(self) -> None:
        edited = edid.edit(OURS, name="Rack 7", serial=4711, preferred="1920x1080@50")
        edid.check(edited)
        seen = edid.decode(edited)
        assert (seen.name, seen.serial, preferred_of(edited).name) == ("Rack 7", 4711, "1920x1080@50")
        assert "EDID conformity: PASS" in edid_decode(edited, "--check")

    def test_the_longest_name(self) -> None:
        assert edid.decode(edid.edit(OURS, name="13 characters")).name == "13 characters"

    @pytest.mark.parametrize("name", ["", "fourteen chars", "Büro", "a\nb"])
    def test_a_name_that_does_not_fit(self, name: str) -> None:
        assert refusal(edid.edit, OURS, name=name) == (
            f'name "{name}" does not fit: it takes 1 to 13 characters of ASCII'
        )

    def test_a_number_is_the_serial_text_too_where_there_is_one(self) -> None:
        for serial in (99, "99"):
            seen = edid.decode(edid.edit(EVERYTHING, serial=serial))
            assert (seen.serial, seen.serial_text) == (99, "99")
        assert edid.decode(edid.edit(OURS, serial=2**32 - 1)).serial_text is None

    def test_a_text_is_the_serial_text_alone(self) -> None:
        seen = edid.decode(edid.edit(OURS, serial="A-1"))
        assert (seen.serial, seen.serial_text) == (1, "A-1")

    @pytest.mark.parametrize("serial", [-1, 2**32, "4294967296"])
    def test_a_number_that_does_not_fit(self, serial: int | str) -> None:
        assert refusal(edid.edit, OURS, serial=serial) == (
            f"serial {serial} does not fit: as a number it has 32 bits, at most 4294967295"
        )

    def test_no_room_for_a_text(self) -> None:
        full = base(descriptors=[detailed(name) for name in ("640x480@60", "800x600@60", "1024x768@60", "1280x720@60")])
        assert refusal(edid.edit, full, name="x") == (
            "there is no room for a name: the four descriptors of block 0 are in use"
        )

    def test_a_damaged_one_is_not_edited(self) -> None:
        assert "block 1: its sum" in refusal(edid.edit, OURS[:-1] + b"\0", name="x")


class TestPreferredMode:
    def test_a_detailed_one_changes_places(self) -> None:
        """Nothing else changes, wherever it stands."""
        edited = edid.edit(EVERYTHING, preferred="1366x768@60")
        before, after = edid.decode(EVERYTHING).modes, edid.decode(edited).modes
        assert after[0].name == "1366x768@60"
        assert sorted(mode.name for mode in after) == sorted(mode.name for mode in before)
        assert edid.edit(edited, preferred="1920x1080@60") == EVERYTHING

    def test_one_that_is_there_stays(self) -> None:
        assert edid.edit(EVERYTHING, preferred="1920x1080@60") == EVERYTHING

    def test_it_has_the_standards_timings_and_the_size_of_the_picture(self) -> None:
        edited = edid.edit(OURS, preferred="1920x1080@50")
        assert edited[54:72] == detailed("1920x1080@50", (339, 190))

    @pytest.mark.parametrize(("version", "flags"), [(3, 0x02), (4, 0x00)])
    def test_up_to_edid_1_3_a_bit_says_that_there_is_one(self, version: int, flags: int) -> None:
        plain = bytearray(base(descriptors=[detailed("800x600@60"), detailed("1024x768@60")], version=version))
        plain[24] = 0x0C
        edited = edid.edit(edid.mend(bytes(plain)), preferred="1024x768@60")
        assert edited[24] == 0x0C | flags

    def test_timings_stay_before_all_else(self) -> None:
        """E-EDID 3.10: descriptors that are no timings follow them."""
        two = base(descriptors=[detailed("1366x768@60"), detailed("800x600@60"), describe_text(0xFC, "x")])
        edited = edid.edit(two, preferred="1280x800@60")
        names = [mode.name for mode in edid.decode(edited).modes]
        assert names == ["1280x800@59.91", "1366x768@60", "800x600@60.32"]
        assert edid.decode(edited).name == "x"
        assert [edited[start + 3] for start in DESCRIPTORS][3] == 0xFC

    def test_range_limits_widen(self) -> None:
        edited = edid.edit(OURS, preferred="1920x1200@75")
        assert "Monitor ranges (GTF): 24-75 Hz V, 27-95 kHz H, max dotclock 250 MHz" in edid_decode(edited)

    def test_the_last_preferred_one_moves_where_there_is_room(self) -> None:
        """It is in the EDID once: to a dummy's place, then into the extension, then there is none."""
        lonely = base(descriptors=[detailed("1366x768@60"), describe_text(0xFC, "x"), describe_text(0xFE, "y")])
        data = edid.edit(edid.mend(lonely + cta(detailed=[bytes(18)] * 6)), preferred="1280x800@60")
        wishes = ["800x600@60", "1024x768@60", "1280x960@60", "1400x1050@60", "1600x1200@60", "1680x1050@60"]
        for wish in wishes:
            data = edid.edit(data, preferred=wish)
        names = {mode.name.partition("@")[0] for mode in edid.decode(data).modes}
        assert names == {"1366x768", "1280x800", *(wish.partition("@")[0] for wish in wishes)}
        assert edid.decode(data).name == "x"
        assert refusal(edid.edit, data, preferred="1920x1200@60") == (
            "there is no room: 1680x1050@59.95 would be lost, as every descriptor is in use"
        )

    def test_a_rate_with_decimals_means_that_one(self) -> None:
        assert preferred_of(edid.edit(OURS, preferred="1280x800@59.81")).pixel_clock == 83_500_000
        assert preferred_of(edid.edit(OURS, preferred="1280x800@60")).pixel_clock == 71_000_000
        assert "not known" in refusal(edid.edit, OURS, preferred="1920x1080@59.94")

    @pytest.mark.parametrize("name", ["1080p", "1920x1080", "1920x1080@", "x@60", "1920x1080@60 "])
    def test_no_mode(self, name: str) -> None:
        assert refusal(edid.edit, OURS, preferred=name) == (
            f'"{name}" is no mode: name one like "1920x1080@50", interlaced "1920x1080i@50"'
        )

    @pytest.mark.parametrize("name", ["4096x2160@60", "3840x2160@120"])
    def test_a_mode_that_does_not_fit(self, name: str) -> None:
        assert "does not fit into an EDID's detailed timing: at most 4095 pixels" in refusal(
            edid.edit, OURS, preferred=name
        )


class TestTables:
    def test_codes_are_those_of_edid_decode(self) -> None:
        """Of VIC 39, both fields have whole lines, which an EDID cannot tell."""
        printed = re.findall(
            r"^VIC +(\d+): +(\d+)x(\d+)(i?) +([\d.]+) Hz", edid_decode(b"", "--list-vics"), re.MULTILINE
        )
        assert len(printed) == len(table().vic) == 154
        for vic, width, height, interlaced, refresh in printed:
            timing = table().vic[int(vic)]
            assert (timing.width, timing.height, timing.interlaced) == (int(width), int(height), bool(interlaced))
            assert timing.refresh == pytest.approx(float(refresh), abs=0.1 if vic == "39" else 1e-4), vic

    def test_timings_are_the_kernels(self) -> None:
        """UAPI v4l2-dv-timings.h; the kernel's clock of double-clocked modes is that of the pixels, half of ours."""
        macro = re.compile(r"V4L2_INIT_BT_TIMINGS\(([^)]*?)\)", re.DOTALL)
        source = HEADER_LINES.read_text().replace("\\\n", " ")
        compared = 0
        for arguments in macro.findall(source):
            values = [value.strip() for value in arguments.split(",")]
            vic = re.search(r"\{ ?\d+, \d+ ?\}, (\d+)$", " ".join(arguments.split()))
            if vic is None or int(vic[1]) not in table().vic or int(values[2]):
                continue
            timing = table().vic[int(vic[1])]
            mine = (timing.h_front, timing.h_sync, timing.h_back, timing.v_front, timing.v_sync, timing.v_back)
            assert (timing.width, timing.height) == (int(values[0]), int(values[1]))
            assert timing.clock * 1000 == int(values[4])
            assert mine == tuple(map(int, values[5:11]))
            assert timing.h_positive == ("V4L2_DV_HSYNC_POS_POL" in values[3])
            compared += 1
        assert compared > 15

    @pytest.mark.parametrize("timing", FITTING, ids=lambda timing: f"{timing.width}x{timing.height}")
    def test_a_timing_that_is_written_is_read_again(self, timing: Timing) -> None:
        raw = write_detailed(timing, (508, 286))
        seen = read_detailed(raw)
        assert seen is not None
        assert msgspec.structs.replace(seen, clock=timing.clock) == timing
        assert seen.clock == pytest.approx(timing.clock, abs=5)
        assert read_size(raw) == (508, 286)

    def test_the_descriptors_follow_each_other(self) -> None:
        assert list(DESCRIPTORS) == [54, 72, 90, 108]
