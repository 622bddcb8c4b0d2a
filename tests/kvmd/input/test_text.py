"""Text: what keys it becomes, and how it is typed, stopped and cancelled, seen from the reports of the hardware."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable

import msgspec
import pytest

from kvmd.contract.hid import Capability, KeyboardReport, Leds, Report
from kvmd.contract.reports import TextReport, TextState
from kvmd.errors import Busy, Cancelled, DeviceLost, DriverError, RequestError, Unsupported
from kvmd.input import text as module
from kvmd.input.holders import Holders
from kvmd.input.keyboard import Keyboard
from kvmd.input.keymap import KEYS
from kvmd.input.text import LONGEST, Job, Text, TextWish
from kvmd.input.turn import Turn
from tests.waiting import patience

NOTHING = KeyboardReport()
SHIFT, ALTGR = KEYS["ShiftLeft"].modifier, KEYS["AltRight"].modifier
CAPS = KEYS["CapsLock"].usage


class Target:
    """Takes reports, up to so many; has a Caps Lock, which works unless it is told not to."""

    def __init__(self) -> None:
        self.reports: list[KeyboardReport] = []
        self.most: int | None = None
        self.leds: Leds | None = Leds()
        self.heeds_caps = True
        self.sent: Callable[[], None] = lambda: None

    def send(self, report: Report) -> None:
        assert isinstance(report, KeyboardReport)
        if self.most is not None and len(self.reports) >= self.most:
            raise DeviceLost("it is unplugged")
        if self.heeds_caps and self.leds and CAPS in report.keys:
            self.leds = Leds(caps=not self.leds.caps)
        self.reports.append(report)
        self.sent()

    @property
    def keys(self) -> list[tuple[int, str]]:
        """The keys that went down, with the modifiers that were down."""
        names = {key.usage: name for name, key in KEYS.items()}
        return [(report.modifiers, names[usage]) for report in self.reports for usage in report.keys]


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def keyboard(target: Target) -> Keyboard:
    return Keyboard(target.send, lambda: ~Capability(0), Holders(lambda _: True, timeout=10, turn=Turn()))


@pytest.fixture
def text(target: Target, keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch) -> Text:
    monkeypatch.setattr(module, "CAPS_LIMIT", 0.1)
    return Text(keyboard, lambda: target.leds, "us")


def job(text: Text, content: str, layout: str | None = None, delay: float = 0) -> Job:
    return text.prepare(TextWish(content, layout, delay))


def type_all(text: Text, content: str, layout: str | None = None, delay: float = 0) -> TextReport:
    return text.type(job(text, content, layout, delay), "one")


def test_each_character_is_a_key_pressed_and_released(text: Text, target: Target) -> None:
    report = type_all(text, "ab")
    a, b = KEYS["KeyA"].usage, KEYS["KeyB"].usage
    assert target.reports == [KeyboardReport(0, (a,)), NOTHING, KeyboardReport(0, (b,)), NOTHING]
    assert report == TextReport(TextState.DONE, 2, 2, "us", "")
    assert text.status() == report


def test_what_is_held_goes_down_before_its_keys_and_up_after_them(text: Text, target: Target) -> None:
    type_all(text, "AB")
    shift = KeyboardReport(SHIFT)
    a, b = (KeyboardReport(SHIFT, (KEYS[name].usage,)) for name in ("KeyA", "KeyB"))
    assert target.reports == [shift, a, shift, b, shift, NOTHING]


def test_altgr_goes_down_before_shift(text: Text, target: Target) -> None:
    type_all(text, "Æ", "de")
    assert [report.modifiers for report in target.reports] == [ALTGR, ALTGR | SHIFT, ALTGR | SHIFT, ALTGR | SHIFT, 0]


def test_dead_keys_lines_and_tabs(text: Text, target: Target) -> None:
    type_all(text, "é^\r\n\t\r\n\n", "de")
    dead = [(0, "Equal"), (0, "KeyE"), (0, "Backquote"), (0, "Space")]
    assert target.keys == [*dead, (0, "Enter"), (0, "Tab"), (0, "Enter"), (0, "Enter")]


def test_a_text_is_composed(text: Text, target: Target) -> None:
    report = type_all(text, unicodedata.normalize("NFD", "ü"), "de")
    assert (target.keys, report.length) == ([(0, "BracketLeft")], 1)


def test_all_that_cannot_be_typed_is_named_before_anything_is(text: Text, target: Target) -> None:
    with pytest.raises(RequestError) as raised:
        type_all(text, "a€bü€\x07\u00a0😀")
    assert str(raised.value) == (
        'the layout "us" cannot type € (U+20AC EURO SIGN), ü (U+00FC LATIN SMALL LETTER U WITH DIAERESIS), U+0007, '
        "U+00A0 NO-BREAK SPACE, 😀 (U+1F600 GRINNING FACE); nothing was typed"
    )
    assert not target.reports


def test_what_cannot_be_typed_is_named_up_to_a_bound(text: Text) -> None:
    with pytest.raises(RequestError, match=r"and 980 more; nothing was typed$") as raised:
        type_all(text, "".join(chr(0x4E00 + number) for number in range(1000)))
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    "wish", [{"text": ""}, {"text": "a" * (LONGEST + 1)}, *({"text": "a", "delay": each} for each in (-1, 1001))]
)
def test_bounds(wish: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wish, TextWish)


def test_the_longest_text_can_be_typed(text: Text) -> None:
    assert len(job(text, "a" * LONGEST).strokes) == LONGEST


def test_caps_lock_is_off_meanwhile_and_on_again_afterwards(text: Text, target: Target) -> None:
    target.leds = Leds(caps=True)
    type_all(text, "aB1")
    assert target.keys == [(0, "CapsLock"), (0, "KeyA"), (SHIFT, "KeyB"), (0, "Digit1"), (0, "CapsLock")]
    assert target.leds == Leds(caps=True)


def test_caps_lock_that_stays_on_is_no_state_to_type_in(text: Text, target: Target) -> None:
    target.leds, target.heeds_caps = Leds(caps=True), False
    with pytest.raises(Unsupported, match="Caps Lock is on"):
        type_all(text, "a")
    assert target.keys == [(0, "CapsLock"), (0, "CapsLock")]
    assert text.status().state is TextState.FAILED


def test_a_target_without_lamps_is_typed_on(text: Text, target: Target) -> None:
    target.leds = None
    type_all(text, "a")
    assert target.keys == [(0, "KeyA")]


def test_it_stops_at_the_first_report_that_is_not_taken(text: Text, target: Target) -> None:
    target.most = 5
    with pytest.raises(DriverError, match=r"^3 of 5 characters were typed: it is unplugged$"):
        type_all(text, "abcde")
    assert len(target.reports) == 5
    assert text.status() == TextReport(TextState.FAILED, 3, 5, "us", "3 of 5 characters were typed: it is unplugged")


def test_what_it_held_is_let_go_when_the_host_is_back(text: Text, target: Target, keyboard: Keyboard) -> None:
    target.most = 3
    with pytest.raises(DriverError, match=r"^1 of 2"):
        type_all(text, "AB")
    assert target.reports[-1].modifiers == SHIFT
    target.most = None
    keyboard.expire()
    assert target.reports[-1] == NOTHING


def test_a_text_is_cancelled_after_its_character(text: Text, target: Target) -> None:
    wish = job(text, "éé", "de")
    target.sent = lambda: wish.cancel("somebody cancelled it")
    with pytest.raises(Cancelled, match=r"^1 of 2 characters were typed: somebody cancelled it$"):
        text.type(wish, "one")
    assert target.keys == [(0, "Equal"), (0, "KeyE")]
    assert target.reports[-1] == NOTHING
    assert text.status().state is TextState.CANCELLED


def test_a_long_delay_does_not_hold_up_what_cancels_it(text: Text, target: Target) -> None:
    wish = job(text, "a" * 100, delay=1000)
    wish.delay = patience()
    target.sent = lambda: wish.cancel("enough")
    with pytest.raises(Cancelled, match=r"^1 of 100"):
        text.type(wish, "one")


def test_it_goes_on_only_while_it_may(text: Text) -> None:
    with pytest.raises(Cancelled, match=r"^0 of 1 characters were typed: logged out$"):
        text.type(job(text, "a"), "one", why_stop=lambda: "logged out")


def test_there_is_one_text_at_a_time_and_nobody_else_presses_a_key(
    text: Text, target: Target, keyboard: Keyboard
) -> None:
    keyboard.press("two", ["ControlLeft"])
    keyboard.release("two", ["ControlLeft"])
    target.reports.clear()

    def intrude(_: TextReport) -> None:
        if text.status().state is TextState.TYPING:
            with pytest.raises(Busy, match=r"^a text is being typed, 0 of 1 characters; cancel it, or wait$"):
                type_all(text, "b")
            for act in (keyboard.tap, keyboard.press):
                with pytest.raises(Busy, match="a text is being typed"):
                    act("two", ["KeyB"])
            keyboard.release("two", ["KeyB"])

    text.type(job(text, "a"), "one", told=intrude)
    assert target.keys == [(0, "KeyA")]
    keyboard.tap("two", ["KeyB"])
    assert target.keys[-1] == (0, "KeyB")


def test_keys_that_somebody_else_holds_are_in_the_way_and_ones_own_are_let_go(
    text: Text, target: Target, keyboard: Keyboard
) -> None:
    keyboard.press("two", ["ControlLeft"])
    with pytest.raises(Busy, match="somebody holds"):
        type_all(text, "a")
    assert target.keys == []
    keyboard.release("two", ["ControlLeft"])
    keyboard.press("one", ["ControlLeft"])
    type_all(text, "a")
    assert target.keys == [(0, "KeyA")]


def test_it_is_not_silent_for_the_keyboard(target: Target) -> None:
    keyboard = Keyboard(target.send, lambda: ~Capability(0), Holders(lambda _: False, timeout=0, turn=Turn()))
    text = Text(keyboard, lambda: None, "us")
    target.sent = lambda: threading.Thread(target=keyboard.expire).start()
    type_all(text, "AAAA", delay=10)
    assert [report.modifiers for report in target.reports] == [SHIFT] * 9 + [0]


def test_how_far_it_is_is_told(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEWS", -1)
    told: list[tuple[TextState, int]] = []
    text.type(job(text, "abc"), "one", told=lambda report: told.append((report.state, report.typed)))
    assert told == [*((TextState.TYPING, number) for number in range(3)), (TextState.DONE, 3)]


def test_before_the_first_text_there_is_nothing(text: Text) -> None:
    assert text.status() == TextReport(TextState.IDLE, 0, 0, "us", "nothing was typed yet")
    assert not text.cancel("why")
