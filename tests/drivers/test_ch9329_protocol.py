"""CH9329: the bytes of frames, reports and configuration, and frames found in whatever comes in."""

import random

import msgspec
import pytest

from kvmd import (
    AbsoluteMouseReport,
    ConsumerReport,
    KeyboardReport,
    Leds,
    Page,
    RelativeMouseReport,
    SystemReport,
    Unsupported,
    keys_of,
)
from kvmd.contract.hid import Report
from kvmd_drivers.ch9329.payloads import (
    Config,
    Info,
    Text,
    decode_text,
    encode,
    encode_text,
    without_steps,
)
from kvmd_drivers.ch9329.protocol import HEADER, MAX_DATA, Command, Frame, Parser, Status, in_words

KNOWN = [
    (KeyboardReport(keys=(0x04,)), "57 AB 00 02 08 00 00 04 00 00 00 00 00 10"),
    (KeyboardReport(), "57 AB 00 02 08 00 00 00 00 00 00 00 00 0C"),
    (ConsumerReport((0xE2,)), "57 AB 00 03 04 02 04 00 00 0F"),
    (ConsumerReport(), "57 AB 00 03 04 02 00 00 00 0B"),
    (
        AbsoluteMouseReport(x=round(100 / 1920 * 32767), y=round(200 / 1080 * 32767)),
        "57 AB 00 04 07 02 00 D5 00 F6 02 00 DC",
    ),
    (RelativeMouseReport(dx=-5, dy=7), "57 AB 00 05 05 01 00 FB 07 00 0F"),
    (RelativeMouseReport(buttons=1), "57 AB 00 05 05 01 01 00 00 00 0E"),
    (RelativeMouseReport(), "57 AB 00 05 05 01 00 00 00 00 0D"),
    (RelativeMouseReport(wheel=1), "57 AB 00 05 05 01 00 00 00 01 0E"),
]

# The bits of the three bytes of media keys as WCH's document lists them, from bit 7 to bit 0.
MEDIA = [
    [0xB8, 0xB7, 0xB6, 0xB5, 0xCD, 0xE2, 0xEA, 0xE9],
    [0x227, 0x226, 0x225, 0x224, 0x223, 0x22A, 0x221, 0x18A],
    [0xB4, 0xB2, 0x206, 0x194, 0x1B1, 0x192, 0x196, 0x183],
]
FACTORY = "00 00 00 00 00 25 80 08 00 00 03 86 1A 29 E1"


def frame_of(report: Report) -> bytes:
    command, data = encode(report)
    return Frame(command, data).encode()


class TestReports:
    @pytest.mark.parametrize(("report", "known"), KNOWN, ids=lambda value: str(value)[:40])
    def test_known_bytes(self, report: Report, known: str) -> None:
        assert frame_of(report) == bytes.fromhex(known)

    def test_get_info(self) -> None:
        assert Frame(Command.GET_INFO).encode() == bytes.fromhex("57 AB 00 01 00 03")

    @pytest.mark.parametrize(("byte", "usages"), list(enumerate(MEDIA)))
    def test_media_bits(self, byte: int, usages: list[int]) -> None:
        for bit, usage in zip(range(7, -1, -1), usages, strict=True):
            expected = bytearray(b"\x02\0\0\0")
            expected[1 + byte] = 1 << bit
            assert encode(ConsumerReport((usage,))) == (Command.MEDIA, bytes(expected))

    def test_media_keys_together(self) -> None:
        assert encode(ConsumerReport((0xE9, 0x227, 0x183, 0x19E))) == (Command.MEDIA, bytes.fromhex("02 01 80 09"))

    def test_media_keys_that_the_chip_lacks_are_named(self) -> None:
        with pytest.raises(Unsupported, match=r"usage 0xB0, 0xB3 of the consumer page"):
            encode(ConsumerReport((0xE2, 0xB0, 0xB3)))

    def test_which_keys_of_ours_the_chip_lacks(self) -> None:
        lacking = set()
        for name, key in keys_of(Page.CONSUMER).items():
            try:
                encode(ConsumerReport((key.usage,)))
            except Unsupported:
                lacking.add(name)
        assert lacking == {"MediaPlay", "MediaPause", "MediaFastForward"}

    @pytest.mark.parametrize(("usage", "bits"), [(0, 0), (0x81, 1), (0x82, 2), (0x83, 4)])
    def test_power_keys(self, usage: int, bits: int) -> None:
        assert encode(SystemReport(usage)) == (Command.MEDIA, bytes((1, bits)))

    def test_power_keys_that_the_chip_lacks(self) -> None:
        with pytest.raises(Unsupported, match="usage 0x84"):
            encode(SystemReport(0x84))

    def test_modifiers_and_six_keys(self) -> None:
        data = bytes.fromhex("A5 00 04 05 06 07 08 E7")
        assert encode(KeyboardReport(0xA5, (4, 5, 6, 7, 8, 0xE7))) == (Command.KEYBOARD, data)

    def test_too_many_keys_roll_over(self) -> None:
        assert encode(KeyboardReport(0, tuple(range(4, 11))))[1] == bytes.fromhex("00 00 01 01 01 01 01 01")

    @pytest.mark.parametrize(
        ("place", "expected"),
        [(0, 0), (32767, 4095), (99999, 4095), (-1, 0), (16384, 2048), (3, 0), (5, 1), (32763, 4095)],
    )
    def test_places(self, place: int, expected: int) -> None:
        _, data = encode(AbsoluteMouseReport(x=place, y=32767))
        assert int.from_bytes(data[2:4], "little") == expected
        assert int.from_bytes(data[4:6], "little") == 4095

    @pytest.mark.parametrize(
        ("step", "byte"), [(1, 1), (-1, 0xFF), (127, 127), (-127, 0x81), (-128, 0x81), (500, 127), (-500, 0x81)]
    )
    def test_steps_are_signed_bytes(self, step: int, byte: int) -> None:
        assert encode(RelativeMouseReport(dx=step, dy=step, wheel=step))[1] == bytes((1, 0, byte, byte, byte))
        assert encode(AbsoluteMouseReport(wheel=step))[1][-1] == byte

    @pytest.mark.parametrize("kind", [AbsoluteMouseReport, RelativeMouseReport])
    def test_what_its_mouse_lacks(self, kind: type[AbsoluteMouseReport] | type[RelativeMouseReport]) -> None:
        assert encode(kind(buttons=7))[1][1] == 7
        for buttons in (8, 16, 9):
            with pytest.raises(Unsupported, match="a left, a right and a middle button, and no others"):
                encode(kind(buttons=buttons))
        with pytest.raises(Unsupported, match="no horizontal wheel"):
            encode(kind(hwheel=-1))

    def test_what_may_be_sent_twice(self) -> None:
        assert without_steps(RelativeMouseReport(3, 1, 2, 3)) == RelativeMouseReport(3)
        assert without_steps(AbsoluteMouseReport(3, 1, 2, 3)) == AbsoluteMouseReport(3, 1, 2)
        assert without_steps(KeyboardReport(1, (4,))) == KeyboardReport(1, (4,))


def random_frame(dice: random.Random) -> Frame:
    data = dice.randbytes(dice.randrange(MAX_DATA + 1))
    if dice.random() < 0.3:
        data = (data[:20] + HEADER + data[20:])[:MAX_DATA]
    return Frame(dice.randrange(256), data, dice.randrange(256))


class TestFrames:
    def test_frames_come_out_as_they_went_in_however_they_are_cut(self) -> None:
        dice = random.Random(1)
        frames = [random_frame(dice) for _ in range(500)]
        stream, parser, found = b"".join(frame.encode() for frame in frames), Parser(), []
        while stream:
            cut = dice.randrange(1, 40)
            found += parser.feed(stream[:cut])
            stream = stream[cut:]
        assert found == frames
        assert parser.skipped == 0

    @pytest.mark.parametrize("noise", ["57", "AB", "57 AB", "00 57 57", "57 AB 00 82 40", "57 AB 00 82 FF", "FF" * 90])
    def test_noise_before_a_frame_is_skipped(self, noise: str) -> None:
        frame, parser = Frame(0x82, b"\0"), Parser()
        found = parser.feed(bytes.fromhex(noise) + frame.encode())
        assert found + parser.give_up() == [frame]
        assert parser.skipped == len(bytes.fromhex(noise))

    def test_half_a_frame_hides_the_next_until_the_line_is_quiet(self) -> None:
        long, short, parser = Frame(0x81, bytes(8)), Frame(0x82, b"\0"), Parser()
        assert parser.feed(long.encode()[:6] + short.encode()) == []
        assert parser.give_up() == [short]

    def test_half_a_frame_does_not_hide_the_next_if_that_is_long(self) -> None:
        half, frame, parser = Frame(0x82, b"\0").encode()[:5], Frame(0x81, bytes(8)), Parser()
        assert parser.feed(half + frame.encode()) == [frame]

    def test_a_whole_frame_inside_anothers_data_is_not_taken_for_one(self) -> None:
        outer, parser = Frame(0x87, Frame(0x82, b"\0").encode()), Parser()
        raw = outer.encode()
        assert parser.feed(raw[:-1]) == []
        assert parser.feed(raw[-1:]) == [outer]

    def test_every_damaged_byte_is_seen(self) -> None:
        raw = Frame(0x81, bytes.fromhex("30 01 02 00 00 00 00 00")).encode()
        after = Frame(0x82, b"\0")
        for at in range(len(raw)):
            parser = Parser()
            found = parser.feed(raw[:at] + bytes((raw[at] ^ 0x10,)) + raw[at + 1 :] + after.encode())
            assert found + parser.give_up() == [after], at

    def test_noise_without_end_does_not_pile_up(self) -> None:
        dice, parser = random.Random(2), Parser()
        for _ in range(200):
            parser.feed(dice.randbytes(100))
            assert len(parser._buffer) <= MAX_DATA + 6

    def test_random_streams_with_damage_lose_only_what_is_damaged(self) -> None:
        dice = random.Random(3)
        for _ in range(300):
            parser, sent, found = Parser(), [], []
            for _ in range(10):
                frame = Frame(0x80 | dice.randrange(1, 16), dice.randbytes(dice.randrange(1, 9)))
                raw = frame.encode()
                if dice.random() < 0.3:
                    raw = raw[: dice.randrange(len(raw))]
                else:
                    sent.append(frame)
                found += parser.feed(raw)
                found += parser.give_up()
            assert found == sent

    def test_status(self) -> None:
        assert Frame(0x82, b"\0").status == Status.OK
        assert Frame(0x82, b"\xe5").status == Status.PARAMETER
        assert Frame(0xC5, b"\xe4").status == Status.SUM
        assert Frame(0x81, b"\x30").status == Status.OK
        assert Frame(0xC1, b"\xe1").status == Status.TIMEOUT
        assert Frame(0xC5, b"\xe4").answers == Command.RELATIVE_MOUSE
        assert Frame(0xC1).status == Frame(0xC2, b"\0").status == Status.FAILED
        assert not Frame(0x05).is_reply

    def test_the_reply_that_was_once_seen(self) -> None:
        (frame,) = Parser().feed(bytes.fromhex("57 AB 00 C5 01 E4 AC"))
        assert (frame.answers, frame.status) == (Command.RELATIVE_MOUSE, Status.SUM)

    def test_words(self) -> None:
        assert in_words(0xE4) == "E4, a frame has a wrong sum"
        assert in_words(0x77) == "77, which is not documented"


class TestInfo:
    def test_decode(self) -> None:
        assert Info.decode(bytes.fromhex("30 01 02 00 00 00 00 00")) == Info(0x30, True, Leds(caps=True))
        assert Info.decode(bytes.fromhex("31 00 05 FF 12 34 56 78")) == Info(0x31, False, Leds(num=True, scroll=True))
        assert Info.decode(bytes.fromhex("31 00 05 FF 12 34 56 78")).version_text == "V1.1"

    @pytest.mark.parametrize("length", [0, 7, 9])
    def test_other_lengths_are_of_another_chip(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"{length} bytes instead of 8"):
            Info.decode(bytes(length))


class TestConfig:
    def test_the_factorys(self) -> None:
        assert Config().encode()[:15] == bytes.fromhex(FACTORY)
        assert len(Config().encode()) == 50

    def test_every_byte_survives_but_the_modes_of_pins(self) -> None:
        dice = random.Random(4)
        for _ in range(200):
            data = bytes((dice.randrange(4), dice.randrange(3))) + dice.randbytes(48)
            assert Config.decode(data).encode() == data
            by_pins = bytes((data[0] | 0x80, data[1] | 0x80)) + data[2:]
            assert Config.decode(by_pins).work_mode == data[0] | 0x80
            assert Config.decode(by_pins).encode() == data

    def test_places(self) -> None:
        data = bytearray(Config(work_mode=2, serial_mode=0).encode())
        assert Config.decode(bytes(data)) == Config(work_mode=2, serial_mode=0)
        changed = msgspec.structs.replace(
            Config.decode(bytes(data)), baud=115200, gap=258, vendor_id=0x1234, product_id=0x5678, address=9
        ).encode()
        data[2:15] = bytes.fromhex("09 00 01 C2 00 08 00 01 02 34 12 78 56")
        assert changed == bytes(data)

    @pytest.mark.parametrize("length", [0, 49, 72, 88])
    def test_other_lengths_are_of_another_chip(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"{length} bytes instead of 50"):
            Config.decode(bytes(length))

    @pytest.mark.parametrize(("kind", "flags"), [(Text.VENDOR, 0x84), (Text.PRODUCT, 0x82), (Text.SERIAL, 0x81)])
    def test_string_flags(self, kind: Text, flags: int) -> None:
        changed = Config().with_text(kind)
        assert changed.encode()[36] == flags
        assert [other for other in Text if changed.uses_text(other)] == [kind]
        assert changed.with_text(Text.SERIAL).uses_text(kind)


class TestTexts:
    def test_round_trip(self) -> None:
        assert encode_text(Text.PRODUCT, "Acme") == b"\x01\x04Acme"
        assert decode_text(b"\x01\x04Acme") == "Acme"
        assert decode_text(b"\x01\x00") == decode_text(b"") == ""
        assert decode_text(b"\x00\x02\xffa") == "\\xffa"

    @pytest.mark.parametrize("text", ["", "x" * 24, "naïve", "a\n"])
    def test_what_does_not_fit(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not 1 to 23 ASCII characters"):
            encode_text(Text.SERIAL, text)
