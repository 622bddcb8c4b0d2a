"""What the page says of its line and its picture, in a real browser: nothing looks alive that is not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright import sync_api as playwright

from tests.conftest import HOST, PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, opened, text_of, wait_for_stream
from tests.relay import Relay
from tests.waiting import eventually

LOST = ("ERR_", "WebSocket connection to")
"""What the browser's own console says of a network that is away."""


class Picky:
    """Passes a page's WebSocket on as it is, but for pictures."""

    def __init__(self, page: playwright.Page) -> None:
        self.delay = 0.0
        """Seconds for which a picture is kept back."""
        self._kept: list[tuple[float, bytes]] = []
        page.route_web_socket("**/api/ws", self._connect)

    def _connect(self, route: playwright.WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda message: self._pass(route, message))

    def _pass(self, route: playwright.WebSocketRoute, message: str | bytes) -> None:
        """Pass a message on, and with it the pictures that were kept for long enough."""
        now = time.monotonic()
        if isinstance(message, bytes):
            self._kept.append((now, message))
        else:
            route.send(message)
        while self._kept and self._kept[0][0] + self.delay <= now:
            route.send(self._kept.pop(0)[1])


@pytest.fixture
def picky(page: playwright.Page) -> Picky:
    """A network that can lose pictures alone; the page is loaded anew, and logged in."""
    picky = Picky(page)
    page.reload()
    log_in(page, PASSWORD)
    wait_for_stream(page)
    return picky


def line(page: playwright.Page) -> str:
    return text_of(page, "#line")


def is_typed(page: playwright.Page, daemon: Daemon, key: str) -> bool:
    page.locator("#screen").focus()
    page.keyboard.press(key)
    return daemon.computer.state().keys[-1:] == (key.upper(),)


def test_a_picture_that_stands_is_told(page: playwright.Page, picky: Picky) -> None:
    assert line(page) == ""
    picky.delay = float("inf")
    page.locator("#line", has_text="The picture stands still: nothing new for").wait_for()
    assert "lost" not in (page.locator("#console").get_attribute("class") or "")
    picky.delay = 0.0
    eventually(lambda: line(page) == "", "the pictures")


def test_a_picture_that_is_old_is_told(page: playwright.Page, picky: Picky) -> None:
    picky.delay = 1.6  # more than is old, less than stands
    page.locator("#line", has_text="s old: the network is slow").wait_for()
    picky.delay = 0.0
    eventually(lambda: line(page) == "", "the newest picture")


def wait_for_another_picture(page: playwright.Page, than: str | None) -> None:
    eventually(lambda: page.locator("#stream").get_attribute("src") != than, "a new picture")


def lost(page: playwright.Page, relay: Relay) -> None:
    relay.stall()
    page.locator("#line", has_text="Connection lost; connecting again").wait_for()


def frozen(page: playwright.Page, relay: Relay) -> None:
    """As a laptop that sleeps: nothing of the page runs, and meanwhile its connections end."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    relay.cut()
    session.send("Page.setWebLifecycleState", {"state": "active"})


def cut(_: playwright.Page, relay: Relay) -> None:
    relay.cut()


@pytest.mark.parametrize("happen", [lost, frozen, cut])
def test_it_comes_back_by_itself(
    browser: playwright.Browser, daemon: Daemon, happen: Callable[[playwright.Page, Relay], None]
) -> None:
    with Relay(daemon.port) as relay, opened(browser, daemon, f"http://{HOST}:{relay.port}/", LOST) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        shown = page.locator("#stream").get_attribute("src")
        happen(page, relay)
        relay.flow()
        eventually(lambda: is_typed(page, daemon, "l"), "a letter")
        wait_for_another_picture(page, shown)
        eventually(lambda: "lost" not in (page.locator("#console").get_attribute("class") or ""), "the line")


def test_without_a_socket_too(browser: playwright.Browser, daemon: Daemon) -> None:
    """By requests and the stream: a stream that has ended, and one on which nothing comes any more."""
    with (
        Relay(daemon.port, refuses=b"GET /api/ws") as relay,
        opened(browser, daemon, f"http://{HOST}:{relay.port}/", (*LOST, "status of 400")) as page,
    ):
        log_in(page, PASSWORD)
        wait_for_stream(page)
        for happen in (cut, lost):
            shown = page.locator("#stream").get_attribute("src")
            happen(page, relay)
            relay.flow()
            eventually(lambda: is_typed(page, daemon, "w"), "a letter")
            wait_for_another_picture(page, shown)
            page.keyboard.press("Enter")


def test_it_says_for_how_long_it_was_away(browser: playwright.Browser, daemon: Daemon) -> None:
    with Relay(daemon.port) as relay, opened(browser, daemon, f"http://{HOST}:{relay.port}/", LOST) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        lost(page, relay)
        page.wait_for_timeout(5000)  # what is shorter is not told
        relay.flow()
        page.locator("#line", has_text="Connected again, after").wait_for()
        eventually(lambda: line(page) == "", "its end")
