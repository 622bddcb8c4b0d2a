"""The page in a real browser: see, type, hold, and be told what is lost."""

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from playwright import sync_api as playwright

import kvmd.web
from kvmd.contract.hid import COORDINATE_MAX, Capability, KeyboardReport, Report
from kvmd.input.keymap import KEYS
from kvmd_drivers.virtual import VirtualHid
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import (
    differing,
    is_at,
    log_in,
    on_screen,
    open_panel,
    pointer,
    seen,
    snapshot,
    text_of,
    wait_for_stream,
)
from tests.waiting import eventually

KINDS = {
    "": "text/html",
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}

Button = Literal["left", "middle", "right"]


def test_a_wrong_password_is_told_and_the_right_one_lets_in(page: playwright.Page, daemon: Daemon) -> None:
    page.locator("#login").wait_for(state="visible")
    assert page.locator("#console").is_hidden()
    log_in(page, "wrong")
    page.get_by_text("wrong user name or password").wait_for()
    assert page.locator("#console").is_hidden()
    log_in(page, PASSWORD)
    page.locator("#console").wait_for(state="visible")
    assert page.locator("#login").is_hidden()
    assert page.locator("input[name=password]").input_value() == ""
    wait_for_stream(page)
    assert daemon.kvm.video.broadcaster.viewers == 1


def test_what_is_typed_is_seen_in_the_page(console: playwright.Page, daemon: Daemon) -> None:
    before = seen(console)
    for letter in "hello":
        console.keyboard.press(letter)
    eventually(lambda: any(line.text.endswith("hello") for line in daemon.computer.state().lines), "the text")
    row, column = daemon.computer.state().cursor
    wanted = snapshot(daemon)
    word = (slice(row * 28, row * 28 + 28), slice((column - 5) * 16, column * 16))
    assert differing(before[word], wanted[word]) > 100, "there was nothing there"
    eventually(lambda: differing(seen(console)[word], wanted[word]) == 0, "the word in the page")
    assert differing(seen(console), snapshot(daemon)) <= 28 * 16, "all of the screen is the same but for the cursor"


def test_shift_and_chords_are_typed(console: playwright.Page, daemon: Daemon) -> None:
    console.keyboard.press("Shift+H")
    console.keyboard.press("Control+Alt+Delete")
    console.keyboard.press("Tab")
    eventually(lambda: daemon.computer.state().keys[-1] == "Tab", "the last key")
    assert list(daemon.computer.state().keys[-3:]) == ["Shift+H", "Ctrl+Alt+Delete", "Tab"]
    assert console.evaluate("document.activeElement.id") == "screen", "the tab key goes to the computer"


def test_a_held_key_is_held_until_the_page_loses_the_focus(console: playwright.Page, daemon: Daemon) -> None:
    console.keyboard.down("ShiftLeft")
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() == (2, (KEYS["KeyA"].usage,)), "both being held")
    console.locator("#screen").blur()
    eventually(lambda: daemon.down() == (0, ()), "the release")


def test_a_key_is_held_until_it_is_let_go(console: playwright.Page, daemon: Daemon) -> None:
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() == (0, (KEYS["KeyA"].usage,)), "the key being held")
    before = len(daemon.computer.state().keys)
    console.keyboard.down("KeyA")
    console.keyboard.up("KeyA")
    eventually(lambda: daemon.down() == (0, ()), "the release")
    assert len(daemon.computer.state().keys) == before, "the browser's repeats are none of the computer's"


def test_a_page_that_is_left_holds_nothing(console: playwright.Page, daemon: Daemon) -> None:
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() != (0, ()), "the key being held")
    console.goto("about:blank")
    eventually(lambda: daemon.down() == (0, ()), "the release")


def test_how_things_stand_is_told(console: playwright.Page, daemon: Daemon) -> None:
    console.locator("#capture", has_text="720").wait_for()
    assert console.locator("#capture").get_attribute("data-state") == "online"
    assert daemon.name in text_of(console, "#hid")
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": False, "host": False})
    console.locator("#capture[data-state='no signal']").wait_for()
    console.locator("#hid[data-state='no signal']").wait_for()
    assert "video" not in text_of(console, "#capture")
    assert "the virtual computer's cable is unplugged" in text_of(console, "#capture")
    assert "USB cable is unplugged" in text_of(console, "#hid")
    eventually(lambda: np.abs(seen(console)[5, 5] - (16, 20, 26)).max() < 6, "the slate in the page")
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": True, "host": True})
    console.locator("#capture[data-state=online]").wait_for()
    console.locator("#hid[data-state=online]").wait_for(state="attached")  # a narrow bar shows what is wrong alone
    eventually(
        lambda: differing(seen(console), snapshot(daemon)) <= 28 * 16, "the screen in the page, without a reload"
    )


@pytest.mark.parametrize("place", [(0, 0), (1279, 719)])
@pytest.mark.parametrize("size", [(1400, 1000), (1000, 900), (500, 400), (1900, 500)])
def test_the_pointer_follows_the_mouse(
    console: playwright.Page, daemon: Daemon, place: tuple[int, int], size: tuple[int, int]
) -> None:
    console.set_viewport_size({"width": size[0], "height": size[1]})
    console.mouse.move(*on_screen(console, 320, 180))
    console.mouse.move(*on_screen(console, *place))
    eventually(lambda: is_at(daemon, *place), f"the pointer at {place}, it is at {pointer(daemon)}")


@pytest.mark.parametrize(("button", "mask"), [("left", 1), ("right", 2), ("middle", 4)])
def test_a_drag_holds_the_button_from_its_start_to_its_end(
    console: playwright.Page, daemon: Daemon, button: Button, mask: int
) -> None:
    console.mouse.move(*on_screen(console, 100, 100))
    console.mouse.down(button=button)
    eventually(lambda: pointer(daemon).buttons == mask and is_at(daemon, 100, 100), "the press")
    console.mouse.move(*on_screen(console, 900, 500), steps=20)
    eventually(lambda: is_at(daemon, 900, 500), "the end of the drag")
    assert pointer(daemon).buttons == mask
    console.mouse.up(button=button)
    eventually(lambda: not pointer(daemon).buttons, "the release")


def test_a_drag_that_leaves_the_picture_goes_on_at_its_edge(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 100, 100))
    console.mouse.down()
    console.mouse.move(5, 5)
    eventually(lambda: is_at(daemon, 0, 0), "the corner")
    assert pointer(daemon).buttons == 1
    console.mouse.up()
    eventually(lambda: not pointer(daemon).buttons, "the release, outside of the picture")


def test_two_buttons_go_down_and_up_one_by_one(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 200, 200))
    console.mouse.down(button="left")
    eventually(lambda: pointer(daemon).buttons == 1, "left being down")
    console.mouse.down(button="right")
    eventually(lambda: pointer(daemon).buttons == 3, "right being down")
    console.mouse.up(button="left")
    eventually(lambda: pointer(daemon).buttons == 2, "left being up")
    console.mouse.up(button="right")
    eventually(lambda: pointer(daemon).buttons == 0, "right being up")


def test_the_wheel_turns_by_its_steps(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 200, 200))
    before = pointer(daemon)
    for delta in (-100, -50, -50, 300):
        console.mouse.wheel(0, delta)
    console.mouse.wheel(200, 0)
    eventually(lambda: pointer(daemon).hwheel - before.hwheel == 2, "the horizontal wheel")
    assert pointer(daemon).wheel - before.wheel == -1


def test_a_held_button_is_released_when_the_page_loses_the_focus(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 200, 200))
    console.mouse.down()
    eventually(lambda: pointer(daemon).buttons == 1, "the press")
    console.locator("#screen").blur()
    eventually(lambda: not pointer(daemon).buttons, "the release")


def test_keys_and_clicks_keep_their_order(
    console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = noted(daemon, monkeypatch)

    def edges() -> list[tuple[str, int]]:
        """What goes down and up, without the moves."""
        states = [
            ("modifiers", r.modifiers) if isinstance(r, KeyboardReport) else ("buttons", r.buttons) for r in reports
        ]
        return [state for state, before in zip(states, [("buttons", 0), *states], strict=False) if state != before]

    console.keyboard.down("ControlLeft")
    console.mouse.click(*on_screen(console, 300, 300))
    console.keyboard.up("ControlLeft")
    eventually(lambda: edges()[-1:] == [("modifiers", 0)], "the last of it")
    assert edges()[0] == ("modifiers", 1)
    assert edges()[-3:] == [("buttons", 1), ("buttons", 0), ("modifiers", 0)]


def test_the_captured_mouse_says_how_far_it_goes(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 640, 360))
    eventually(lambda: is_at(daemon, 640, 360), "the middle")
    open_panel(console, "Mouse")
    console.get_by_role("button", name="Capture mouse").click()
    console.wait_for_function("document.pointerLockElement?.id === 'screen'")
    console.locator("#hint", has_text="The mouse is captured; Escape lets it go.").wait_for()
    before = pointer(daemon)
    console.evaluate(
        "for (const [x, y] of [[30, 0], [-10, 5], [200, -40]]) document.getElementById('screen').dispatchEvent("
        "new PointerEvent('pointermove', {movementX: x, movementY: y, bubbles: true, cancelable: true}))"
    )
    eventually(lambda: pointer(daemon).x - before.x == 220, "the sum of the moves")
    assert pointer(daemon).y - before.y == -35
    console.mouse.down()
    eventually(lambda: pointer(daemon).buttons == 1, "the press")
    console.evaluate("document.exitPointerLock()")
    eventually(lambda: not pointer(daemon).buttons, "the release with the capture")
    console.locator("#hint", has_text="Click the screen to type; click elsewhere to stop.").wait_for()
    console.mouse.up()


@pytest.mark.parametrize(
    ("able", "hint"),
    [
        (Capability.KEYBOARD, "this device has no mouse"),
        (Capability.KEYBOARD | Capability.RELATIVE_MOUSE, "click the screen to type and to capture the mouse"),
    ],
)
def test_what_the_device_lacks_is_told_and_left_alone(
    console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, able: Capability, hint: str
) -> None:
    monkeypatch.setattr(VirtualHid, "capabilities", able)
    console.locator("#hint").get_by_text(hint).wait_for()
    open_panel(console, "Mouse")
    assert console.locator("#capture-mouse").is_visible() == (Capability.RELATIVE_MOUSE in able)
    console.locator("#screen").focus()
    before = pointer(daemon)
    console.mouse.move(*on_screen(console, 10, 10))
    console.mouse.wheel(0, 100)
    console.keyboard.press("a")
    eventually(lambda: daemon.computer.state().keys[-1] == "A", "a key after all of it")
    assert pointer(daemon) == before
    assert console.locator("#problem").text_content() == ""


def test_what_a_person_should_know_is_told(console: playwright.Page, monkeypatch: pytest.MonkeyPatch) -> None:
    status = VirtualHid.status
    remarks = ("no media keys: there was no room",)
    monkeypatch.setattr(VirtualHid, "status", lambda hid: msgspec.structs.replace(status(hid), remarks=remarks))
    console.locator("#remarks", has_text="no media keys: there was no room").wait_for()


def test_the_lamps_are_shown(console: playwright.Page, daemon: Daemon) -> None:
    console.keyboard.press("CapsLock")
    console.locator(".led.lit", has_text="Caps").wait_for()
    console.keyboard.press("CapsLock")
    eventually(lambda: not daemon.computer.leds.caps, "the lamp being out")


def test_a_log_out_ends_the_session(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Settings")
    console.get_by_role("button", name="Log out").click()
    console.locator("#login").wait_for(state="visible")
    assert console.locator("#console").is_hidden()
    eventually(lambda: daemon.kvm.video.broadcaster.viewers == 0, "the stream being closed")
    console.reload()
    console.locator("#login").wait_for(state="visible")


def test_a_reload_needs_no_login(console: playwright.Page) -> None:
    console.reload()
    console.locator("#console").wait_for(state="visible")


def test_a_session_that_has_ended_asks_for_a_login(console: playwright.Page, daemon: Daemon) -> None:
    end_sessions(daemon)
    console.locator("#login").wait_for(state="visible")
    daemon.token = daemon.login()


def end_sessions(daemon: Daemon) -> None:
    for client in daemon.kvm.auth.sessions.all():
        daemon.kvm.auth.sessions.end(client, "a test ended it")


def test_the_pages_files(daemon: Daemon) -> None:
    folder = Path(kvmd.web.__file__).parent / "static"
    files = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 20
    for path in ("", *(f"static/{file}" for file in files)):
        answer = daemon.get(f"/{path}", token="")
        assert (answer.code, answer.headers.get_content_type()) == (200, KINDS[Path(path).suffix]), path
    again = daemon.get("/static/page.js", token="", headers={"If-None-Match": answer.headers["ETag"] or ""})
    assert again.code in {200, 304}
    assert json.loads(daemon.get("/static/", token="").body)["status"] == 0


def test_the_pages_files_are_packed_for_who_takes_it(daemon: Daemon) -> None:
    for path in ("", "static/page.js", "static/words/ja.json", "static/icons.svg"):
        plain = daemon.get(f"/{path}", token="")
        packed = daemon.get(f"/{path}", token="", headers={"Accept-Encoding": "br, gzip"})
        assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["ETag"] != plain.headers["ETag"]
        assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
        again = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
        assert daemon.get(f"/{path}", token="", headers=again).code == 304
    refused = daemon.get("/", token="", headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.headers["Content-Encoding"] is None


SENT = """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
    .filter(({name}) => name.startsWith("http"))
    .map(({name, encodedBodySize}) => [new URL(name).pathname, encodedBodySize])"""


def test_the_first_view_is_small(console: playwright.Page) -> None:
    sent = dict(console.evaluate(SENT))
    assert {"/", "/static/page.js", "/static/console.css", "/static/words/en.json", "/static/icons.svg"} <= set(sent)
    assert sum(sent.values()) < 100_000, sent


def noted(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The reports that the computer takes from now on."""
    reports = []
    take = daemon.computer.take

    def note(report: Report) -> None:
        reports.append(report)
        take(report)

    monkeypatch.setattr(daemon.computer, "take", note)
    return reports


def test_the_last_pixel_is_the_far_edge(
    console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.mouse.move(*on_screen(console, 640, 360))
    eventually(lambda: is_at(daemon, 640, 360), "the middle")
    reports = noted(daemon, monkeypatch)
    console.mouse.move(*on_screen(console, 1279, 719))
    eventually(lambda: reports, "the move")
    assert (reports[-1].x, reports[-1].y) == (COORDINATE_MAX, COORDINATE_MAX)


def test_a_button_that_was_pressed_elsewhere_is_none_of_the_computers(
    console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = noted(daemon, monkeypatch)
    console.mouse.move(700, 5)
    console.mouse.down()
    console.locator("#screen").focus()
    console.mouse.move(*on_screen(console, 200, 200), steps=3)
    eventually(lambda: is_at(daemon, 200, 200), "the move")
    console.mouse.up()
    assert not any(getattr(report, "buttons", 0) for report in reports)


def test_a_click_beside_the_picture_moves_nothing(
    console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.set_viewport_size({"width": 1900, "height": 500})
    left = on_screen(console, 0, 360)[0]
    reports = noted(daemon, monkeypatch)
    console.mouse.click(left / 2, 250)
    console.keyboard.press("KeyA")
    eventually(lambda: len(reports) >= 2 and isinstance(reports[-1], KeyboardReport), "the key after it")
    assert all(isinstance(report, KeyboardReport) for report in reports)


def test_moves_in_fractions_of_a_pixel_add_up(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Mouse")
    console.get_by_role("button", name="Capture mouse").click()
    console.wait_for_function("document.pointerLockElement?.id === 'screen'")
    before = pointer(daemon)
    # Chromium has whole numbers there, other browsers have not (Pointer Lock 2.0)
    console.evaluate(
        "for (let i = 0; i < 10; i++) document.getElementById('screen').dispatchEvent(Object.defineProperties("
        "new PointerEvent('pointermove', {bubbles: true, cancelable: true}),"
        " {movementX: {value: 1.5}, movementY: {value: -0.5}}))"
    )
    eventually(lambda: pointer(daemon).x - before.x == 15, "the sum of the moves")
    assert pointer(daemon).y - before.y == -5
    assert console.locator("#problem").text_content() == ""
    console.evaluate("document.exitPointerLock()")


def test_turns_that_wait_become_one(console: playwright.Page, daemon: Daemon) -> None:
    asked: list[str] = []
    console.on("websocket", lambda socket: socket.on("framesent", lambda text: asked.append(str(text))))
    console.reload()
    wait_for_stream(console)
    console.mouse.move(*on_screen(console, 200, 200))
    eventually(lambda: is_at(daemon, 200, 200), "the move")
    asked.clear()
    before = pointer(daemon)
    console.evaluate(
        "for (let i = 0; i < 200; i++) document.getElementById('stream').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: 100, bubbles: true, cancelable: true}))"
    )
    eventually(lambda: pointer(daemon).wheel - before.wheel == -200, "two hundred turns")
    console.evaluate("0")  # the messages are told meanwhile
    assert sum('"wheel"' in message for message in asked) == 1


def test_the_wheel_that_turns_round_begins_anew(console: playwright.Page, daemon: Daemon) -> None:
    console.mouse.move(*on_screen(console, 200, 200))
    before = pointer(daemon)
    console.mouse.wheel(0, 180)
    eventually(lambda: pointer(daemon).wheel - before.wheel == -1, "the first notch")
    console.mouse.wheel(0, -100)
    eventually(lambda: pointer(daemon).wheel == before.wheel, "the notch back")
