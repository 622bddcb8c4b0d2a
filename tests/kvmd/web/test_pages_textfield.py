"""The field for what comes without keys, as of phones and input methods; Chromium itself composes into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright import sync_api as playwright

from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, opened, text_of, wait_for_stream
from tests.kvmd.web.test_pages_keyboard import seen
from tests.kvmd.web.test_pages_socket import without_socket
from tests.waiting import eventually

__all__ = ["seen"]

ATTACH = """async (type) => {
  const field = document.createElement("textarea");
  document.body.append(field);
  const {attachTextField} = await import("/static/textfield.js");
  const {typeText} = await import("/static/texts.js");
  window.typed = [];
  attachTextField(field, type ? typeText : (text) => window.typed.push(text));
  field.focus();
  window.field = field;
}"""
WRITE = """things => {
  for (const each of things) {
    if (typeof each === "string") document.execCommand("insertText", false, each);
    else window.field.dispatchEvent(new KeyboardEvent("keydown", {...each, code: each.key, cancelable: true}));
  }
}"""
"""Texts and keys at once, faster than any of them is typed."""
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


@contextmanager
def with_socket(browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    with opened(browser, daemon) as page:
        log_in(page, PASSWORD)
        wait_for_stream(page)
        yield page


@pytest.fixture(params=[with_socket, without_socket])
def typing(request: pytest.FixtureRequest, browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    """A page with the field, whose texts are typed."""
    with request.param(browser, daemon) as page:
        page.evaluate(ATTACH, True)
        yield page


def test_a_key_after_a_text_is_typed_after_it(typing: playwright.Page, seen: list[str]) -> None:
    typing.evaluate(WRITE, ["qqqqqqqqqq", {"key": "Enter"}, "w", {"key": "Backspace"}, "e"])
    wanted = [*["KeyQ"] * 10, "Enter", "KeyW", "Backspace", "KeyE"]
    eventually(lambda: [keys for keys in seen if keys][13:], "the last of them")
    assert [keys for keys in seen if keys] == wanted
    assert text_of(typing, "#problem") == ""


def test_what_is_deleted_is_deleted_before_what_is_written_in_its_place(
    typing: playwright.Page, seen: list[str]
) -> None:
    typing.evaluate(LANGUAGES.format(["en"]))
    compose(typing, "teh", end="the ")
    keys = ["KeyT", "KeyE", "KeyH", "Backspace", "Backspace", "KeyH", "KeyE", "Space"]
    eventually(lambda: [each for each in seen if each] == keys, "the word as it was corrected")
