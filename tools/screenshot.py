"""Take the pictures of README.md and docs/console.md: the page at /, in a real browser, with the demo behind it.

Run as ``python tools/screenshot.py docs`` while ``make demo`` runs; needs the extra ``dev`` and Chromium. A first
argument that is another folder leaves those in docs alone.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PAGE = "http://127.0.0.1:8080/"
COLOURS = 256  # of each picture: it is a third of the size then, and looks the same
SCRIPT = "#!/bin/sh\napt-get update && apt-get install --yes nginx\n"


def opened(browser: Browser, width: int, height: int, scheme: str, *, is_phone: bool = False) -> Page:
    """Open the page, and log in."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        has_touch=is_phone,
        is_mobile=is_phone,
    )
    page.goto(PAGE)
    page.fill("input[name=password]", "admin")
    page.click("#login button")
    page.wait_for_selector("#capture[data-state=online]")
    page.wait_for_timeout(3000)
    return page


def take(page: Page, path: Path) -> None:
    """Take the picture once everything has settled."""
    page.wait_for_timeout(2500)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    page.context.close()


def screen(browser: Browser, path: Path) -> None:
    """Show the console on a desktop, with something typed and the keys' panel."""
    page = opened(browser, 1280, 800, "dark")
    page.click("#screen")
    page.keyboard.type("hello, kvmd", delay=20)
    page.keyboard.press("Enter")
    page.keyboard.press("CapsLock")
    page.keyboard.press("Control+Alt+Delete")
    page.click("button.tool[title=Keys]")
    take(page, path)


def text(browser: Browser, path: Path) -> None:
    """Show it on a tablet, in light colours, with a text that is about to be typed."""
    page = opened(browser, 1024, 700, "light")
    page.click("button.tool[title=Text]")
    page.fill("#text", SCRIPT)
    take(page, path)


def phone(browser: Browser, path: Path) -> None:
    """Show it on a phone, with the on-screen keyboard."""
    page = opened(browser, 390, 780, "dark", is_phone=True)
    page.click("#board-button")
    page.locator("#board select").select_option("de")
    take(page, path)


def main(folder: Path) -> None:
    """Take all of them."""
    takers = {"demo": screen, "text": text, "phone": phone}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, taker in takers.items():
            taker(browser, folder / f"{name}.png")
        browser.close()


main(Path(sys.argv[1]))
