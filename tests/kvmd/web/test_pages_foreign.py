"""What a real browser does for pages of other sites, and for those of another port of ours."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright import sync_api as playwright

from tests.conftest import HOST, Daemon
from tests.waiting import patience

SHOW = """address => new Promise(resolve => {
  const image = new Image();
  image.onload = image.onerror = event => resolve(event.type);
  image.src = address;
})"""
PRESS = """address => fetch(address, {method: "POST", mode: "no-cors", body: '{"keycodes": ["KeyA"]}'})
  .then(() => "answered", () => "blocked")"""


@pytest.fixture(scope="module")
def opened(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon of which some needs no login."""
    with make_daemon(open_endpoints=["snapshot", "keyboard"]).running() as daemon:
        yield daemon


class Empty(BaseHTTPRequestHandler):
    """A page with nothing in it, and nothing that forbids it to show and to send."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><link rel=icon href=data:,>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another web server on this machine."""
    with ThreadingHTTPServer((HOST, 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def page_at(browser: playwright.Browser, host: str, port: int) -> playwright.Page:
    page = browser.new_page()
    page.set_default_timeout(patience() * 1000)
    page.goto(f"http://{host}:{port}/")
    return page


@pytest.mark.parametrize(
    ("shown", "by", "without"),
    [
        (HOST, HOST, "load"),
        ("localhost", "localhost", "load"),
        ("localhost", HOST, "error"),
        (HOST, "localhost", "error"),
    ],
)
def test_pictures_are_shown_to_our_own_pages_and_to_those_that_have_a_token(
    daemon: Daemon, opened: Daemon, browser: playwright.Browser, elsewhere: int, *, shown: str, by: str, without: str
) -> None:
    page = page_at(browser, by, elsewhere)
    picture = f"http://{shown}:{opened.video_port}/snapshot"
    assert page.evaluate(SHOW, picture) == without
    assert page.evaluate(SHOW, f"{picture}?token={opened.token}") == "load"
    assert page.evaluate(SHOW, f"{picture}?token=guessed") == without
    closed = f"http://{shown}:{daemon.video_port}/snapshot"
    assert page.evaluate(SHOW, closed) == "error"
    assert page.evaluate(SHOW, f"{closed}?token={daemon.token}") == "load"
    page.close()


@pytest.mark.parametrize("by", ["localhost", HOST])
def test_a_page_of_another_site_or_port_presses_no_key(
    opened: Daemon, browser: playwright.Browser, elsewhere: int, by: str
) -> None:
    page = page_at(browser, by, elsewhere)
    keys = opened.computer.state().keys
    assert page.evaluate(PRESS, f"http://{HOST}:{opened.port}/keyboard") == "blocked", "the answer is not for it"
    assert opened.computer.state().keys == keys
    page.close()
