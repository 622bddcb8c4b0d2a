"""The page in the browser's language, and in the one that is chosen."""

from playwright import sync_api as playwright

from tests.conftest import HOST, PASSWORD, Daemon
from tests.waiting import patience


def test_it_speaks_the_browsers_language_until_another_is_chosen(daemon: Daemon, browser: playwright.Browser) -> None:
    context = browser.new_context(locale="de-DE", viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(patience() * 1000)
    page = context.new_page()
    page.goto(f"http://{HOST}:{daemon.port}/")
    enter = page.get_by_role("button", name="Anmelden")
    enter.wait_for()
    assert page.locator("html").get_attribute("lang") == "de"
    page.locator("input[name=password]").fill(PASSWORD)
    enter.click()
    page.locator("button.tool[title='Einstellungen']").click()
    page.get_by_label("Sprache").select_option("fr")
    page.locator("button.tool[title='Réglages']").wait_for()
    page.reload()
    page.locator("button.tool[title='Réglages']").wait_for()
    page.evaluate("import('/static/words.js').then(({chooseLanguage}) => chooseLanguage(''))")
    page.locator("button.tool[title='Einstellungen']").wait_for()
    context.close()
