"""The page's panels in a real browser: what each does reaches the computer, the daemon, or a file."""

import json
import logging
from pathlib import Path

import pytest
from playwright import sync_api as playwright

from kvmd.access.grant import UserRole
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, open_panel, opened, text_of, wait_for_stream
from tests.waiting import eventually

LINE = "the quick brown fox: 0123 {}|"


def is_typed(daemon: Daemon, text: str) -> bool:
    return any(text in line.text for line in daemon.computer.state().lines)


def test_a_text_is_typed_and_its_end_is_told(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Text")
    console.locator("#text").fill(LINE)
    console.get_by_role("button", name="Type", exact=True).click()
    eventually(lambda: is_typed(daemon, LINE), "the text on the computer")
    console.locator("#action", has_text=f"{len(LINE)} of {len(LINE)} characters were typed").wait_for()
    assert console.locator("progress").is_hidden()


def test_a_text_that_cannot_be_typed_is_refused_in_words(console: playwright.Page, daemon: Daemon) -> None:
    before = daemon.computer.state().keys
    open_panel(console, "Text")
    console.locator("#layout").select_option("us")
    console.locator("#text").fill("5 €")
    console.get_by_role("button", name="Type", exact=True).click()
    console.locator("#action.refused", has_text="EURO SIGN").wait_for()
    assert daemon.computer.state().keys == before
    assert console.locator("#text").input_value() == "5 €", "nothing is lost"


def test_a_text_can_be_cancelled(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Text")
    console.get_by_label("Speed").select_option("100")
    console.locator("#text").fill("z" * 3000)
    console.get_by_role("button", name="Type", exact=True).click()
    eventually(lambda: daemon.kvm.input.text.status().typed > 2, "the beginning")
    console.locator("#panel").get_by_role("button", name="Cancel").click()
    console.locator("#action.refused", has_text="of 3000 characters were typed").wait_for()
    eventually(lambda: daemon.down() == (0, ()), "the end")


def test_a_secret_is_typed_and_not_kept(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Text")
    console.get_by_label("Secret: do not show it").check()
    assert console.locator("#text").is_hidden()
    console.locator("#secret").fill("correct horse")
    console.get_by_role("button", name="Type", exact=True).click()
    eventually(lambda: is_typed(daemon, "correct horse"), "the secret")
    assert console.locator("#secret").input_value() == ""
    assert "horse" not in str(console.evaluate("JSON.stringify(localStorage)"))


def test_the_layout_is_remembered(console: playwright.Page) -> None:
    open_panel(console, "Text")
    console.locator("#layout").select_option("de")
    console.reload()
    wait_for_stream(console)
    open_panel(console, "Text")
    eventually(lambda: console.locator("#layout").input_value() == "de", "the layout")


def test_a_chord_is_sent_and_the_screen_has_the_focus_again(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Keys")
    console.get_by_role("button", name="Ctrl+Alt+Del").click()
    eventually(lambda: daemon.computer.state().keys[-1:] == ("Ctrl+Alt+Delete",), "the chord")
    assert console.evaluate("document.activeElement.id") == "screen"


def test_a_chord_of_ones_own_is_kept(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Keys")
    console.get_by_role("button", name="Add a shortcut").click()
    console.get_by_role("button", name="Press the keys").press("Control+Shift+KeyQ")
    mine = console.get_by_role("button", name="Ctrl+Shift+Q", exact=True)
    mine.wait_for()
    console.reload()
    wait_for_stream(console)
    open_panel(console, "Keys")
    mine.click()
    eventually(lambda: daemon.computer.state().keys[-1:] == ("Ctrl+Shift+Q",), "the chord")
    console.get_by_role("button", name="Remove Ctrl+Shift+Q").click()
    eventually(mine.is_hidden, "its end")


def test_a_picture_is_saved(console: playwright.Page, tmp_path: Path) -> None:
    open_panel(console, "Screen")
    with console.expect_download() as saved:
        console.get_by_role("button", name="Save picture").click()
    saved.value.save_as(tmp_path / "picture")
    assert saved.value.suggested_filename.endswith(".jpg")
    assert (tmp_path / "picture").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_recording_is_a_video(console: playwright.Page, tmp_path: Path) -> None:
    open_panel(console, "Screen")
    console.get_by_role("button", name="Record").click()
    console.get_by_role("button", name="Stop recording (0:02)").wait_for()
    with console.expect_download() as saved:
        console.get_by_role("button", name="Stop recording").click()
    saved.value.save_as(tmp_path / "video")
    video = (tmp_path / "video").read_bytes()
    assert saved.value.suggested_filename.rsplit(".")[-1] in {"mp4", "webm"}
    assert b"ftyp" in video[:16] or video.startswith(b"\x1aE\xdf\xa3")
    assert len(video) > 10_000


def test_the_numbers_of_the_picture_are_told(console: playwright.Page) -> None:
    open_panel(console, "Screen")
    console.locator("#picture-resolution", has_text="1280").wait_for()
    eventually(lambda: text_of(console, "#picture-rate") not in {"", "0.0 a second"}, "pictures a second")
    eventually(lambda: text_of(console, "#picture-bits") not in {"", "0 kbit/s"}, "bits a second")


def test_a_quality_is_asked_for_and_remembered(console: playwright.Page) -> None:
    sent: list[str] = []
    console.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(str(text))))
    open_panel(console, "Screen")
    console.get_by_label("Quality").select_option("low")
    console.reload()
    wait_for_stream(console)
    asked = [json.loads(text) for text in sent if '"pictures"' in text]
    assert asked[-1]["quality"] == "low"


def test_an_admin_makes_a_user_who_may_only_watch(
    console: playwright.Page, browser: playwright.Browser, daemon: Daemon
) -> None:
    open_panel(console, "Access")
    console.get_by_text("Add a user").click()
    form = console.locator("#panel form").first
    form.get_by_label("User").fill("otto")
    form.get_by_label("Password").fill("a long password")
    form.get_by_label("Role").select_option("viewer")
    form.get_by_role("button", name="Save").click()
    console.get_by_label("Role of otto").wait_for()
    assert daemon.kvm.auth.credentials.read().users["otto"].role is UserRole.VIEWER
    with opened(browser, daemon) as page:
        page.locator("input[name=username]").fill("otto")
        log_in(page, "a long password")
        wait_for_stream(page)
        assert page.locator("button.tool[title=Text]").is_hidden()
        assert page.locator("button.tool[title=Access]").is_hidden()
        console.get_by_role("button", name="Remove otto").click()
        console.locator("#question-yes").click()
        page.locator("#refusal", has_text="the session has ended").wait_for()
    eventually(lambda: console.get_by_label("Role of otto").is_hidden(), "its end")


def test_an_api_key_is_shown_once(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Access")
    console.get_by_text("Make an API key").click()
    form = console.locator("#panel form").nth(1)
    form.get_by_label("Name").fill("script")
    form.get_by_role("button", name="Save").click()
    key = text_of(console, "#panel code")
    assert daemon.get("/api/me", token=key).data["who"] == "API key script"
    console.get_by_role("button", name="Remove script").click()
    console.locator("#question-yes").click()
    eventually(lambda: daemon.get("/api/me", token=key).code == 401, "its end")


def test_the_log_and_the_audit_are_shown(console: playwright.Page, daemon: Daemon) -> None:
    daemon.kvm.log.handle(logging.makeLogRecord({"name": "acme", "levelname": "WARNING", "msg": "a cable is loose"}))
    open_panel(console, "Access")
    console.get_by_text("Log", exact=True).click()
    console.locator("#panel pre", has_text="warning acme: a cable is loose").wait_for()
    console.get_by_text("Who did what").click()
    console.locator("#panel li", has_text="login: admin").first.wait_for()


def test_an_answer_that_is_not_the_daemons_is_told_in_words(browser: playwright.Browser, daemon: Daemon) -> None:
    with opened(browser, daemon, expected=("ERR_FAILED",)) as page:
        log_in(page, PASSWORD)
        open_panel(page, "Access")
        end = page.get_by_role("button", name="End", exact=True).first
        page.route("**/api/sessions/*", lambda route: route.fulfill(status=409, body="<h1>from a proxy</h1>"))
        end.click()
        page.locator("#action.refused", has_text="Something on the way answered in the KVM's place (409).").wait_for()
        page.unroute("**/api/sessions/*")
        page.route("**/api/sessions/*", lambda route: route.abort())
        end.click()
        page.locator("#action.refused", has_text="The KVM did not answer.").wait_for()


def test_the_keyboard_is_taken_and_given_back(
    console: playwright.Page, browser: playwright.Browser, daemon: Daemon
) -> None:
    with opened(browser, daemon) as other:
        log_in(other, PASSWORD)
        wait_for_stream(other)
        open_panel(other, "People")
        other.locator("#take").click()
        open_panel(console, "People")
        console.get_by_text("admin has the keyboard.").wait_for()
        console.locator("#screen").focus()
        before = daemon.computer.state().keys
        console.keyboard.press("u")
        console.locator("#problem", has_text="has the keyboard").wait_for()
        assert daemon.computer.state().keys == before
        other.locator("#give").click()
        console.get_by_text("Everybody who may type can.").wait_for()
        console.locator("#screen").focus()
        console.keyboard.press("u")
        eventually(lambda: daemon.computer.state().keys[-1:] == ("U",), "the key")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_colours_can_be_chosen(console: playwright.Page, theme: str) -> None:
    open_panel(console, "Settings")
    console.get_by_label("Colours").select_option(theme)
    assert console.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
    console.reload()
    console.locator("#console").wait_for(state="visible")
    assert console.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme


def test_text_on_the_screen_is_read(console: playwright.Page) -> None:
    open_panel(console, "Screen")
    console.get_by_role("button", name="Mark text on the screen").click()
    box = console.locator("#cover").bounding_box()
    assert box is not None
    console.mouse.move(box["x"], box["y"])
    console.mouse.down()
    console.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] * 0.1)
    console.mouse.up()
    result = console.get_by_label("Text that was read")
    result.wait_for()
    assert "kvmd-hal virtual computer" in result.input_value()


def test_an_admin_sees_what_is_wrong_and_what_to_do(console: playwright.Page, daemon: Daemon) -> None:
    open_panel(console, "Access")
    daemon.computer.plug_host(False)
    eventually(lambda: not daemon.kvm.input.slot.is_online, "the loss")
    console.get_by_text("Check this KVM").click()
    finding = console.locator(".findings li", has_text="Warning: hid: ")
    finding.wait_for()
    assert "cable" in (finding.locator("code").text_content() or "")
    daemon.computer.plug_host(True)
    eventually(lambda: daemon.kvm.input.slot.is_online, "the cable")
    console.get_by_role("button", name="Look again").click()
    eventually(finding.is_hidden, "its end")
