"""The virtual drivers: they conform, and the virtual computer behaves as a computer does while it runs."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from kvmd import (
    AbsoluteMouseReport,
    DriverError,
    HidOffline,
    KeyboardReport,
    Leds,
    NoSignal,
    RelativeMouseReport,
)
from kvmd.contract.capture import CaptureDriver
from kvmd.contract.hid import HidDriver
from kvmd.testing import CaptureConformance, HidConformance
from kvmd_drivers import virtual
from kvmd_drivers.virtual import VirtualCapture, VirtualHid, keys, screen
from kvmd_drivers.virtual.computer import Computer, find, shared
from kvmd_drivers.virtual.console import LINES
from kvmd_drivers.virtual.screen import Screen
from tests.conftest import Daemon

SHIFT = 0x02
CTRL_ALT = 0x05
NOON = "12:00:00"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A computer of the test's own."""
    return str(request.node.nodeid)


@pytest.fixture
def computer(name: str) -> Computer:
    return shared(name)


@pytest.fixture
def capture(name: str) -> Iterator[VirtualCapture]:
    driver = VirtualCapture(VirtualCapture.Options(computer=name), None)
    driver.open()
    yield driver
    driver.close()


@pytest.fixture
def hid(name: str) -> Iterator[VirtualHid]:
    driver = VirtualHid(VirtualHid.Options(computer=name), None)
    driver.open()
    yield driver
    driver.close()


class TestCaptureConforms(CaptureConformance):
    # it has no device that could go; None is how pytest is told of no test
    test_open_without_the_device = test_device_lost_and_back = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self, name: str) -> VirtualCapture:
        return VirtualCapture(VirtualCapture.Options(computer=name), None)

    def unplug(self, driver: CaptureDriver) -> None:
        assert isinstance(driver, VirtualCapture)
        driver._computer.plug_video(False)

    def plug(self, driver: CaptureDriver) -> None:
        assert isinstance(driver, VirtualCapture)
        driver._computer.plug_video(True)


class TestHidConforms(HidConformance):
    lock_key = keys.CAPS_LOCK
    # it has no device that could go; None is how pytest is told of no test
    test_open_without_the_device = test_device_lost_and_back = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self, name: str) -> VirtualHid:
        return VirtualHid(VirtualHid.Options(computer=name), None)

    def unplug(self, driver: HidDriver) -> None:
        assert isinstance(driver, VirtualHid)
        driver._computer.plug_host(False)

    def plug(self, driver: HidDriver) -> None:
        assert isinstance(driver, VirtualHid)
        driver._computer.plug_host(True)


def tap(computer: Computer, *usages: int, modifiers: int = 0) -> None:
    """Press keys together, the modifiers first, and release them."""
    if modifiers:
        computer.take(KeyboardReport(modifiers))
    computer.take(KeyboardReport(modifiers, usages))
    computer.take(KeyboardReport())


def usages_of(text: str) -> list[int]:
    return [0x2C if letter == " " else 0x04 + ord(letter) - ord("a") for letter in text]


def write(computer: Computer, text: str) -> None:
    for usage in usages_of(text):
        tap(computer, usage)


def text_of(computer: Computer) -> list[str]:
    return [line.text for line in computer.state().lines]


def draw(computer: Computer, clock: str = NOON, cursor: bool = False) -> NDArray[np.uint8]:
    return pixels(Screen().draw(computer.state(), clock, cursor))


def pixels(data: bytes | memoryview) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(720, 1280, 3)


def cell(picture: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    return picture[row * 28 : (row + 1) * 28, column * 16 : (column + 1) * 16]


def test_typed_text_is_shown() -> None:
    computer = Computer()
    write(computer, "hello world")
    assert "> hello world" in text_of(computer)


def test_typed_text_is_drawn_in_its_cells() -> None:
    computer = Computer()
    write(computer, "hi")
    picture = draw(computer)
    row, column = computer.state().cursor
    for place, letter in ((column - 2, "h"), (column - 1, "i")):
        wanted = screen._tile((letter, screen.FOREGROUND, screen.BACKGROUND))
        assert (cell(picture, row, place) == wanted).all()
        assert wanted.std() > 10


def test_every_character_has_a_glyph() -> None:
    tiles = {screen._tile((chr(code), screen.FOREGROUND, screen.BACKGROUND)).tobytes() for code in range(0x20, 0x7F)}
    assert len(tiles) == 0x7F - 0x20


@pytest.mark.parametrize(
    ("usage", "modifiers", "caps", "wanted"),
    [
        (0x04, 0, False, "a"),
        (0x04, SHIFT, False, "A"),
        (0x04, 0x20, False, "A"),
        (0x04, 0, True, "A"),
        (0x04, SHIFT, True, "a"),
        (0x1E, 0, True, "1"),
        (0x1E, SHIFT, True, "!"),
        (0x27, SHIFT, False, ")"),
        (0x31, 0, False, "\\"),
        (0x38, SHIFT, False, "?"),
        (0x55, 0, False, "*"),
        (0x59, 0, False, ""),
        (0x3A, 0, False, ""),
        (0x04, 0x01, False, ""),
    ],
)
def test_layout(usage: int, modifiers: int, caps: bool, wanted: str) -> None:
    computer = Computer()
    if caps:
        tap(computer, keys.CAPS_LOCK)
    tap(computer, usage, modifiers=modifiers)
    assert text_of(computer)[3] == "> " + wanted


def test_us_layout_has_every_printable_character() -> None:
    characters = {
        keys.typed(usage, shift=shift, caps=False, num=False) for usage in range(0x66) for shift in (False, True)
    }
    assert {chr(code) for code in range(0x20, 0x7F)} <= characters


def test_keypad_types_digits_while_num_lock_is_on() -> None:
    computer = Computer()
    tap(computer, keys.NUM_LOCK)
    for usage in range(0x54, 0x64):
        if usage != keys.KEYPAD_ENTER:
            tap(computer, usage)
    assert text_of(computer)[3] == "> /*-+1234567890."


def test_a_held_key_types_once() -> None:
    computer = Computer()
    for _ in range(3):
        computer.take(KeyboardReport(keys=(0x04,)))
    computer.take(KeyboardReport(keys=(0x04, 0x05)))
    computer.take(KeyboardReport(keys=(0x05,)))
    assert text_of(computer)[3] == "> ab"


def test_rollover_is_no_key() -> None:
    computer = Computer()
    computer.take(KeyboardReport(keys=(0x04,)))
    computer.take(KeyboardReport(keys=(1, 1, 1, 1, 1, 1)))
    computer.take(KeyboardReport(keys=(0x04,)))
    assert text_of(computer)[3] == "> a"


def test_enter_tab_and_backspace() -> None:
    computer = Computer()
    write(computer, "ab")
    tap(computer, keys.ENTER)
    tap(computer, keys.TAB)
    write(computer, "c")
    assert text_of(computer)[3:5] == ["> ab", ">       c"]
    for _ in range(20):
        tap(computer, keys.BACKSPACE)
    assert text_of(computer)[4] == "> "
    assert computer.state().cursor == (4, 2)


def test_long_lines_wrap_and_can_be_taken_back() -> None:
    computer = Computer()
    write(computer, "x" * 78)
    assert computer.state().cursor == (4, 0)
    write(computer, "yz")
    assert text_of(computer)[3:5] == ["> " + "x" * 78, "yz"]
    for _ in range(3):
        tap(computer, keys.BACKSPACE)
    assert text_of(computer)[3:5] == ["> " + "x" * 77, ""]
    assert computer.state().cursor == (3, 79)


def test_the_console_scrolls() -> None:
    computer = Computer()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        write(computer, letter)
        tap(computer, keys.ENTER)
    text = text_of(computer)
    assert len(text) == LINES
    assert text[-2:] == ["> z", "> "]
    assert text[0] == "> c"
    assert computer.state().cursor == (LINES - 1, 2)


def test_typing_without_end_stays_bounded() -> None:
    computer = Computer()
    write(computer, "x" * 3000)
    state = computer.state()
    assert len(state.lines) == LINES
    assert state.cursor[0] == LINES - 1


@pytest.mark.parametrize(
    ("usage", "lit"),
    [
        (keys.NUM_LOCK, Leds(num=True)),
        (keys.CAPS_LOCK, Leds(caps=True)),
        (keys.SCROLL_LOCK, Leds(scroll=True)),
    ],
)
def test_lamps_follow_the_lock_keys(hid: VirtualHid, usage: int, lit: Leds) -> None:
    hid.send(KeyboardReport(keys=(usage,)))
    assert hid.watch(0)
    hid.send(KeyboardReport())
    assert hid.status().leds == lit
    assert not hid.watch(0)
    hid.send(KeyboardReport(keys=(usage,)))
    assert hid.watch(0)
    assert hid.status().leds == Leds()


@pytest.mark.parametrize(("usage", "x"), [(keys.NUM_LOCK, 16), (keys.CAPS_LOCK, 84), (keys.SCROLL_LOCK, 160)])
def test_lamps_are_drawn(usage: int, x: int) -> None:
    computer = Computer()
    assert tuple(draw(computer)[710, x]) == screen.BAR_DARK
    tap(computer, usage)
    assert tuple(draw(computer)[710, x]) == screen.LAMP_LIT


def test_chords_are_named() -> None:
    computer = Computer()
    tap(computer, 0x04)
    computer.take(KeyboardReport(0x01))
    computer.take(KeyboardReport(CTRL_ALT))
    computer.take(KeyboardReport(CTRL_ALT, (0x4C,)))
    computer.take(KeyboardReport())
    tap(computer, 0x3A, modifiers=0x40)
    tap(computer, modifiers=0x08)
    tap(computer, modifiers=0x08)
    tap(computer, 0x05, 0x06)
    tap(computer, 0xA5)
    assert computer.state().keys == ("A", "Ctrl+Alt+Delete", "RightAlt+F1", "Meta", "Meta", "B+C", "0xA5")


def test_only_the_last_keys_are_kept_and_fit_the_bar() -> None:
    computer = Computer()
    for _ in range(20):
        tap(computer, 0x46, 0x48, 0x49, 0x4A, 0x4B, 0x4C, modifiers=0xFF)
    assert len(computer.state().keys) == 8
    assert screen._fitting(computer.state().keys, 68).endswith("…")
    assert screen._fitting(("A", "B", "C"), 4) == "B  C"
    assert screen._fitting((), 4) == ""
    draw(computer)


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [(0, 0, (0, 0)), (32767, 32767, (1279, 719)), (16384, 16384, (640, 360)), (99999, 0, (1279, 0))],
)
def test_the_pointer_is_where_the_mouse_says(x: int, y: int, place: tuple[int, int]) -> None:
    computer = Computer()
    computer.take(AbsoluteMouseReport(x=x, y=y))
    pointer = computer.state().pointer
    assert (pointer.x, pointer.y) == place
    assert tuple(draw(computer)[place[1], place[0]]) == screen.POINTER_EDGE


def test_the_pointer_moves_and_leaves_nothing_behind() -> None:
    computer, kept = Computer(), Screen()
    computer.take(AbsoluteMouseReport())
    before = kept.draw(computer.state(), NOON, False)
    computer.take(RelativeMouseReport(dx=100, dy=50))
    moved = pixels(kept.draw(computer.state(), NOON, False))
    assert tuple(moved[50, 100]) == screen.POINTER_EDGE
    assert tuple(moved[53, 101]) == screen.POINTER_FILL
    computer.take(RelativeMouseReport(dx=-127, dy=-127))
    assert kept.draw(computer.state(), NOON, False) == before


def test_buttons_and_wheels_are_shown() -> None:
    computer = Computer()
    before = draw(computer)
    computer.take(AbsoluteMouseReport(buttons=0b101, x=16384, y=16384, wheel=-2, hwheel=1))
    computer.take(RelativeMouseReport(buttons=0b101, wheel=-1))
    assert screen._describe(computer.state().pointer) == "640,360  left+middle  wheel -3  hwheel +1"
    assert (draw(computer)[700:] != before[700:]).any()


def test_the_cursor_blinks_where_the_next_character_goes() -> None:
    computer = Computer()
    row, column = computer.state().cursor
    off, on = draw(computer, cursor=False), draw(computer, cursor=True)
    assert (cell(on, row, column) == screen.ACCENT).all()
    on.setflags(write=False)
    changed = np.argwhere((on != off).any(axis=2))
    assert (changed // (28, 16) == (row, column)).all()


def test_the_clock_is_drawn() -> None:
    computer = Computer()
    changed = np.argwhere((draw(computer, "12:00:00") != draw(computer, "12:00:01")).any(axis=2))
    assert len(changed)
    assert changed[:, 0].min() >= screen.BAR_TOP


def test_a_picture_that_did_not_change_is_the_same_object() -> None:
    computer, kept = Computer(), Screen()
    first = kept.draw(computer.state(), NOON, True)
    assert kept.draw(computer.state(), NOON, True) is first
    tap(computer, 0x04)
    second = kept.draw(computer.state(), NOON, True)
    assert second != first
    assert kept.draw(computer.state(), NOON, True) is second


def test_what_is_drawn_bit_by_bit_equals_what_is_drawn_at_once() -> None:
    computer, kept, dice = Computer(), Screen(), random.Random(7)
    for turn in range(300):
        for _ in range(dice.randrange(40)):
            tap(
                computer,
                dice.choice((*range(0x04, 0x39), *range(0x04, 0x39), keys.CAPS_LOCK)),
                modifiers=dice.choice((0, SHIFT)),
            )
        computer.take(AbsoluteMouseReport(x=dice.randrange(32768), y=dice.randrange(32768)))
        blink = dice.choice((False, True))
        data = kept.draw(computer.state(), NOON, blink)
        if turn % 20 == 0:
            assert data == Screen().draw(computer.state(), NOON, blink)


def test_capture_and_hid_of_one_name_meet(capture: VirtualCapture, hid: VirtualHid, name: str) -> None:
    hid.send(KeyboardReport(keys=(0x04,)))
    state = capture._computer.state()
    assert state.keys == ("A",)
    other = VirtualHid(VirtualHid.Options(computer=name + " other"), None)
    assert other._computer.state().keys == ()


def test_what_is_typed_is_seen_in_the_next_frame(capture: VirtualCapture, hid: VirtualHid) -> None:
    frames = capture.frames()
    row, column = capture._computer.state().cursor
    before = pixels(next(frames).data)
    assert (cell(before, row, column) != screen._tile(("a", screen.FOREGROUND, screen.BACKGROUND))).any()
    hid.send(KeyboardReport(keys=(0x04,)))
    after = pixels(next(frames).data)
    assert (cell(after, row, column) == screen._tile(("a", screen.FOREGROUND, screen.BACKGROUND))).all()


def test_frames_keep_the_pace_and_miss_what_is_late(capture: VirtualCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    time = SimpleNamespace(
        monotonic=lambda: clock.now,
        time=lambda: clock.now,
        localtime=lambda now: now,
        strftime=lambda *_: NOON,
    )

    def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
        clock.now += timeout
        return condition()

    monkeypatch.setattr(virtual, "time", time)
    monkeypatch.setattr(capture._computer, "wait_for", wait_for)
    capture.open()
    frames = capture.frames()
    on_time = list(itertools.islice(frames, 1000))
    assert [frame.sequence for frame in on_time] == list(range(1000))
    assert on_time[-1].timestamp == pytest.approx(100 + 999 / 30, abs=1e-6)
    clock.now += 0.11
    late = next(frames)
    assert late.sequence == 999 + 3
    assert next(frames).timestamp == pytest.approx(100 + 1003 / 30, abs=1e-6)


def test_an_idle_screen_yields_the_same_bytes(capture: VirtualCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "BLINK", 1e12)
    monkeypatch.setattr("time.strftime", lambda *_: NOON)
    one, two = itertools.islice(capture.frames(), 2)
    assert one.data is two.data


def test_a_pulled_video_cable_ends_the_wait(name: str) -> None:
    driver = VirtualCapture(VirtualCapture.Options(computer=name, frame_rate=0.01), None)
    driver.open()
    frames = driver.frames()
    next(frames)
    threading.Timer(0.05, shared(name).plug_video, (False,)).start()
    with pytest.raises(NoSignal, match="no signal: the virtual computer's cable is unplugged"):
        next(frames)


def test_a_plugged_video_cable_ends_the_wait(
    capture: VirtualCapture, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual, "PATIENCE", 30)
    computer.plug_video(False)
    with pytest.raises(NoSignal):
        next(capture.frames())
    threading.Timer(0.05, computer.plug_video, (True,)).start()
    assert next(capture.frames()).width == 1280


def test_a_closed_capture_ends_the_wait(name: str) -> None:
    driver = VirtualCapture(VirtualCapture.Options(computer=name, frame_rate=0.01), None)
    driver.open()
    frames = driver.frames()
    next(frames)
    threading.Timer(0.05, driver.close).start()
    assert next(frames, None) is None
    with pytest.raises(DriverError, match="not open"):
        next(driver.frames())


def test_the_computer_goes_on_without_a_picture(hid: VirtualHid, computer: Computer) -> None:
    computer.plug_video(False)
    hid.send(KeyboardReport(keys=(0x04,)))
    assert text_of(computer)[3] == "> a"


def test_a_pulled_usb_cable_ends_the_wait(hid: VirtualHid, computer: Computer) -> None:
    hid.send(KeyboardReport(keys=(0x04,)))
    threading.Timer(0.05, computer.plug_host, (False,)).start()
    with pytest.raises(HidOffline, match="no host: the virtual computer's USB cable is unplugged"):
        hid.watch(30)
    assert hid.status().host_connected is False
    assert hid.status().leds is None
    threading.Timer(0.05, computer.plug_host, (True,)).start()
    assert hid.watch(30) is False
    hid.send(KeyboardReport(keys=(0x04,)))
    assert text_of(computer)[3] == "> aa", "pulling the cable releases what was held"


def test_closing_ends_the_watch(hid: VirtualHid, computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for = computer.wait_for

    def closing(condition: Callable[[], bool], timeout: float) -> bool:
        threading.Timer(0.05, hid.close).start()
        return wait_for(condition, timeout)

    monkeypatch.setattr(computer, "wait_for", closing)
    assert hid.watch(30) is False
    with pytest.raises(DriverError, match="not open"):
        hid.send(KeyboardReport())


@pytest.fixture
def client(make_daemon: Callable[..., Daemon]) -> FlaskClient:
    daemon = make_daemon()
    client = daemon.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {daemon.kvm.auth.credentials.add_key('test')}"
    return client


def test_endpoint_shows_the_screen(client: FlaskClient, computer: Computer, name: str) -> None:
    write(computer, "hi")
    tap(computer, keys.CAPS_LOCK)
    answer = client.get("/api/virtual", query_string={"computer": name})
    assert answer.status_code == 200
    assert answer.get_json()["status"] == 1
    data = answer.get_json()["data"]
    assert data["text"][3] == "> hi"
    assert len(data["text"]) == 25
    assert data["leds"] == {"num": False, "caps": True, "scroll": False}
    assert data["keys"] == ["H", "I", "CapsLock"]
    assert data["pointer"]["x"] == 640
    assert (data["signal"], data["host"]) == (True, True)


def test_endpoint_pulls_the_cables_one_by_one(client: FlaskClient, computer: Computer, name: str) -> None:
    answer = client.post("/api/virtual", json={"computer": name, "signal": False})
    assert (answer.get_json()["data"]["signal"], answer.get_json()["data"]["host"]) == (False, True)
    answer = client.post("/api/virtual", json={"computer": name, "host": False})
    assert (answer.get_json()["data"]["signal"], answer.get_json()["data"]["host"]) == (False, False)
    answer = client.post("/api/virtual", data=msgspec.json.encode({"computer": name, "signal": True, "host": True}))
    assert (answer.get_json()["data"]["signal"], answer.get_json()["data"]["host"]) == (True, True)
    assert (computer.signal, computer.host) == (True, True)


@pytest.mark.parametrize("body", ["", "{", "[]", '{"signal": 1}', '{"signal": null}', '{"sginal": false}', "\xff"])
def test_endpoint_refuses_what_it_does_not_know(client: FlaskClient, body: str) -> None:
    answer = client.post("/api/virtual", data=body.encode("latin-1"))
    assert answer.status_code == 400
    assert answer.get_json()["status"] == 0
    assert answer.get_json()["info"].startswith("the body is not what /api/virtual takes: ")


def test_endpoint_makes_no_computers(client: FlaskClient) -> None:
    for answer in (
        client.get("/api/virtual?computer=nobody's"),
        client.post("/api/virtual", json={"computer": "nobody's", "host": False}),
    ):
        assert answer.status_code == 404
        assert answer.get_json()["info"].startswith('no virtual computer "nobody\'s"')
    assert find("nobody's") is None
