"""The page's power menu in a real browser: switch off and on, be asked first, be told why not."""

import json
import threading
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from playwright import sync_api as playwright

from kvmd.contract.power import PowerButton, PowerCapability
from kvmd.contract.reports import State
from kvmd_drivers.virtual.front_panel import AFTERWARDS, Phase
from kvmd_drivers.virtual.power import VirtualPower
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import differing, is_at, log_in, on_screen, opened, seen, snapshot, text_of
from tests.waiting import eventually

OFF = "The target is off."
NO_LAMP = "No power lamp is wired: look at the screen, and press the button."
NO_POWER = "No power button is wired."
NO_RESET = "No reset button is wired."
LOST = "Front panel unavailable."
FREE = {"on": "", "off": "", "press": "", "reset": "", "force_off": ""}
ON = FREE | {"on": "The target is on."}


@pytest.fixture
def asked(console: playwright.Page) -> list[str]:
    """The actions that the page asked for."""
    actions: list[str] = []

    def note(request: playwright.Request) -> None:
        if request.method == "POST" and request.url.endswith("/api/power"):
            actions.append(json.loads(request.post_data or "")["action"])

    console.on("request", note)
    wait_for_state(console, "on")
    return actions


def wait_for_state(page: playwright.Page, words: str) -> None:
    page.locator("#power-state").get_by_text(words, exact=True).wait_for()


def open_menu(page: playwright.Page) -> None:
    page.locator("#power-button").click()
    page.locator("#power-menu").wait_for(state="visible")


def item(page: playwright.Page, action: str) -> playwright.Locator:
    return page.locator(f"#power-menu button[value={action}]")


def choose(page: playwright.Page, action: str) -> None:
    open_menu(page)
    item(page, action).click()


def focused(page: playwright.Page) -> str:
    """Where the focus is: an item's action, or an id."""
    return str(page.evaluate("document.activeElement.value || document.activeElement.id"))


def reasons(page: playwright.Page) -> dict[str, str]:
    """Why each item is disabled; empty where it is not."""
    rows = page.locator("#power-menu button").evaluate_all(
        "all => all.map((item) => [item.value, item.querySelector('small').textContent, item.ariaDisabled])"
    )
    assert all(disabled == ("true" if reason else "false") for _, reason, disabled in rows)
    return {action: reason for action, reason, _ in rows}


def test_off_and_on_again(console: playwright.Page, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for_state(console, "on")
    choose(console, "off")
    console.locator("#action", has_text="Power: the power button was pressed for 0.5 s.").wait_for()
    wait_for_state(console, "off")
    console.locator("#capture", has_text="no signal: the virtual computer is switched off").wait_for()
    assert text_of(console, "#capture").count("no signal") == 1
    eventually(lambda: np.abs(seen(console)[5, 5] - (16, 20, 26)).max() < 6, "the slate")
    assert differing(seen(console), snapshot(daemon)) == 0
    monkeypatch.setitem(AFTERWARDS, Phase.STARTING, (3600.0, Phase.RUNNING))
    choose(console, "on")
    wait_for_state(console, "on")
    eventually(
        lambda: any("Booting" in line.text for line in daemon.computer.state().lines), "the firmware's last line"
    )
    assert daemon.computer.state().lines[0].text == "kvmd-hal virtual firmware"
    console.locator("#capture[data-state=online]").wait_for()
    eventually(lambda: differing(seen(console), snapshot(daemon)) <= 28 * 16, "the firmware in the page")


@pytest.mark.parametrize(("action", "yes"), [("reset", "Reset"), ("force_off", "Force off")])
def test_what_may_lose_work_is_asked_about(console: playwright.Page, asked: list[str], action: str, yes: str) -> None:
    question = console.get_by_role("dialog")
    for no in ("Enter", "Escape"):
        choose(console, action)
        question.get_by_text("Work that is not saved will be lost.").wait_for()
        assert console.evaluate("document.activeElement.textContent") == "Cancel"
        console.keyboard.press(no)
        question.wait_for(state="hidden")
        assert focused(console) == "power-button"
    choose(console, action)
    question.get_by_role("button", name=yes, exact=True).click()
    console.locator("#action", has_text="button was pressed").wait_for()
    assert asked == [action], "those that were cancelled are none"


def test_the_question_is_only_asked_where_work_may_be_lost(console: playwright.Page, asked: list[str]) -> None:
    choose(console, "press")
    console.locator("#action", has_text="Power: the power button was pressed for 0.5 s.").wait_for()
    assert console.get_by_role("dialog").is_hidden()
    assert asked == ["press"]


def test_the_menu_by_keyboard(console: playwright.Page, daemon: Daemon, asked: list[str]) -> None:
    menu, button = console.locator("#power-menu"), console.locator("#power-button")
    typed = daemon.computer.state().keys
    button.focus()
    console.keyboard.press("Enter")
    menu.wait_for(state="visible")
    assert button.get_attribute("aria-expanded") == "true"
    places = [focused(console)]
    for key in ("Enter", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowDown", "End", "ArrowUp", "Home"):
        console.keyboard.press(key)
        places.append(focused(console))
    assert places == ["on", "on", "off", "on", "force_off", "on", "force_off", "reset", "on"]
    assert menu.is_visible(), "a disabled item does nothing"
    console.keyboard.press("Escape")
    assert (menu.is_hidden(), focused(console)) == (True, "power-button")
    assert button.get_attribute("aria-expanded") == "false"
    console.keyboard.press("ArrowDown")
    assert (menu.is_visible(), focused(console)) == (True, "on")
    console.keyboard.press("Tab")
    assert (menu.is_hidden(), focused(console)) == (True, "board-button")
    assert daemon.computer.state().keys == typed, "none of it is typed on the computer"
    assert not asked


def test_the_menu_closes_with_a_second_click_and_one_elsewhere(console: playwright.Page) -> None:
    for place in ("#power-button", "#hint"):
        open_menu(console)
        console.locator(place).click()
        assert console.locator("#power-menu").is_hidden()


def test_a_target_that_is_on_or_off(console: playwright.Page, daemon: Daemon) -> None:
    wait_for_state(console, "on")
    assert reasons(console) == ON
    daemon.computer.switch(False)
    wait_for_state(console, "off")
    assert reasons(console) == FREE | {"off": OFF, "reset": OFF, "force_off": OFF}


def test_a_target_that_sleeps(console: playwright.Page, daemon: Daemon) -> None:
    wait_for_state(console, "on")
    daemon.post("/keyboard", {"keycodes": ["Sleep"]})
    asleep = FREE | {"off": "The target is sleeping: a press would wake it."}
    eventually(lambda: reasons(console) == asleep, "the reasons")
    choose(console, "on")
    wait_for_state(console, "on")
    eventually(lambda: daemon.computer.phase is Phase.RUNNING, "the computer to wake up")


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        (PowerCapability.POWER_BUTTON, FREE | {"on": NO_LAMP, "off": NO_LAMP, "reset": NO_RESET}),
        (PowerCapability.RESET_BUTTON, dict.fromkeys(FREE, NO_POWER) | {"reset": ""}),
        (PowerCapability.WAKE, dict.fromkeys(FREE, NO_POWER) | {"on": "", "reset": NO_RESET}),
    ],
)
def test_what_is_not_wired_is_told(
    console: playwright.Page,
    monkeypatch: pytest.MonkeyPatch,
    able: PowerCapability,
    expected: dict[str, str],
) -> None:
    status = VirtualPower.status
    dark = {"power_lamp": None, "disk_lamp": None}
    monkeypatch.setattr(VirtualPower, "capabilities", able)
    monkeypatch.setattr(VirtualPower, "status", lambda driver: msgspec.structs.replace(status(driver), **dark))
    wait_for_state(console, "unknown")
    eventually(lambda: reasons(console) == expected, "the reasons")
    console.locator("#disk").wait_for(state="hidden")


def filter_status(page: playwright.Page) -> threading.Event:
    """Open the page anew, so that its socket keeps the status back while what is returned is not set."""
    tell = threading.Event()
    tell.set()

    def route(socket: playwright.WebSocketRoute) -> None:
        server = socket.connect_to_server()
        kept: list[str | bytes] = []

        def forward(message: str | bytes) -> None:
            if not tell.is_set() and isinstance(message, str) and '"type":"status"' in message:
                kept.append(message)
                return
            while tell.is_set() and kept:
                socket.send(kept.pop(0))
            socket.send(message)

        server.on_message(forward)

    page.route_web_socket("**/api/ws", route)
    page.reload()
    return tell


def test_a_refusal_is_shown_until_the_menu_opens_again(console: playwright.Page, daemon: Daemon) -> None:
    wait_for_state(console, "on")
    tell = filter_status(console)
    wait_for_state(console, "on")
    tell.clear()
    with daemon.kvm.power._taken(PowerButton.RESET, 60.0):
        choose(console, "press")
        console.locator("#action.refused", has_text="the reset button is pressed, for ").wait_for()
        tell.set()
        wait_for_state(console, "reset button pressed")
        assert reasons(console) == ON | dict.fromkeys(("off", "press", "reset", "force_off"), "A button is pressed.")
    console.mouse.move(*on_screen(console, 300, 300))
    eventually(lambda: console.evaluate("true") and is_at(daemon, 300, 300), "the mouse")  # messages pass meanwhile
    wait_for_state(console, "on")
    assert "the reset button is pressed, for " in text_of(console, "#action")
    open_menu(console)
    assert text_of(console, "#action") == ""


def test_a_front_panel_that_is_lost(console: playwright.Page, daemon: Daemon) -> None:
    wait_for_state(console, "on")
    daemon.computer.plug_panel(False)
    wait_for_state(console, "lost")
    assert reasons(console) == dict.fromkeys(FREE, LOST)
    told = "power: lost: the cable to the virtual computer's front panel is unplugged"
    console.locator("#remarks", has_text=told).wait_for()
    daemon.computer.plug_panel(True)
    wait_for_state(console, "on")
    assert "power" not in text_of(console, "#remarks")


def test_without_a_front_panel_there_is_no_menu(
    browser: playwright.Browser, make_daemon: Callable[..., Daemon]
) -> None:
    bare = make_daemon()
    bare.computer.plug_panel(False)
    with bare.running(), opened(browser, bare) as page:
        eventually(lambda: bare.kvm.power.slot.status.state is State.ABSENT, "the absence")
        log_in(page, PASSWORD)
        page.locator("#capture[data-state=online]").wait_for()
        assert page.locator("#power").is_hidden()
        assert "ower" not in page.locator("#console").inner_text()
        bare.computer.plug_panel(True)
        wait_for_state(page, "on")
        assert page.locator("#power").is_visible()


@pytest.mark.parametrize("panel", [True, False], ids=["online", "lost"])
def test_on_a_telephone_all_of_it_is_in_reach(
    console: playwright.Page, daemon: Daemon, asked: list[str], panel: bool
) -> None:
    daemon.computer.plug_panel(panel)
    wait_for_state(console, "on" if panel else "lost")
    console.set_viewport_size({"width": 390, "height": 844})
    open_menu(console)
    for action in FREE:
        box = item(console, action).bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
        assert 0 <= box["y"] < box["y"] + box["height"] <= 844
        assert item(console, action).evaluate("item => item.scrollWidth <= item.clientWidth"), "its words are clipped"
    assert console.evaluate("document.documentElement.scrollWidth") == 390
    if panel:
        item(console, "force_off").click()
        console.get_by_role("button", name="Cancel").click()
    assert not asked
