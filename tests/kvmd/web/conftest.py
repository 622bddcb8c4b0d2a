"""What tests of the page share: a real browser with the page in it, and what is seen there."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright import sync_api as playwright

from kvmd.contract.power import PowerButton
from kvmd_drivers.virtual.front_panel import Phase
from kvmd_drivers.virtual.session import Pointer
from tests.conftest import HOST, PASSWORD, Daemon
from tests.waiting import eventually, patience

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
REFUSALS = ("status of 401", "status of 409", "WebSocket is closed before the connection is established")
"""What a browser says of an answer that the page shows itself: wrong password, a button that is pressed; and of a page
that is left while its socket is on its way."""


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(daemon: Daemon, browser: playwright.Browser) -> Iterator[playwright.Page]:
    """The page, freshly opened; in the end nothing is held."""
    with opened(browser, daemon) as page:
        yield page
    eventually(lambda: daemon.down() == (0, ()), "everything being released")
    eventually(lambda: not pointer(daemon).buttons, "the buttons being released")
    daemon.computer.plug_video(True)
    daemon.computer.plug_host(True)
    daemon.computer.plug_panel(True)
    switch_on(daemon)
    eventually(lambda: daemon.kvm.video.slot.is_online and daemon.kvm.input.slot.is_online, "both being online")


@pytest.fixture
def console(page: playwright.Page) -> playwright.Page:
    """The page, logged in, with its stream running."""
    log_in(page, PASSWORD)
    page.locator("#stream").wait_for(state="visible")
    wait_for_stream(page)
    page.locator("#screen").focus()
    return page


@contextmanager
def opened(
    browser: playwright.Browser, daemon: Daemon, address: str = "", expected: tuple[str, ...] = ()
) -> Iterator[playwright.Page]:
    """Open the page; in the end, its console has nothing to say but refusals.

    :param address: where it is served, if not on the daemon's first port; its certificate is accepted
    :param expected: what its console may say, too
    """
    context = browser.new_context(
        viewport={"width": 1400, "height": 1000}, device_scale_factor=1, ignore_https_errors=True
    )
    context.set_default_timeout(patience() * 1000)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    page.goto(address or f"http://{HOST}:{daemon.port}/")
    yield page
    context.close()
    unexpected = [text for text in said if not any(refusal in text for refusal in (*REFUSALS, *expected))]
    assert not unexpected


def switch_on(daemon: Daemon) -> None:
    """Have the computer run, also one that sleeps or is about to shut down."""
    eventually(lambda: daemon.computer.phase is not Phase.STOPPING, "the end of the shutdown")
    if daemon.computer.phase is Phase.ASLEEP:
        daemon.computer.press(PowerButton.POWER)
        daemon.computer.release(PowerButton.POWER)
    daemon.computer.switch(True)
    eventually(lambda: daemon.computer.phase is Phase.RUNNING, "the computer to run")


def pointer(daemon: Daemon) -> Pointer:
    return daemon.computer.state().pointer


def on_screen(page: playwright.Page, x: int, y: int) -> tuple[float, float]:
    """Where in the page a pixel of the computer's screen is."""
    box = page.locator("#stream").bounding_box()
    assert box is not None
    return box["x"] + (x + 0.5) * box["width"] / 1280, box["y"] + (y + 0.5) * box["height"] / 720


def text_of(page: playwright.Page, selector: str) -> str:
    return page.locator(selector).text_content() or ""


def is_at(daemon: Daemon, x: int, y: int) -> bool:
    """Tell whether the computer's pointer is there, but for a pixel."""
    return abs(pointer(daemon).x - x) <= 1 and abs(pointer(daemon).y - y) <= 1


def log_in(page: playwright.Page, password: str) -> None:
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Log in").click()


def open_panel(page: playwright.Page, title: str) -> None:
    """Open a panel beside the screen, if it is not open."""
    tool = page.locator(f"button.tool[title={json.dumps(title)}]")
    if tool.get_attribute("aria-expanded") != "true":
        tool.click()
    page.locator("#panel-body > [data-panel]").wait_for(state="visible")


def wait_for_stream(page: playwright.Page) -> None:
    eventually(lambda: page.evaluate("document.getElementById('stream').naturalWidth") == 1280, "the stream's picture")


def seen(page: playwright.Page) -> NDArray[np.uint8]:
    """The pixels that the page shows of the computer's screen, in the stream's own size."""
    page.evaluate(
        "Object.assign(document.getElementById('stream').style,"
        "{position: 'fixed', left: 0, top: 0, width: '1280px', height: '720px', zIndex: 9,"
        " maxWidth: 'none', maxHeight: 'none', border: 0})"
    )
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": 720})
    page.evaluate("document.getElementById('stream').removeAttribute('style')")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)[TEXT]


def snapshot(daemon: Daemon) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(daemon.get("/snapshot").body)).convert("RGB")).astype(int)[TEXT]


def differing(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    """How many pixels differ by more than JPEG and a browser's colours make them, the blinking cursor left aside."""
    return int((np.abs(one - other).max(axis=2) > 40).sum())
