"""The on-screen keyboard: what it presses, how its keys are labelled, and how it is used."""

import pytest
from playwright import sync_api as playwright

from tests.conftest import Daemon
from tests.kvmd.web.test_pages_keyboard import seen
from tests.waiting import eventually

__all__ = ["seen"]

TOGGLE = "import('/static/board.js').then(({toggleBoard}) => toggleBoard())"
CHOOSE = "(layout) => import('/static/prefs.js').then(({setPref}) => setPref('layout', layout))"
IS_LOCKED = "(code) => import('/static/board-hands.js').then(({isLocked}) => isLocked(code))"
PHONE: playwright.ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def board(console: playwright.Page) -> playwright.Page:
    """The page with the keyboard, which has the computer's layout."""
    console.evaluate(TOGGLE)
    console.locator("#board .key[aria-label='q']").wait_for()
    return console


def key(page: playwright.Page, code: str) -> playwright.Locator:
    return page.locator(f"#board [data-code='{code}']")


def choose(page: playwright.Page, layout: str, code: str, label: str) -> None:
    page.evaluate(CHOOSE, layout)
    playwright.expect(key(page, code)).to_have_attribute("aria-label", label)


def press(page: playwright.Page, code: str) -> None:
    """Put the mouse's button down on a key."""
    key(page, code).hover()
    page.mouse.down()


def lock(page: playwright.Page, code: str) -> None:
    """Tap a modifier twice, again until this machine is fast enough for that to be two taps in a row."""

    def locks() -> bool:
        key(page, code).dblclick()
        return bool(page.evaluate(IS_LOCKED, code))

    eventually(locks, f"{code} to be locked")


def is_pressed(page: playwright.Page, code: str, pressed: bool) -> None:
    playwright.expect(key(page, code)).to_have_attribute("aria-pressed", "true" if pressed else "false")


def test_a_modifier_stays_for_one_key(board: playwright.Page, seen: list[str]) -> None:
    key(board, "ShiftLeft").click()
    is_pressed(board, "ShiftLeft", True)
    playwright.expect(key(board, "KeyQ")).to_have_attribute("aria-label", "Q")
    key(board, "KeyQ").click()
    is_pressed(board, "ShiftLeft", False)
    key(board, "KeyW").click()
    wanted = ["ShiftLeft", "KeyQ ShiftLeft", "ShiftLeft", "", "KeyW", ""]
    eventually(lambda: seen == wanted, "Shift for Q alone")


def test_a_modifier_that_is_tapped_twice_stays(board: playwright.Page, seen: list[str]) -> None:
    lock(board, "ShiftLeft")
    for code in ("KeyQ", "KeyW"):
        key(board, code).click()
    is_pressed(board, "ShiftLeft", True)
    key(board, "ShiftLeft").click()
    is_pressed(board, "ShiftLeft", False)
    wanted = ["ShiftLeft", "KeyQ ShiftLeft", "ShiftLeft", "KeyW ShiftLeft", "ShiftLeft", ""]
    eventually(lambda: seen[-len(wanted) :] == wanted, "Shift for both")


def test_keys_are_labelled_as_the_layout_has_them(board: playwright.Page, seen: list[str]) -> None:
    choose(board, "de", "KeyY", "z")
    playwright.expect(key(board, "AltRight")).to_have_attribute("aria-label", "AltGr")
    playwright.expect(key(board, "IntlBackslash")).to_have_attribute("aria-label", "<")
    key(board, "AltRight").click()
    playwright.expect(key(board, "KeyQ")).to_have_attribute("aria-label", "@")
    key(board, "KeyQ").click()
    playwright.expect(key(board, "KeyQ")).to_have_attribute("aria-label", "q")
    eventually(lambda: seen == ["AltRight", "AltRight KeyQ", "AltRight", ""], "an @ of a German keyboard")
    choose(board, "jp", "IntlYen", "\\")
    assert key(board, "KanaMode").is_visible()
    assert board.locator("#board select").input_value() == "jp"


def test_a_long_press_holds(board: playwright.Page, seen: list[str]) -> None:
    press(board, "KeyA")
    eventually(lambda: seen == ["KeyA"], "the key being held")
    board.mouse.up()
    eventually(lambda: seen == ["KeyA", ""], "its end")


@pytest.mark.parametrize("way", ["hidden", "blurred", "left"])
def test_nothing_stays_down_without_the_keyboard(
    board: playwright.Page, daemon: Daemon, seen: list[str], way: str
) -> None:
    lock(board, "ShiftLeft")
    press(board, "KeyA")
    eventually(lambda: daemon.down()[0] != 0 and seen[-1] == "KeyA ShiftLeft", "both being held")
    if way == "hidden":
        board.evaluate(TOGGLE)
    elif way == "blurred":
        board.evaluate("dispatchEvent(new Event('blur'))")
    else:
        board.evaluate("document.getElementById('screen').blur()")
    eventually(lambda: seen[-1] == "", "both being released")
    board.mouse.up()
    if way != "hidden":
        is_pressed(board, "ShiftLeft", False)
        playwright.expect(key(board, "ShiftLeft")).to_have_attribute("aria-label", "Shift")
        key(board, "KeyB").click()
        eventually(lambda: seen[-2:] == ["KeyB", ""], "a key without Shift")


def test_what_is_not_held_yet_is_not_held_after_the_window_is_left(board: playwright.Page, seen: list[str]) -> None:
    board.evaluate("""() => {
        const key = document.querySelector("#board [data-code=KeyA]");
        key.setPointerCapture = () => {};
        key.dispatchEvent(new PointerEvent("pointerdown", {bubbles: true, cancelable: true, pointerId: 7}));
        dispatchEvent(new Event("blur"));
    }""")
    board.wait_for_timeout(700)  # a press is a long one after half of this
    key(board, "KeyB").click()
    eventually(lambda: seen == ["KeyB", ""], "the next key alone")


def test_the_screen_keeps_the_focus(board: playwright.Page, seen: list[str]) -> None:
    board.locator("#screen").focus()
    key(board, "ShiftLeft").click()
    board.keyboard.press("q")
    key(board, "KeyW").click()
    assert board.evaluate("document.activeElement.id") == "screen"
    eventually(lambda: seen[-2:] == ["ShiftLeft", ""] and "KeyQ ShiftLeft" in seen, "Shift with a real key, too")


def test_it_is_used_by_the_keyboard(board: playwright.Page, seen: list[str]) -> None:
    assert board.locator("#board .keys [tabindex='0']").count() == 1
    key(board, "Escape").focus()
    board.keyboard.press("ArrowDown")
    board.keyboard.press("ArrowRight")
    assert board.evaluate("document.activeElement.dataset.code") == "Digit1"
    for name in ("Space", "Enter"):
        board.keyboard.press(name)
    eventually(lambda: seen == ["Digit1", ""] * 2, "the key twice")
    key(board, "ControlLeft").focus()
    board.keyboard.press("Space")
    is_pressed(board, "ControlLeft", True)
    board.keyboard.press("Escape")
    assert board.locator("#board").is_hidden()
    assert board.evaluate("document.activeElement.id") == "screen"
    eventually(lambda: seen[-2:] == ["ControlLeft", ""], "Ctrl being released")


def test_lamps_are_those_of_the_target(board: playwright.Page) -> None:
    key(board, "CapsLock").click()
    is_pressed(board, "CapsLock", True)
    playwright.expect(key(board, "KeyQ")).to_have_attribute("aria-label", "Q")
    playwright.expect(key(board, "Digit1")).to_have_attribute("aria-label", "1")
    key(board, "CapsLock").click()
    is_pressed(board, "CapsLock", False)


def test_a_phone_has_pages_with_keys_for_fingers(board: playwright.Page, seen: list[str]) -> None:
    board.set_viewport_size(PHONE)
    board.locator("#board .keys[data-shape=pages]").wait_for()
    choose(board, "de", "Semicolon", "ö")
    codes = set()
    for name in ("symbols", "functions", "letters"):
        board.locator(f"#board [data-page={name}]").click()
        boxes = board.locator("#board .keys button").evaluate_all(
            "keys => keys.map(key => [key.dataset.code, key.getBoundingClientRect().toJSON()])"
        )
        codes |= {code for code, _ in boxes}
        assert min(box["height"] for _, box in boxes) >= 40
        assert max(box["right"] for _, box in boxes) <= PHONE["width"]
        assert all(
            one["right"] <= other["left"]
            for code, one in boxes
            for _, other in boxes
            if one["top"] == other["top"] and one["left"] < other["left"]
        )
    assert {
        "KeyA",
        "Digit1",
        "Minus",
        "Slash",
        "Equal",
        "IntlBackslash",
        "F12",
        "ArrowUp",
        "Delete",
        "ScrollLock",
    } <= codes
    key(board, "KeyZ").click()
    eventually(lambda: seen == ["KeyZ", ""], "the key")


def test_every_key_is_one_of_a_keyboard_and_has_a_name(board: playwright.Page) -> None:
    for layout, code, label in (
        ("br", "Semicolon", "ç"),
        ("kr", "Lang1", "한/영"),
        ("jp", "IntlRo", "\\"),
        ("us", "Slash", "/"),
    ):
        choose(board, layout, code, label)
        names = board.locator("#board .keys button").evaluate_all(
            "keys => keys.map(key => key.getAttribute('aria-label'))"
        )
        assert not [name for name in names if not name or name.startswith(("key.", "board."))]
