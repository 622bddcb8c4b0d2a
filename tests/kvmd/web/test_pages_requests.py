"""The page where no socket can be had: texts by requests, who has the keyboard, and what nobody knows there."""

from collections.abc import Iterator

import pytest
from playwright import sync_api as playwright

from kvmd.access.grant import UserRole
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import on_screen, open_panel, text_of
from tests.kvmd.web.test_pages_panels import LINE, is_typed
from tests.kvmd.web.test_pages_socket import without_socket
from tests.sockets import Socket
from tests.waiting import eventually


@pytest.fixture
def console(browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    """The page without a socket, logged in, with its stream running; in the end nothing is held."""
    with without_socket(browser, daemon) as page:
        yield page
    eventually(lambda: daemon.kvm.input.text.status().state.value != "typing", "the end of the text")
    eventually(lambda: daemon.down() == (0, ()), "everything being released")


def type_text(page: playwright.Page, text: str, delay: str = "10") -> None:
    open_panel(page, "Text")
    page.get_by_label("Speed").select_option(delay)
    page.locator("#text").fill(text)
    page.get_by_role("button", name="Type", exact=True).click()


def test_a_text_is_typed_and_its_end_is_told(console: playwright.Page, daemon: Daemon) -> None:
    type_text(console, LINE)
    eventually(lambda: is_typed(daemon, LINE), "the text on the computer")
    console.locator("#action", has_text=f"{len(LINE)} of {len(LINE)} characters were typed").wait_for()
    assert console.locator("progress").is_hidden()


def test_it_is_told_how_far_a_text_is_and_it_can_be_cancelled(console: playwright.Page, daemon: Daemon) -> None:
    type_text(console, "z" * 3000, "100")
    bar = console.locator("progress")
    eventually(lambda: 2 < (bar.evaluate("bar => bar.value") or 0) < 3000, "some of it")
    assert bar.evaluate("bar => bar.max") == 3000
    console.locator("#panel").get_by_role("button", name="Cancel").click()
    console.locator("#action.refused", has_text="of 3000 characters were typed").wait_for()
    assert daemon.kvm.input.text.status().state.value == "cancelled"
    assert bar.is_hidden()


def test_a_text_that_cannot_be_typed_is_refused_in_words(console: playwright.Page, daemon: Daemon) -> None:
    before = daemon.computer.state().keys
    type_text(console, "5 ☃")
    console.locator("#action.refused", has_text="SNOWMAN").wait_for()
    assert daemon.computer.state().keys == before


def test_a_text_ends_with_the_page(console: playwright.Page, daemon: Daemon) -> None:
    type_text(console, "y" * 3000, "100")
    eventually(lambda: daemon.kvm.input.text.status().typed > 2, "the beginning")
    console.goto("about:blank")
    eventually(lambda: daemon.kvm.input.text.status().state.value == "cancelled", "its end")


def test_keys_during_a_long_text_are_refused_and_told(console: playwright.Page, daemon: Daemon) -> None:
    type_text(console, "x" * 3000, "100")
    eventually(lambda: daemon.kvm.input.text.status().typed > 2, "the beginning")
    console.locator("#screen").focus()
    console.keyboard.press("u")
    console.locator("#problem", has_text="a text is being typed").wait_for()
    console.locator("#panel").get_by_role("button", name="Cancel").click()
    console.locator("#action.refused", has_text="of 3000 characters were typed").wait_for()
    assert "U" not in daemon.computer.state().keys[-8:]


def test_somebody_who_has_the_keyboard_is_told_of(console: playwright.Page, daemon: Daemon) -> None:
    daemon.kvm.auth.credentials.add_user("olga", PASSWORD, UserRole.OPERATOR)
    token = daemon.post("/login_api", {"username": "olga", "password": PASSWORD}, token="").data["token"]
    with Socket(daemon, token=token) as other:
        other.wait("clients")
        console.keyboard.press("k")
        typists = other.wait("clients", wanted=lambda news: news["typists"])["typists"]
        assert typists == ["admin"], "who types by requests is seen by those with a socket"
        other.do("take")
        before = daemon.computer.state().keys
        console.keyboard.press("u")
        console.locator("#problem", has_text="olga has the keyboard").wait_for()
        type_text(console, "uuu")
        console.locator("#action.refused", has_text="olga has the keyboard").wait_for()
        assert daemon.computer.state().keys == before
        other.do("give")
        console.locator("#screen").focus()
        console.keyboard.press("u")
        eventually(lambda: daemon.computer.state().keys[-1:] == ("U",), "the key")


def test_who_types_a_text_is_seen_by_others(console: playwright.Page, daemon: Daemon) -> None:
    with Socket(daemon) as other:
        other.wait("clients")
        type_text(console, "w" * 3000, "100")
        other.wait("clients", wanted=lambda news: news["typists"] == ["admin"])
        other.do("cancel_text")
    console.locator("#action.refused", has_text="admin cancelled it").wait_for()


def test_what_needs_a_socket_says_so(console: playwright.Page) -> None:
    open_panel(console, "People")
    note = "no WebSocket"
    console.locator("#panel", has_text=note).wait_for()
    assert console.locator("#take").is_hidden()
    assert "Everybody" not in text_of(console, "#panel")
    open_panel(console, "Screen")
    console.locator("#panel", has_text=note).wait_for()
    assert console.get_by_label("Quality").is_hidden()


def test_a_viewer_is_told_that_it_cannot_type(browser: playwright.Browser, daemon: Daemon) -> None:
    daemon.kvm.auth.credentials.add_user("vera", PASSWORD, UserRole.VIEWER)
    with without_socket(browser, daemon, "vera") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.locator("#hint", has_text="your role is viewer").wait_for()
        page.keyboard.press("v")
        page.mouse.click(*on_screen(page, 300, 300))
        with page.expect_request("**/api/status"):
            pass
        assert not [url for url in asked if "keyboard" in url or "mouse" in url]
        assert text_of(page, "#problem") == ""
        assert page.locator("#power-button").is_hidden()
