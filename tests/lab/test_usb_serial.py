"""The emulated CH340, asked as the kernel's ch341 asks, and the CH9329 behind it."""

import time
from collections.abc import Iterator

import pytest

from tests.lab.usb.ch340 import Ch340, Loop
from tests.lab.usb.ch9329 import Ch9329
from tests.lab.usb.usbredir import Type
from tests.lab.usb_host import Host
from tests.waiting import eventually

IN, OUT = 0x82, 0x02
WRITE = (0x40, 0x9A)
GET_INFO = bytes.fromhex("57 ab 00 01 00 03")


class SerialHost(Host):
    """A host that uses the line."""

    @property
    def adapter(self) -> Ch340:
        assert isinstance(self.port.device, Ch340)
        return self.port.device

    def descriptor(self, kind: int, language: int, length: int) -> bytes:
        """Ask for a descriptor that is there."""
        found = self.control(0x80, 6, kind, language, length)
        assert found is not None
        return found

    def tune(self, prescaler: int, divisor: int) -> None:
        assert self.control(*WRITE, 0x1312, (0x100 - divisor) << 8 | 0x80 | prescaler, 0) == b""

    def write(self, data: bytes) -> None:
        head = bytes((OUT, 0, len(data), 0, 0, 0, 0, 0, 0, 0))
        answer = self.ask(Type.BULK, head + data)
        assert answer.body == head

    def read(self, length: int) -> bytes:
        came = b""
        while len(came) < length:
            self.submit(endpoint=IN, room=32)
            came += eventually(lambda: b"".join(self.receive(time.monotonic())), "bytes")
        return came


@pytest.fixture
def loop() -> SerialHost:
    return SerialHost(Ch340(Loop()))


@pytest.fixture
def chip() -> Iterator[SerialHost]:
    host = SerialHost(Ch340(Ch9329(baud=57600)))
    yield host
    host.port.unplug()


def test_descriptors(loop: SerialHost) -> None:
    assert loop.control(0x80, 6, 0x0100, 0, 18) == bytes.fromhex("12 01 1001 ff 00 00 08 861a 2375 5402 00 02 00 01")
    configuration = loop.descriptor(0x0200, 0, 255)
    assert configuration[:9] == bytes((9, 2, 39, 0, 1, 1, 0, 0x80, 48))
    assert configuration[9:18] == bytes((9, 4, 0, 0, 3, 0xFF, 1, 2, 0))
    assert [configuration[at + 2 : at + 5] for at in (18, 25, 32)] == [b"\x82\2\x20", b"\2\2\x20", b"\x81\3\x08"]
    assert loop.descriptor(0x0302, 0x0409, 255)[2:].decode("utf-16le") == "USB Serial"
    assert loop.control(0x80, 6, 0x0303, 0x0409, 255) is None


@pytest.mark.parametrize(
    ("prescaler", "divisor", "baud"),
    # 1 << (12 - 3 * the two low bits - the third) of 48 MHz's periods, times the divisor
    [(0b001, 78, 1202), (0b010, 78, 9615), (0b110, 26, 57692), (0b111, 52, 230769), (0b111, 104, 115385)],
)
def test_speed_is_what_its_registers_say(loop: SerialHost, prescaler: int, divisor: int, baud: int) -> None:
    loop.tune(prescaler, divisor)
    assert loop.adapter.baud == pytest.approx(baud, abs=1)


def test_what_the_kernel_asks_at_first(loop: SerialHost) -> None:
    assert loop.control(0xC0, 0x5F, 0, 0, 2) == b"\x31\0"
    assert loop.control(0x40, 0xA1, 0, 0, 0) == b""
    assert loop.control(0xC0, 0x95, 0x05, 0, 2) == b"\0\0"
    assert loop.control(0xC0, 0x95, 0x0706, 0, 2) == b"\xff\0"
    assert loop.ask(Type.START_INTERRUPT_RECEIVING, b"\x81").body == b"\0\x81"
    assert loop.ask(Type.STOP_INTERRUPT_RECEIVING, b"\x81").body == b"\0\x81"


def test_lines_of_the_modem(loop: SerialHost) -> None:
    adapter = loop.adapter
    for pins, expected in [(0x20, (True, False)), (0x60, (True, True)), (0, (False, False))]:
        loop.control(0x40, 0xA4, ~pins & 0xFFFF, 0, 0)
        assert (adapter.dtr, adapter.rts) == expected


def test_what_is_sent_into_a_loop_comes_back_in_packets(loop: SerialHost) -> None:
    sent = bytes(range(100))
    loop.write(sent)
    loop.submit(2, endpoint=IN, room=32)
    assert loop.receive(now=1) == [sent[:32], sent[32:64]]
    assert loop.read(36) == sent[64:]
    assert loop.receive(now=2) == [], "nobody waits"


def test_chip_answers_at_its_speed_alone(chip: SerialHost) -> None:
    chip.tune(0b010, 78)
    chip.write(GET_INFO)
    time.sleep(0.2)  # a pseudo-terminal brings what was sent at whatever speed it has when it is read
    chip.tune(0b110, 26)
    chip.write(GET_INFO)
    assert chip.read(14).hex(" ").startswith("57 ab 00 81 08 30 01")
    state = chip.adapter.state()
    assert (state["chip_baud"], state["arrived"]) == (57600, [])
    assert chip.receive(time.monotonic() + 1) == [], "one answer"


def test_what_arrives_at_the_target_is_told(chip: SerialHost) -> None:
    chip.tune(0b110, 26)
    frame = bytes.fromhex("57 ab 00 02 08 00 00 04 00 00 00 00 00")
    chip.write(frame + bytes((sum(frame) % 256,)))
    assert chip.read(7) == bytes.fromhex("57 ab 00 82 01 00 85")
    state = chip.adapter.state()
    assert state["arrived"] == [(2, "0000040000000000")]
    assert not state["holds_nothing"]


def test_target_obeys(chip: SerialHost) -> None:
    chip.adapter.obey("act", words="leds 2")
    chip.tune(0b110, 26)
    chip.write(GET_INFO)
    assert chip.read(14)[7] == 2
    with pytest.raises(ValueError, match="not understood: dance"):
        chip.adapter.obey("act", words="dance")
    with pytest.raises(ValueError, match="no such command: dance"):
        chip.adapter.obey("dance")
