"""The field for what comes without keys, as of phones and input methods; Chromium itself composes into it."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright import sync_api as playwright

from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, opened, wait_for_stream
from tests.kvmd.web.test_pages_keyboard import seen
from tests.waiting import eventually

__all__ = ["seen"]

ATTACH = """async () => {
  const field = document.createElement("textarea");
  document.body.append(field);
  const {attachTextField} = await import("/static/textfield.js");
  window.typed = [];
  attachTextField(field, (text) => window.typed.push(text));
  field.focus();
  window.field = field;
}"""
LANGUAGES = "Object.defineProperty(navigator, 'languages', {{value: {}}}); 0"


@pytest.fixture
def field(browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    """A page with the field, which has the focus."""
    with opened(browser, daemon) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        page.evaluate(ATTACH)
        yield page


def compose(page: playwright.Page, *texts: str, end: str) -> None:
    """Compose a text in steps, as an input method does, and end with it."""
    tool = page.context.new_cdp_session(page)
    for text in texts:
        tool.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    tool.send("Input.insertText", {"text": end})


def typed(page: playwright.Page) -> Any:
    return page.evaluate("window.typed")


def test_what_is_written_is_typed(field: playwright.Page, seen: list[str]) -> None:
    for character in ("h", "é", "漢", " "):  # as Gboard without composition, an emoji, dictation
        field.keyboard.insert_text(character)
    field.keyboard.insert_text("two words")
    assert typed(field) == ["h", "é", "漢", " ", "two words"]
    assert seen == []


def test_a_word_that_is_composed_is_typed_as_it_comes_and_corrected(field: playwright.Page, seen: list[str]) -> None:
    field.evaluate(LANGUAGES.format(["de-DE", "en"]))
    compose(field, "t", "te", "teh", end="the ")
    assert typed(field) == ["t", "e", "h", "he "]
    eventually(lambda: seen == ["Backspace", "", "Backspace", ""], "the two letters that were wrong")


def test_japanese_is_typed_once_it_is_composed(field: playwright.Page, seen: list[str]) -> None:
    field.evaluate(LANGUAGES.format(["ja", "en"]))
    compose(field, "n", "に", "にh", "にほ", "日本", end="日本")
    assert typed(field) == ["日本"]
    assert seen == []


def test_kana_wait_for_their_end_in_any_language(field: playwright.Page, seen: list[str]) -> None:
    field.evaluate(LANGUAGES.format(["de-DE"]))
    compose(field, "に", "にほ", end="日本")
    assert typed(field) == ["日本"]
    assert seen == []


def test_what_is_deleted_is_deleted_also_where_nothing_was_written(field: playwright.Page, seen: list[str]) -> None:
    field.keyboard.insert_text("ab")
    delete = "document.execCommand('delete')"  # as keyboards of phones do: input events, without a key
    for _ in range(3):
        field.evaluate(delete)
    eventually(lambda: seen == ["Backspace", ""] * 3, "the deletions")
    assert typed(field) == ["ab"]
    for _ in range(40):
        field.evaluate(delete)
    eventually(lambda: len(seen) == 2 * 43, "as many as one likes")


def test_keys_that_write_nothing_are_keys(field: playwright.Page, seen: list[str]) -> None:
    for key in ("Enter", "ArrowLeft", "Shift+Tab", "F5", "Control+c"):
        field.keyboard.press(key)
    wanted = ["Enter", "", "ArrowLeft", "", "ShiftLeft Tab", "", "F5", "", "ControlLeft KeyC", ""]
    eventually(lambda: seen == wanted, "the keys")
    field.keyboard.press("x")
    assert typed(field) == ["x"]
    assert field.evaluate("document.activeElement === window.field")


def test_a_new_line_is_typed_and_nothing_is_left_in_the_field(field: playwright.Page) -> None:
    field.keyboard.insert_text("secret")
    field.keyboard.insert_text("\n")  # keyboards of phones: insertLineBreak
    assert typed(field) == ["secret", "\n"]
    assert "secret" not in field.input_value("textarea")
    field.keyboard.insert_text("more")
    field.evaluate("window.field.blur()")
    assert "more" not in field.input_value("textarea")
