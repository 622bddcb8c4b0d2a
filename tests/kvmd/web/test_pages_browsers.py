"""The page in Firefox and in WebKitGTK: what people do most, as far as these can be driven."""

import io
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kvmd.access.grant import UserRole
from kvmd.input.keymap import KEYS
from kvmd.web import make_server
from tests.browsers.firefox import firefox
from tests.browsers.tab import Browser, Tab
from tests.browsers.webkitgtk import webkitgtk
from tests.conftest import HOST, PASSWORD, Daemon
from tests.kvmd.web.conftest import differing, is_at, pointer, snapshot
from tests.relay import Relay
from tests.waiting import eventually

CHORDS = {
    "Shift+H": ("Shift", "H"),
    "Tab": ("Tab",),
    "/": ("/",),
    "'": ("'",),
    "Alt": ("Alt",),
    "F1": ("F1",),
    "F3": ("F3",),
    "F6": ("F6",),
    "F7": ("F7",),
    "F10": ("F10",),
    "Escape": ("Escape",),
    "Ctrl+F": ("Control", "f"),
    "Ctrl+S": ("Control", "s"),
    "Ctrl+P": ("Control", "p"),
    "Alt+Up": ("Alt", "ArrowUp"),
}
"""What the computer calls them, and how they are pressed; browsers find, print, save and open menus with most."""
LAUNCHERS = {"firefox": firefox, "webkitgtk": webkitgtk}
MASKS = (1, 4, 2)
"""HID's bits of the buttons that browsers call 0, 1 and 2."""
BEYOND = (
    "return Math.max(...[document.documentElement, document.getElementById('panel-body')]"
    ".map(({scrollWidth, clientWidth}) => scrollWidth - clientWidth))"
)
"""By how many pixels the page, or its panel, is wider than what is seen of it."""
WAY = "return import('/static/socket.js').then(({way}) => way())"
"""How the page's connection is: "open", or "none" where no socket can be had."""


@pytest.fixture(scope="module", params=LAUNCHERS)
def driven(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that the tests of this module share."""
    with LAUNCHERS[request.param](tmp_path_factory.mktemp(request.param)) as browser:
        yield browser


@pytest.fixture
def tab(driven: Browser, daemon: Daemon) -> Iterator[Tab]:
    """The page, freshly opened; in the end nothing went wrong in it, and nothing is held."""
    with driven.tab() as tab:
        tab.open(f"http://{HOST}:{daemon.port}/")
        yield tab
        assert tab.said() == []
    eventually(lambda: daemon.down() == (0, ()) and not pointer(daemon).buttons, "everything being released")


@pytest.fixture
def console(tab: Tab) -> Tab:
    """The page, logged in, with pictures."""
    enter(tab)
    return tab


def enter(tab: Tab, user: str = "", password: str = PASSWORD) -> None:
    if user:
        tab.run("document.querySelector('[name=username]').value = ''")
        tab.fill("[name=username]", user)
    tab.fill("[name=password]", password)
    tab.click_on("#login button")
    wait_for_pictures(tab)
    eventually(lambda: tab.focused() == "screen", "the focus of the screen")


def wait_for_pictures(tab: Tab) -> None:
    eventually(lambda: tab.run("return document.getElementById('stream').naturalWidth") == 1280, "the picture")


def on_screen(tab: Tab, x: int, y: int) -> tuple[float, float]:
    """Where in the page a pixel of the computer's screen is."""
    left, top, width, height = tab.run(
        "const {left, top, width, height} = document.getElementById('stream').getBoundingClientRect();"
        "return [left, top, width, height]"
    )
    return left + (x + 0.5) * width / 1280, top + (y + 0.5) * height / 720


def seen(tab: Tab) -> NDArray[np.uint8]:
    """What the window shows of the computer's screen, in the picture's own size."""
    tab.run(
        "Object.assign(document.getElementById('stream').style, {position: 'fixed', left: 0, top: 0, width: '1280px',"
        " height: '720px', zIndex: 9, maxWidth: 'none', maxHeight: 'none', border: 0});"
        "return new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(() => painted(true))))"
    )
    shot = Image.open(io.BytesIO(tab.shot())).convert("RGB").crop((0, 0, 1280, 660))
    tab.run("document.getElementById('stream').removeAttribute('style')")
    return np.asarray(shot).astype(int)


def is_typed(daemon: Daemon, text: str) -> bool:
    return any(text in line.text for line in daemon.computer.state().lines)


def wait_for_key(daemon: Daemon, name: str) -> None:
    eventually(lambda: daemon.computer.state().keys[-1:] == (name,), f"{name}, not {daemon.computer.state().keys}")


def wait_for_buttons(daemon: Daemon, mask: int) -> None:
    eventually(lambda: pointer(daemon).buttons == mask, f"the buttons being {mask}")


def test_what_is_typed_is_seen_in_the_page(tab: Tab, daemon: Daemon) -> None:
    tab.fill("[name=password]", "wrong")
    tab.click_on("#login button")
    eventually(lambda: "wrong user name or password" in tab.text("#refusal"), "the refusal")
    tab.run("document.querySelector('[name=password]').value = ''")
    enter(tab)
    before = seen(tab)
    tab.type("hello")
    eventually(lambda: is_typed(daemon, "hello"), "the text")
    row, column = daemon.computer.state().cursor
    wanted = snapshot(daemon)
    word = (slice(row * 28, row * 28 + 28), slice((column - 5) * 16, column * 16))
    assert differing(before[word], wanted[word]) > 100, "there was nothing there"
    eventually(lambda: differing(seen(tab)[word], wanted[word]) == 0, "the word in the page")
    assert differing(seen(tab), snapshot(daemon)) <= 28 * 16, "all of the screen is the same but for the cursor"
    assert tab.run(WAY) == "open", "pictures come by the socket"


def test_keys_go_to_the_computer_and_none_to_the_browser(console: Tab, daemon: Daemon) -> None:
    for name, chord in CHORDS.items():
        console.press(*chord)
        wait_for_key(daemon, name)
    eventually(lambda: daemon.down() == (0, ()), "the last release")
    assert console.focused() == "screen"


@pytest.mark.parametrize("way", ["blur", "leave"])
def test_what_is_held_is_let_go_with_the_focus_and_with_the_page(console: Tab, daemon: Daemon, way: str) -> None:
    console.move(*on_screen(console, 200, 200))
    console.hold()
    console.down("Shift", "A")
    eventually(lambda: daemon.down() == (2, (KEYS["KeyA"].usage,)) and pointer(daemon).buttons == 1, "both being held")
    if way == "blur":
        console.run("document.getElementById('screen').blur()")
    else:
        console.open(f"http://{HOST}:{daemon.port}/static/icon.svg")
    eventually(lambda: daemon.down() == (0, ()) and not pointer(daemon).buttons, "the release")


def test_the_pointer_clicks_and_drags_where_it_points(console: Tab, daemon: Daemon) -> None:
    for button in console.buttons:
        console.move(*on_screen(console, 100, 100))
        console.hold(button)
        wait_for_buttons(daemon, MASKS[button])
        assert is_at(daemon, 100, 100)
        console.move(*on_screen(console, 1279, 719))
        eventually(lambda: is_at(daemon, 1279, 719), "the far corner")
        assert pointer(daemon).buttons == MASKS[button]
        console.let_go(button)
        wait_for_buttons(daemon, 0)
    console.move(*on_screen(console, 100, 100))
    console.hold()
    console.move(3, 500)
    eventually(lambda: is_at(daemon, 0, pointer(daemon).y), "the edge, of a drag that leaves the picture")
    assert pointer(daemon).buttons == 1
    console.let_go()
    wait_for_buttons(daemon, 0)


@pytest.mark.parametrize("button", [0, 2])
def test_a_tap_that_tells_of_no_buttons_is_a_click(console: Tab, daemon: Daemon, button: int) -> None:
    """Of a Mac's trackpad, as Safari and Firefox there tell it: SDL issue 14640, noVNC issue 1970."""
    x, y = on_screen(console, 300, 300)
    console.run("addEventListener('pointermove', ({pointerId}) => (window.pointer = pointerId), true)")
    console.move(x, y)
    tap = (
        "document.getElementById('stream').dispatchEvent(new PointerEvent('%s', {pointerId: window.pointer, buttons: 0,"
        f" button: {button}, clientX: {x}, clientY: {y}, pointerType: 'mouse', isPrimary: true, bubbles: true}}))"
    )
    console.run(tap % "pointerdown")
    wait_for_buttons(daemon, MASKS[button])
    assert is_at(daemon, 300, 300)
    console.run(tap % "pointerup")
    wait_for_buttons(daemon, 0)


def test_the_wheel_turns_by_its_steps(console: Tab, daemon: Daemon) -> None:
    before = pointer(daemon)
    for right, down in ((0, -100), (0, -50), (0, -50), (0, 300), (200, 0)):
        console.turn(*on_screen(console, 200, 200), right, down)
    eventually(lambda: pointer(daemon).hwheel - before.hwheel == 2, f"the horizontal wheel, {pointer(daemon)}")
    assert pointer(daemon).wheel - before.wheel == -1


def test_a_text_is_typed_and_a_chord_is_sent(console: Tab, daemon: Daemon) -> None:
    text = "the quick brown fox: 0123 {}|"
    console.click_button("Text")
    console.fill("#text", text)
    console.click_button("Type")
    eventually(lambda: is_typed(daemon, text), "the text on the computer")
    eventually(lambda: f"{len(text)} of {len(text)} characters were typed" in console.text("#action"), "its end")
    console.click_button("Keys")
    console.click_button("Ctrl+Alt+Del")
    wait_for_key(daemon, "Ctrl+Alt+Delete")
    assert console.focused() == "screen"


def test_a_hidden_page_lets_go_of_pictures_and_keys(console: Tab, daemon: Daemon) -> None:
    eventually(lambda: daemon.kvm.video.broadcaster.viewers == 1, "the pictures")
    console.down("a")
    eventually(lambda: daemon.down() != (0, ()), "the key being held")
    console.hide()
    eventually(lambda: daemon.kvm.video.broadcaster.viewers == 0 and daemon.down() == (0, ()), "the end of both")
    console.show()
    eventually(lambda: daemon.kvm.video.broadcaster.viewers == 1, "the pictures again")
    console.up("a")


def test_without_a_socket_requests_and_the_stream_do_it(driven: Browser, daemon: Daemon) -> None:
    with Relay(daemon.port, refuses=b"GET /api/ws") as relay, driven.tab() as tab:
        tab.open(f"http://{HOST}:{relay.port}/")
        enter(tab)
        tab.type("world")
        eventually(lambda: is_typed(daemon, "world") and daemon.down() == (0, ()), "the text, and the last release")
        assert tab.run(WAY) == "none"
        assert tab.text("#problem") + tab.text("#line") == ""
        tab.down("a")
        eventually(lambda: daemon.down() != (0, ()), "the key being held")
        tab.open(f"http://{HOST}:{relay.port}/static/icon.svg")
        eventually(lambda: daemon.down() == (0, ()), "the release, by the page that is left")


def test_a_restart_of_the_daemon_needs_no_reload(
    make_daemon: Callable[..., Daemon], driven: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_daemon().running() as daemon, driven.tab() as tab:
        tab.open(f"http://{HOST}:{daemon.port}/")
        enter(tab)
        web = msgspec.structs.replace(daemon.kvm.settings.web, listen=[f"{HOST}:{daemon.port}"])
        monkeypatch.setattr(daemon.kvm, "settings", msgspec.structs.replace(daemon.kvm.settings, web=web))
        daemon.server.stop()
        eventually(lambda: "Connection lost" in tab.text("#line"), "the loss")
        daemon.server = make_server(daemon.kvm, lambda name: f"set web.{name}")
        daemon.server.start()
        eventually(lambda: tab.text("#line") == "", "the connection")
        eventually(lambda: daemon.kvm.video.broadcaster.viewers == 1, "the pictures")
        tab.type("r")
        eventually(lambda: is_typed(daemon, "r"), "the letter")


def test_a_viewer_is_told_that_it_cannot_type(tab: Tab, daemon: Daemon) -> None:
    daemon.kvm.auth.credentials.add_user("vera", PASSWORD, UserRole.VIEWER)
    enter(tab, "vera")
    eventually(lambda: "your role is viewer" in tab.text("#hint"), "the hint")
    keys = daemon.computer.state().keys
    tab.press("v")
    tab.click(*on_screen(tab, 300, 300))
    assert daemon.computer.state().keys == keys
    daemon.kvm.auth.credentials.remove_user("vera")
    eventually(lambda: "the session has ended" in tab.text("#refusal"), "the reason of its end")


def test_words_are_of_the_language_that_is_chosen(console: Tab) -> None:
    console.click_button("Settings")
    eventually(lambda: console.is_shown("#panel select"), "the panel")
    console.run(
        "const select = [...document.querySelectorAll('#panel select')]"
        ".find((each) => [...each.options].some(({value}) => value === 'de'));"
        "select.value = 'de'; select.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    eventually(lambda: console.is_shown("button[title=Einstellungen]"), "German words")
    wait_for_pictures(console)


def test_a_picture_is_saved_and_a_recording_made_or_refused_in_words(console: Tab, driven: Browser) -> None:
    console.click_button("Screen")
    console.click_button("Save picture")
    picture = eventually(lambda: next(driven.folder.rglob("*.jpg"), None), "the file")
    eventually(lambda: picture.read_bytes().startswith(b"\xff\xd8\xff"), "the picture")
    if not console.run("return import('/static/recorder.js').then(({canRecord}) => canRecord())"):
        assert "This browser cannot record." in console.text("#panel")
        return
    console.click_button("Record")
    seconds = "return import('/static/recorder.js').then(({recordedSeconds}) => recordedSeconds())"
    eventually(lambda: console.run(seconds) >= 2, "two seconds of it")
    console.click_on("#panel button[aria-pressed=true]")
    video = eventually(lambda: next(driven.folder.rglob("*.webm"), None), "the video")
    eventually(lambda: video.read_bytes().startswith(b"\x1aE\xdf\xa3"), "its content")
    eventually(lambda: video.stat().st_size > 1_000, "more than its header")


def test_a_narrow_page_is_as_wide_as_its_window(console: Tab) -> None:
    console.resize(390, 844)
    for panel in ("Keys", "Text", "Screen", "Settings"):
        console.click_button(panel)
        eventually(lambda: console.is_shown("#panel section"), "the panel")
        assert console.run(BEYOND) <= 0, panel
