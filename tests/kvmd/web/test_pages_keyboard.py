"""Keys as the browsers of each system tell them, and what the target sees; and what browsers keep."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api as playwright

from kvmd.contract.hid import ConsumerReport, KeyboardReport, Report
from kvmd.input.keymap import KEYS, MEDIA_KEYS
from tests.conftest import PASSWORD, Daemon
from tests.kvmd.web.conftest import log_in, opened, wait_for_stream
from tests.waiting import eventually

SEQUENCES = tomllib.loads((Path(__file__).parents[2] / "data" / "keyboards.toml").read_text())["sequence"]
USAGES = {key.usage: name for name, key in KEYS.items() if not key.modifier}
MODIFIERS = {key.modifier: name for name, key in KEYS.items() if key.modifier}
MEDIA = {key.usage: name for name, key in MEDIA_KEYS.items()}

ATTACH = """async () => {
  const pad = document.createElement("div");
  pad.tabIndex = 0;
  document.body.append(pad);
  const {attachKeyboard, swapIso} = await import("/static/keyboard.js");
  const told = {text: [], paste: [], left: 0, lost: []};
  attachKeyboard(pad, {
    type: (text) => told.text.push(text),
    paste: (text) => told.paste.push(text),
    leave: () => told.left++,
    lost: (keys) => told.lost.push(...keys),
  });
  pad.focus();
  window.kvmTest = {pad, told, swapIso};
}"""
"""A screen of the test's own, which notes what is not sent as keys."""
PLAY = """async (events) => {
  const {pad, told, swapIso} = window.kvmTest;
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const ACTIVE = {shift: "shiftKey", ctrl: "ctrlKey", alt: "altKey", meta: "metaKey", repeat: "repeat",
    composing: "isComposing", AltGraph: "modifierAltGraph", NumLock: "modifierNumLock"};
  const flags = (words) => {
    const init = {bubbles: true, cancelable: true};
    for (const word of words) {
      if (word in ACTIVE) init[ACTIVE[word]] = true;
      else if (word === "right") init.location = 2;
      else if (Number(word)) init.keyCode = Number(word);
      else throw new Error(`no such word: ${word}`);
    }
    return init;
  };
  const ACTS = {
    wait: ([time]) => pause(Number(time)),
    blur: () => pad.blur(),
    focus: () => pad.focus(),
    swap: () => swapIso(true),
    fill: () => ["keydown", "keyup"].forEach((type) => pad.dispatchEvent(new Event(type, {bubbles: true}))),
    move: (words) => pad.dispatchEvent(new PointerEvent("pointermove", {pointerType: "mouse", ...flags(words)})),
  };
  const key = (type, [code, key, ...words]) => pad.dispatchEvent(new KeyboardEvent(`key${type}`,
    {code: code === "-" ? "" : code, key: key === "␣" ? " " : key, ...flags(words)}));
  Object.assign(told, {text: [], paste: [], left: 0, lost: []});
  pad.focus();
  for (const event of events) {
    const [name, ...words] = event.split(" ");
    await (ACTS[name]?.(words) ?? key(name, words));
  }
  swapIso(false);
  for (const type of ["down", "up"]) key(type, ["Pause", "Pause"]);
  return told;
}"""


def names(report: Report) -> list[str]:
    """The keys that are down after a report."""
    if isinstance(report, ConsumerReport):
        return [MEDIA[usage] for usage in report.usages]
    assert isinstance(report, KeyboardReport)
    modifiers = [name for bit, name in MODIFIERS.items() if report.modifiers & bit]
    return [*modifiers, *(USAGES[usage] for usage in report.keys)]


def ordered(keys: Iterable[str]) -> str:
    return " ".join(sorted(keys))


@pytest.fixture
def seen(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that are down on the computer, after each report that it takes from now on."""
    reports: list[str] = []
    take = daemon.computer.take

    def note(report: Report) -> None:
        if isinstance(report, KeyboardReport | ConsumerReport):
            reports.append(ordered(names(report)))
        take(report)

    monkeypatch.setattr(daemon.computer, "take", note)
    return reports


@pytest.fixture(scope="module")
def pad(request: pytest.FixtureRequest, browser: playwright.Browser, daemon: Daemon) -> Iterator[playwright.Page]:
    """A page that takes its browser for one of the system that is named, with a screen of the test's own in it."""
    with opened(browser, daemon) as page:
        platform = f"Object.defineProperty(Navigator.prototype, 'platform', {{get: () => '{request.param}'}})"
        page.add_init_script(platform)
        page.reload()
        log_in(page, PASSWORD)
        wait_for_stream(page)
        page.evaluate(ATTACH)
        yield page


@pytest.mark.parametrize(
    ("pad", "sequence"),
    [pytest.param(sequence["system"], sequence, id=sequence["name"]) for sequence in SEQUENCES],
    indirect=["pad"],
)
def test_the_target_sees_what_was_meant(pad: playwright.Page, sequence: dict[str, Any], seen: list[str]) -> None:
    told = pad.evaluate(PLAY, sequence["events"])
    eventually(lambda: seen[-2:-1] and "Pause" in seen[-2], "the key after all others")
    assert seen == [*(ordered(keys.split()) for keys in sequence["target"]), "Pause", ""]
    assert told["text"] == sequence.get("text", [])
