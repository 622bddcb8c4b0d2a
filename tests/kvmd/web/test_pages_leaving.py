"""What browsers keep, and the ways out: paste, leaving the screen, full screen, chords, the end of the tab."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright import sync_api as playwright

from tests.conftest import HOST, PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, opened, wait_for_stream
from tests.kvmd.web.test_pages_keyboard import ATTACH, seen
from tests.relay import Relay
from tests.waiting import eventually

__all__ = ["seen"]

TOLD = "window.kvmTest.told"
CHORDS = "window.chords"
LOAD = "async () => { window.chords = await import('/static/chords.js') }"


@pytest.fixture
def pad(browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    """A page with a screen of the test's own in it, which has the focus."""
    with opened(browser, daemon) as page:
        enter(page)
        page.evaluate(ATTACH)
        yield page
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def enter(page: playwright.Page) -> None:
    log_in(page, PASSWORD)
    wait_for_stream(page)


def told(page: playwright.Page, what: str) -> Any:
    return page.evaluate(f"{TOLD}.{what}")


def test_ctrl_shift_v_hands_over_the_clipboard_and_is_not_typed(pad: playwright.Page, seen: list[str]) -> None:
    pad.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pad.evaluate("navigator.clipboard.writeText('ä text')")
    pad.keyboard.press("Control+Shift+V")
    eventually(lambda: told(pad, "paste"), "the paste")
    pad.keyboard.press("b")
    eventually(lambda: seen[-2:] == ["KeyB", ""], "the key after it")
    assert told(pad, "paste") == ["ä text"]
    assert not [keys for keys in seen if "KeyV" in keys]
    assert told(pad, "text") == []


def test_a_browser_that_hands_nothing_over_is_told(pad: playwright.Page) -> None:
    pad.evaluate("document.addEventListener('paste', event => event.stopImmediatePropagation(), true)")
    pad.keyboard.press("Control+Shift+V")
    eventually(lambda: told(pad, "paste") == [None], "what the browser lacks")


@pytest.mark.parametrize("keys", [("Control", "Alt"), ("Alt", "Control")])
def test_ctrl_alt_alone_leaves_the_screen(pad: playwright.Page, seen: list[str], keys: tuple[str, str]) -> None:
    for key in keys:
        pad.keyboard.down(key)
    assert told(pad, "left") == 0
    for key in keys:
        pad.keyboard.up(key)
    eventually(lambda: told(pad, "left") == 1, "the way out")
    assert pad.evaluate("document.activeElement === document.body")
    eventually(lambda: seen[-1:] == [""], "the release")


@pytest.mark.parametrize("between", ["Delete", "mouse"])
def test_ctrl_alt_with_something_else_stays(pad: playwright.Page, seen: list[str], between: str) -> None:
    pad.keyboard.down("Control")
    pad.keyboard.down("Alt")
    if between == "mouse":
        pad.evaluate("window.kvmTest.pad.dispatchEvent(new PointerEvent('pointerdown', {ctrlKey: true, altKey: true}))")
    else:
        pad.keyboard.press(between)
    pad.keyboard.up("Alt")
    pad.keyboard.up("Control")
    pad.keyboard.press("b")
    eventually(lambda: seen[-2:] == ["KeyB", ""], "the key after it")
    assert told(pad, "left") == 0
    assert pad.evaluate("document.activeElement === window.kvmTest.pad")


def test_a_key_that_comes_after_the_focus_has_gone_is_not_held(pad: playwright.Page, seen: list[str]) -> None:
    pad.evaluate("document.hasFocus = () => false")
    pad.keyboard.down("Control")  # noVNC issue 1880
    pad.evaluate("delete document.hasFocus")
    pad.keyboard.press("b")
    eventually(lambda: seen[-1:] == [""], "the key after it")
    assert seen == ["ControlLeft KeyB", ""]


def test_a_key_that_repeated_and_ceased_to_is_let_go_and_told(pad: playwright.Page, daemon: Daemon) -> None:
    pad.keyboard.down("a")
    pad.keyboard.down("a")  # repeats
    eventually(lambda: daemon.down() != (0, ()), "the key")
    eventually(lambda: daemon.down() == (0, ()), "its end, without a keyup")
    assert told(pad, "lost") == ["KeyA"]


def test_chords_of_the_field_are_sent(pad: playwright.Page, seen: list[str]) -> None:
    pad.evaluate(LOAD)
    groups = pad.evaluate(f"{CHORDS}.CHORDS")
    chords = [chord["keys"] for group in groups for chord in group["chords"]]
    labels = pad.evaluate(
        f"({CHORDS}.CHORDS.flatMap(({{chords}}) => chords.map(({{keys}}) => {CHORDS}.labelOfChord(keys))))"
    )
    assert {"Ctrl+Alt+Del", "Alt+Tab", "Ctrl+W", "Meta+L", "PrtSc", "Alt+PrtSc+B", "Ctrl+Alt+F12"} <= set(labels)
    for chord in chords:
        pad.evaluate(f"keys => {CHORDS}.sendChord(keys)", chord)
    eventually(lambda: len(seen) == 2 * len(chords), "all of them")
    assert seen == [keys for chord in chords for keys in (" ".join(sorted(chord)), "")]


def test_a_chord_goes_by_a_request_where_there_is_no_socket(
    browser: playwright.Browser, daemon: Daemon, seen: list[str]
) -> None:
    with (
        Relay(daemon.port, refuses=b"GET /api/ws") as relay,
        opened(browser, daemon, f"http://{HOST}:{relay.port}/", ("WebSocket connection to",)) as page,
    ):
        enter(page)
        page.evaluate(LOAD)
        page.evaluate(f"{CHORDS}.sendChord(['AltLeft', 'F4'])")
        eventually(lambda: seen == ["AltLeft F4", ""], "the chord")


def test_chords_of_ones_own_are_kept_in_their_order(pad: playwright.Page) -> None:
    pad.evaluate(LOAD)
    one, two, three = ["MetaLeft", "KeyE"], ["F13"], ["ControlLeft", "KeyD"]
    for keys in (one, two, three):
        assert pad.evaluate(f"keys => {CHORDS}.addChord(keys)", keys)
    refused: list[Any] = [one, [], ["a b"], ["KeyA", "KeyA"], [f"Key{letter}" for letter in "ABCDEFG"], "KeyA", None]
    for keys in refused:
        assert not pad.evaluate(f"keys => {CHORDS}.addChord(keys)", keys)
    pad.evaluate(f"{CHORDS}.moveChord(2, 0)")
    pad.evaluate(f"{CHORDS}.removeChord(1)")
    pad.reload()
    pad.evaluate(LOAD)
    assert pad.evaluate(f"{CHORDS}.ownChords()") == [three, two]


@pytest.mark.parametrize(
    ("acts", "keys"),
    [
        (["down Control", "down Shift", "down F5", "up F5", "up Shift", "up Control"], "ControlLeft ShiftLeft F5"),
        (["down Control", "down Control", "up Control"], "ControlLeft"),
        (["down Meta", "down c", "up Meta"], "MetaLeft KeyC"),
        (["down Tab"], None),
    ],
)
def test_a_chord_is_recorded(pad: playwright.Page, acts: list[str], keys: str | None) -> None:
    pad.evaluate(LOAD)
    pad.evaluate(
        "const [field, next] = ['button', 'button'].map((tag) => document.createElement(tag));"
        "document.body.append(field, next); field.focus(); window.shown = [];"
        f"window.recorded = {CHORDS}.recordChord(field, (keys) => window.shown.push(keys)); 0"
    )
    for act in acts:
        way, key = act.split()
        pad.keyboard.down(key) if way == "down" else pad.keyboard.up(key)
    wanted = keys.split() if keys else None
    pad.wait_for_function("window.recorded.then(() => true)")
    assert pad.evaluate("window.recorded") == wanted
    assert pad.evaluate("window.shown.at(-1)") == wanted


FULLSCREEN = """async () => {
  const {toggleFullscreen, onFullscreen} = await import("/static/fullscreen.js");
  window.states = [];
  onFullscreen((state) => window.states.push(state));
  window.kvmTest.pad.addEventListener("click", () => toggleFullscreen(window.kvmTest.pad));
}"""


def test_full_screen_takes_the_keys_and_gives_them_back(pad: playwright.Page) -> None:
    pad.evaluate(FULLSCREEN)
    pad.evaluate(
        "const {keyboard} = navigator; const real = keyboard.unlock; window.unlocked = 0;"
        "keyboard.unlock = () => { window.unlocked++; real.call(keyboard); }; 0"
    )
    pad.evaluate("Object.assign(window.kvmTest.pad.style, {position: 'fixed', inset: 0, zIndex: 99})")
    pad.mouse.click(300, 300)
    eventually(lambda: pad.evaluate("window.states") == [{"on": True, "keys": "all", "why": ""}], "full screen")

    def leaves() -> bool:
        # while the window still grows, Chromium may lose a click of the mouse, and the end of full screen, too
        pad.evaluate("document.fullscreenElement && window.kvmTest.pad.click(); 0")
        return bool(pad.evaluate("window.states.length") == 2)

    eventually(leaves, "its end")
    assert pad.evaluate("window.states[1]") == {"on": False, "keys": "none", "why": ""}
    assert pad.evaluate("window.unlocked") == 1


@pytest.mark.parametrize(("secure", "why"), [(True, "unsupported"), (False, "insecure")])
def test_full_screen_without_keyboard_lock_says_so(pad: playwright.Page, secure: bool, why: str) -> None:
    pad.evaluate(FULLSCREEN)
    pad.evaluate(
        "Object.defineProperty(navigator, 'keyboard', {value: undefined});"
        f"Object.defineProperty(window, 'isSecureContext', {{value: {str(secure).lower()}}}); 0"
    )
    pad.evaluate("Object.assign(window.kvmTest.pad.style, {position: 'fixed', inset: 0, zIndex: 99})")
    pad.mouse.click(300, 300)
    eventually(lambda: pad.evaluate("window.states") == [{"on": True, "keys": "none", "why": why}], "full screen")


def test_a_tab_asks_before_it_closes_while_one_types(pad: playwright.Page, seen: list[str]) -> None:
    pad.evaluate(
        "async () => { const [{askBeforeLeaving}, {typedLately}] = await Promise.all("
        "[import('/static/leaving.js'), import('/static/keyboard.js')]); askBeforeLeaving(typedLately); }"
    )
    asked: list[str] = []

    def answer(dialog: playwright.Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    pad.on("dialog", answer)
    pad.mouse.click(5, 5)
    pad.evaluate("window.kvmTest.pad.focus()")
    pad.keyboard.press("a")
    eventually(lambda: seen[-1:] == [""], "the letter")
    with pad.expect_event("dialog"):
        pad.close(run_before_unload=True)
    pad.evaluate("const now = performance.now(); performance.now = () => now + 61000; 0")
    with pad.expect_event("close"):
        pad.close(run_before_unload=True)
    assert asked == ["beforeunload"]
