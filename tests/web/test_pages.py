"""The page in a real browser: see, type, hold, and be told what is lost."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api as playwright

from kvmd.keymap import KEYS
from tests.conftest import HOST, PASSWORD
from tests.kernel.waiting import eventually

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TEXT = (slice(0, 660), slice(0, 1280))
"""The console, without the bar below, on which a clock runs."""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(daemon, browser):
    """The page, freshly opened; in the end nothing is held, and its console has nothing to say but a refused login."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, device_scale_factor=1)
    context.set_default_timeout(30_000)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    page.goto(f"http://{HOST}:{daemon.port}/")
    yield page
    context.close()
    unexpected = [text for text in said if "status of 401" not in text]
    assert not unexpected
    eventually(lambda: daemon.down() == (0, ()), "everything being released")
    daemon.computer.plug_video(True)
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.capture.is_online and daemon.kvm.hid.is_online, "both being online")


@pytest.fixture
def console(page):
    """The page, logged in, with its stream running."""
    log_in(page, PASSWORD)
    page.locator("#stream").wait_for(state="visible")
    wait_for_stream(page)
    page.locator("#screen").focus()
    return page


def log_in(page, password):
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Log in").click()


def wait_for_stream(page):
    eventually(lambda: page.evaluate("document.getElementById('stream').naturalWidth") == 1280, "the stream's picture")


def seen(page):
    """The pixels that the page shows of the computer's screen, in the stream's own size."""
    page.evaluate(
        "Object.assign(document.getElementById('stream').style,"
        "{position: 'fixed', left: 0, top: 0, width: '1280px', height: '720px', zIndex: 9,"
        " maxWidth: 'none', maxHeight: 'none', border: 0})"
    )
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": 720})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)[TEXT]


def snapshot(daemon):
    return np.asarray(Image.open(io.BytesIO(daemon.get("/snapshot").body)).convert("RGB")).astype(int)[TEXT]


def differing(one, other):
    """How many pixels differ by more than JPEG and a browser's colours make them, the blinking cursor left aside."""
    return int((np.abs(one - other).max(axis=2) > 40).sum())


def test_a_wrong_password_is_told_and_the_right_one_lets_in(page, daemon):
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
    assert daemon.kvm.broadcaster.viewers == 1


def test_what_is_typed_is_seen_in_the_page(console, daemon):
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


def test_shift_and_chords_are_typed(console, daemon):
    console.keyboard.press("Shift+H")
    console.keyboard.press("Control+Alt+Delete")
    console.keyboard.press("Tab")
    eventually(lambda: daemon.computer.state().keys[-1] == "Tab", "the last key")
    assert list(daemon.computer.state().keys[-3:]) == ["Shift+H", "Ctrl+Alt+Delete", "Tab"]
    assert console.evaluate("document.activeElement.id") == "screen", "the tab key goes to the computer"


def test_a_held_key_is_held_until_the_page_loses_the_focus(console, daemon):
    console.keyboard.down("ShiftLeft")
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() == (2, (KEYS["KeyA"].usage,)), "both being held")
    console.locator("#screen").blur()
    eventually(lambda: daemon.down() == (0, ()), "the release")


def test_a_key_is_held_until_it_is_let_go(console, daemon):
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() == (0, (KEYS["KeyA"].usage,)), "the key being held")
    before = len(daemon.computer.state().keys)
    console.keyboard.down("KeyA")
    console.keyboard.up("KeyA")
    eventually(lambda: daemon.down() == (0, ()), "the release")
    assert len(daemon.computer.state().keys) == before, "the browser's repeats are none of the computer's"


def test_a_page_that_is_left_holds_nothing(console, daemon):
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() != (0, ()), "the key being held")
    console.goto("about:blank")
    eventually(lambda: daemon.down() == (0, ()), "the release")


def test_how_things_stand_is_told(console, daemon):
    console.locator("#capture", has_text="720").wait_for()
    assert console.locator("#capture").get_attribute("data-state") == "online"
    assert daemon.name in console.locator("#hid").text_content()
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": False, "host": False})
    console.locator("#capture[data-state='no signal']").wait_for()
    console.locator("#hid[data-state='no signal']").wait_for()
    assert "video" not in console.locator("#capture").text_content()
    assert "the virtual computer's cable is unplugged" in console.locator("#capture").text_content()
    assert "USB cable is unplugged" in console.locator("#hid").text_content()
    eventually(lambda: np.abs(seen(console)[5, 5] - (16, 20, 26)).max() < 6, "the slate in the page")
    daemon.post("/api/virtual", {"computer": daemon.name, "signal": True, "host": True})
    console.locator("#capture[data-state=online]").wait_for()
    console.locator("#hid[data-state=online]").wait_for()
    eventually(
        lambda: differing(seen(console), snapshot(daemon)) <= 28 * 16, "the screen in the page, without a reload"
    )


def test_the_lamps_are_shown(console, daemon):
    console.keyboard.press("CapsLock")
    console.locator(".led.lit", has_text="Caps").wait_for()
    console.keyboard.press("CapsLock")
    eventually(lambda: not daemon.computer.leds.caps, "the lamp being out")


def test_a_log_out_ends_the_session(console, daemon):
    console.get_by_role("button", name="Log out").click()
    console.locator("#login").wait_for(state="visible")
    assert console.locator("#console").is_hidden()
    eventually(lambda: daemon.kvm.broadcaster.viewers == 0, "the stream being closed")
    console.reload()
    console.locator("#login").wait_for(state="visible")


def test_a_reload_needs_no_login(console):
    console.reload()
    console.locator("#console").wait_for(state="visible")


def test_a_session_that_has_ended_asks_for_a_login(console, daemon):
    daemon.kvm.auth._sessions.clear()
    console.locator("#login").wait_for(state="visible")
    daemon.token = daemon.login()


def test_the_pages_files(daemon):
    for path, kind in (
        ("/", "text/html"),
        ("/static/page.js", "text/javascript"),
        ("/static/style.css", "text/css"),
        ("/static/icon.svg", "image/svg+xml"),
    ):
        answer = daemon.get(path, token="")
        assert (answer.code, answer.headers.get_content_type()) == (200, kind)
    again = daemon.get("/static/page.js", token="", headers={"If-None-Match": answer.headers["ETag"] or ""})
    assert again.code in {200, 304}
    assert json.loads(daemon.get("/static/", token="").body)["status"] == 0
