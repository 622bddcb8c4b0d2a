"""Take the picture in the README: the page at /, in a real browser, with the demo behind it.

Run as ``python tools/screenshot.py docs/demo.png`` while ``make demo`` runs; needs the extra ``dev`` and Chromium.
"""

import sys

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page(viewport={"width": 1280, "height": 812})
    page.goto("http://127.0.0.1:8080/")
    page.fill("input[name=password]", "admin")
    page.click("#login button")
    page.wait_for_selector("#capture[data-state=online]")
    page.click("#screen")
    page.keyboard.type("hello, kvmd", delay=20)
    page.keyboard.press("Enter")
    page.keyboard.press("CapsLock")
    page.keyboard.press("Control+Alt+Delete")
    page.wait_for_timeout(1500)
    page.screenshot(path=sys.argv[1])
    browser.close()
