"""Everything of the page as axe sees it, which looks for what people cannot use with a keyboard or a screen reader."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api as playwright

from tests.kvmd.web.conftest import open_panel

PANELS = ["Keys", "Text", "Mouse", "Screen", "People", "Access", "Settings"]


def faults(page: playwright.Page) -> str:
    """What axe finds, in its words; by the rules of WCAG 2.2 AA, and what it calls best practice."""
    found = Axe().run(page)
    return found.generate_report() if found.violations_count else ""


@pytest.fixture(params=["dark", "light"])
def console_in(request: pytest.FixtureRequest, console: playwright.Page) -> playwright.Page:
    """The console in either of its looks."""
    console.emulate_media(color_scheme=request.param, reduced_motion="reduce")
    return console


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_login(page: playwright.Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.locator("input[name=username]").wait_for(state="visible")
    assert faults(page) == ""


def test_screen(console_in: playwright.Page) -> None:
    assert faults(console_in) == ""


def test_panels(console_in: playwright.Page) -> None:
    for panel in PANELS:
        open_panel(console_in, panel)
        for folded in console_in.locator("#panel summary").filter(visible=True).all():
            folded.click()
        assert faults(console_in) == "", panel


def test_power_and_its_question(console_in: playwright.Page) -> None:
    console_in.locator("#power-button").click()
    assert faults(console_in) == ""
    console_in.get_by_role("menuitem", name="Reset").click()
    console_in.locator("#question").wait_for(state="visible")
    assert faults(console_in) == ""
    console_in.get_by_role("button", name="Cancel").click()


@pytest.mark.parametrize("width", [1400, 1000, 390])
def test_on_screen_keyboard(console_in: playwright.Page, width: int) -> None:
    console_in.set_viewport_size({"width": width, "height": 800})
    console_in.get_by_role("button", name="Keyboard", exact=True).click()
    console_in.locator("#board [data-code=KeyQ]").wait_for()
    assert faults(console_in) == ""
