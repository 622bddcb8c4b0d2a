"""The page's connection in a real browser: the socket, what is done where none can be had, and what ends it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import pytest
from playwright import sync_api as playwright

from kvmd.access.grant import UserRole
from kvmd.access.totp import PERIOD, code_at, new_secret
from kvmd.web import make_server
from tests.conftest import HOST, PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, on_screen, open_panel, opened, pointer, text_of, wait_for_stream
from tests.kvmd.web.test_pages import end_sessions
from tests.relay import Relay
from tests.waiting import eventually

NO_SOCKET = ("WebSocket connection to",)
WITHOUT_SOCKET = (*NO_SOCKET, "status of 400")
LOST = (*NO_SOCKET, "net::ERR_", "Failed to load resource")
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def typed(daemon: Daemon, letter: str) -> bool:
    return any(line.text.endswith(letter) for line in daemon.computer.state().lines)


def enter(page: playwright.Page) -> None:
    log_in(page, PASSWORD)
    wait_for_stream(page)
    page.locator("#screen").focus()


def watching(daemon: Daemon) -> int:
    return daemon.kvm.video.broadcaster.viewers


def test_a_letter_travels_by_the_socket(console: playwright.Page, daemon: Daemon) -> None:
    asked: list[str] = []
    console.on("request", lambda request: asked.append(request.url))
    console.keyboard.press("q")
    console.mouse.click(*on_screen(console, 300, 300))
    eventually(lambda: typed(daemon, "q") and pointer(daemon).buttons == 0, "the letter")
    console.evaluate("0")  # what was asked is told meanwhile
    assert [url for url in asked if "/api/" in url or "/stream" in url] == []


def test_a_text_of_any_length_goes_in_messages_that_are_taken(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Text")
    console.locator("#layout").select_option("fr")
    console.locator("#text").fill("é" * 40_000)  # 80,000 bytes, of which a message may have 65,536
    console.get_by_role("button", name="Type", exact=True).click()
    eventually(lambda: daemon.kvm.input.text.status().typed > 2, "the beginning")
    console.locator("#panel").get_by_role("button", name="Cancel").click()
    console.locator("#action.refused", has_text="characters were typed").wait_for()
    assert text_of(console, "#line") == ""


@contextmanager
def without_socket(browser: playwright.Browser, daemon: Daemon, user: str = "admin") -> Iterator[playwright.Page]:
    """The page behind a proxy that passes no WebSocket on, logged in."""
    with (
        Relay(daemon.port, refuses=b"GET /api/ws") as relay,
        opened(browser, daemon, f"http://{HOST}:{relay.port}/", WITHOUT_SOCKET) as page,
    ):
        page.locator("input[name=username]").fill(user)
        enter(page)
        yield page


def test_without_a_socket_requests_and_the_stream_do_it(browser: playwright.Browser, daemon: Daemon) -> None:
    with without_socket(browser, daemon) as page:
        page.keyboard.press("w")
        eventually(lambda: typed(daemon, "w"), "the letter")
        page.locator("#capture[data-state=online]").wait_for()
        assert text_of(page, "#line") + text_of(page, "#problem") == ""
        page.evaluate(HIDE, True)
        eventually(lambda: watching(daemon) == 0, "the stream's end")
        with page.expect_request("**/stream"):
            page.evaluate(HIDE, False)
        eventually(lambda: watching(daemon) == 1, "the stream")


def test_a_page_that_is_left_while_a_request_hangs_holds_nothing(browser: playwright.Browser, daemon: Daemon) -> None:
    with without_socket(browser, daemon) as page:
        page.mouse.move(*on_screen(page, 200, 200))
        page.mouse.down()
        eventually(lambda: pointer(daemon).buttons == 1, "the press")
        page.evaluate(
            "const real = window.fetch; let first = true;"
            "window.fetch = (...all) => first && all[0]?.includes?.('api/mouse')"
            " ? (first = false, new Promise(() => {}))"
            " : real(...all); 0"
        )
        page.mouse.move(*on_screen(page, 250, 250))
        page.goto("about:blank")
        eventually(lambda: not pointer(daemon).buttons, "the release")


def test_seven_tabs_show_and_type(browser: playwright.Browser, daemon: Daemon) -> None:
    with opened(browser, daemon) as first, ExitStack() as stack:
        enter(first)
        tabs = [first, *(first.context.new_page() for _ in range(6))]
        for tab in tabs[1:]:
            stack.callback(tab.close)
            tab.goto(first.url)
            wait_for_stream(tab)
        eventually(lambda: watching(daemon) == 7, "pictures in each")
        for tab, letter in zip(tabs, "asdfghj", strict=True):
            tab.locator("#screen").focus()
            tab.keyboard.press(letter)
            eventually(lambda letter=letter: typed(daemon, letter), f"the letter {letter}")  # type: ignore[misc]


def test_a_hidden_tab_lets_go_of_pictures_and_keys(console: playwright.Page, daemon: Daemon) -> None:
    eventually(lambda: watching(daemon) == 1, "the pictures")
    console.keyboard.down("KeyA")
    eventually(lambda: daemon.down() != (0, ()), "the key being held")
    console.evaluate(HIDE, True)
    eventually(lambda: watching(daemon) == 0 and daemon.down() == (0, ()), "the end of both")
    console.evaluate(HIDE, False)
    eventually(lambda: watching(daemon) == 1, "the pictures again")


def test_a_held_key_stays_longer_than_silence_may(console: playwright.Page, daemon: Daemon) -> None:
    sent: list[str] = []
    console.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
    console.reload()
    wait_for_stream(console)
    console.locator("#screen").focus()
    console.keyboard.down("ShiftLeft")
    eventually(lambda: daemon.down() == (2, ()), "the key being held")
    sent.clear()
    until = time.monotonic() + 3
    while time.monotonic() < until:
        console.wait_for_timeout(200)
        assert daemon.down() == (2, ())
    assert any('"ping"' in text for text in sent), "what is held needs no pictures that are confirmed"
    console.keyboard.up("ShiftLeft")
    eventually(lambda: daemon.down() == (0, ()), "the release")


def test_the_reason_of_a_sessions_end_is_shown_and_a_login_goes_on(console: playwright.Page, daemon: Daemon) -> None:
    end_sessions(daemon)
    daemon.token = daemon.login()
    console.locator("#refusal", has_text="the session has ended: a test ended it").wait_for()
    assert console.locator("#login").is_visible()
    enter(console)
    console.keyboard.press("e")
    eventually(lambda: typed(daemon, "e"), "the letter")


def test_a_restart_of_the_daemon_needs_no_reload(
    make_daemon: Callable[..., Daemon], browser: playwright.Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_daemon().running() as daemon, opened(browser, daemon, expected=LOST) as page:
        enter(page)
        web = msgspec.structs.replace(daemon.kvm.settings.web, listen=[f"{HOST}:{daemon.port}"])
        monkeypatch.setattr(daemon.kvm, "settings", msgspec.structs.replace(daemon.kvm.settings, web=web))
        daemon.server.stop()
        page.locator("#line", has_text="Connection lost").wait_for()
        daemon.server = make_server(daemon.kvm, lambda name: f"set web.{name}")
        daemon.server.start()
        eventually(lambda: text_of(page, "#line") == "", "the connection")
        eventually(lambda: watching(daemon) == 1, "the pictures")
        page.keyboard.press("r")
        eventually(lambda: typed(daemon, "r"), "the letter")


def test_nothing_that_is_typed_into_a_stalled_line_arrives_later(browser: playwright.Browser, daemon: Daemon) -> None:
    with Relay(daemon.port) as relay, opened(browser, daemon, f"http://{HOST}:{relay.port}/", LOST) as page:
        enter(page)
        page.keyboard.press("b")
        eventually(lambda: daemon.computer.state().keys[-1:] == ("B",), "the key before it")
        relay.stall()
        page.keyboard.press("x")
        page.locator("#line", has_text="does not answer").wait_for()
        page.keyboard.press("y")
        page.wait_for_timeout(2500)
        relay.flow()
        eventually(lambda: text_of(page, "#line") == "", "the line")
        page.keyboard.press("z")
        eventually(lambda: daemon.computer.state().keys[-1] == "Z", "the key after it")
        assert list(daemon.computer.state().keys)[-2:] == ["B", "Z"]


def test_a_viewer_sees_and_is_told_that_it_cannot_type(browser: playwright.Browser, daemon: Daemon) -> None:
    daemon.kvm.auth.credentials.add_user("vera", PASSWORD, UserRole.VIEWER)
    with opened(browser, daemon) as page:
        sent: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
        page.locator("input[name=username]").fill("vera")
        enter(page)
        page.locator("#hint", has_text="your role is viewer").wait_for()
        page.keyboard.press("v")
        page.mouse.click(*on_screen(page, 300, 300))
        page.wait_for_timeout(500)
        assert not [text for text in sent if '"press"' in text or '"mouse"' in text]
        assert text_of(page, "#problem") == ""
        assert page.locator("#power-button").is_hidden()
        assert page.locator("#capture-mouse").is_hidden()


def test_a_one_time_code_is_asked_for_where_it_is_needed(browser: playwright.Browser, daemon: Daemon) -> None:
    secret = new_secret()
    daemon.kvm.auth.credentials.add_user("tom", PASSWORD, UserRole.OPERATOR)
    daemon.kvm.auth.credentials.set_totp("tom", secret)
    with opened(browser, daemon) as page:
        page.locator("input[name=username]").fill("tom")
        assert page.locator("input[name=code]").is_hidden()
        log_in(page, PASSWORD)
        code = page.locator("input[name=code]")
        code.wait_for(state="visible")
        assert text_of(page, "#refusal") == ""
        code.fill("nonsense")
        page.get_by_role("button", name="Log in").click()
        page.locator("#refusal", has_text="code").wait_for()
        code.fill(code_at(secret, int(time.time() // PERIOD)))
        page.get_by_role("button", name="Log in").click()
        wait_for_stream(page)
