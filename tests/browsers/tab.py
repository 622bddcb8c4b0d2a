"""A page in some browser, used as a person uses it: by keys and a pointer.

Every browser takes the same actions for these (WebDriver, section "Actions"; WebDriver BiDi, "input.performActions").
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.waiting import eventually

SIZE = (1400, 1000)
KEYS = {
    "Shift": "\ue008",
    "Control": "\ue009",
    "Alt": "\ue00a",
    "Tab": "\ue004",
    "Escape": "\ue00c",
    "ArrowUp": "\ue013",
    **{f"F{number}": chr(0xE030 + number) for number in range(1, 13)},
}
"""What stands for keys without a character: WebDriver, section "Keyboard actions"."""

COLLECT = """
if (!window.said) {
  window.said = [];
  const say = (words) => window.said.push(String(words));
  for (const name of ["error", "warn"]) {
    const real = console[name];
    console[name] = (...all) => { say(all.join(" ")); real.apply(console, all); };
  }
  addEventListener("error", ({message, target}) => say(message ?? `not loaded: ${target.src ?? target.href}`), true);
  addEventListener("unhandledrejection", ({reason}) => say(reason));
  addEventListener("securitypolicyviolation", (event) => say(`${event.violatedDirective} ${event.blockedURI}`));
}
"""
"""Notes what goes wrong in the page from now on."""
SHOWN = "(element) => element.getClientRects().length > 0"
FIND = f"""
const shown = {SHOWN};
const names = (button) => [button.textContent, button.title, button.ariaLabel].map((name) => (name ?? "").trim());
const element = [...document.querySelectorAll("button")].filter(shown).find((button) => names(button).includes(wanted));
"""
PLACE = """
if (!element?.getClientRects().length) return null;
element.scrollIntoView({block: "nearest"});
const {left, top, width, height} = element.getBoundingClientRect();
return [left + width / 2, top + height / 2];
"""


class Tab(ABC):
    """A page, in a window of the size of `SIZE` at first."""

    buttons: tuple[int, ...] = (0, 1, 2)
    """Those of the mouse that can be pressed and let go of: left, middle and right."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._buttons: set[int] = set()

    @abstractmethod
    def open(self, address: str) -> None:
        """Go there, and wait until it is loaded."""

    @abstractmethod
    def run(self, body: str) -> Any:
        """Run the body of a function in the page, and give what it returns, as JSON has it."""

    @abstractmethod
    def act(self, kind: str, *actions: dict[str, Any]) -> None:
        """Act with a "key", the "pointer" or the "wheel"."""

    @abstractmethod
    def shot(self) -> bytes:
        """Give what the window shows, as a PNG."""

    @abstractmethod
    def resize(self, width: int, height: int) -> None:
        """Make the page so large, or as small as the browser's window can be."""

    @abstractmethod
    def hide(self) -> None:
        """Put the page where nobody sees it."""

    @abstractmethod
    def show(self) -> None:
        """Put it back."""

    def said(self) -> list[str]:
        """Tell what went wrong in the page since it was opened."""
        return list(self.run("return window.said ?? []"))

    def down(self, *keys: str) -> None:
        self._keys |= set(keys)
        self.act("key", *({"type": "keyDown", "value": KEYS.get(key, key)} for key in keys))

    def up(self, *keys: str) -> None:
        self._keys -= set(keys)
        self.act("key", *({"type": "keyUp", "value": KEYS.get(key, key)} for key in keys))

    def press(self, *keys: str) -> None:
        """Press a chord, and let go of it."""
        self.down(*keys)
        self.up(*reversed(keys))

    def type(self, text: str) -> None:
        self.act("key", *({"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")))

    def move(self, x: float, y: float) -> None:
        self.act("pointer", {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0})

    def hold(self, button: int = 0) -> None:
        self._buttons.add(button)
        self.act("pointer", {"type": "pointerDown", "button": button})

    def let_go(self, button: int = 0) -> None:
        self._buttons.discard(button)
        self.act("pointer", {"type": "pointerUp", "button": button})

    def let_go_of_all(self) -> None:
        """Leave nothing down for who comes next: browsers keep that for longer than a page."""
        self.up(*self._keys)
        for button in tuple(self._buttons):
            self.let_go(button)

    def click(self, x: float, y: float, button: int = 0) -> None:
        self.move(x, y)
        self.hold(button)
        self.let_go(button)

    def turn(self, x: float, y: float, right: int, down: int) -> None:
        """Turn the wheels there, by pixels."""
        place = {"x": round(x), "y": round(y), "duration": 0}
        self.act("wheel", {"type": "scroll", "deltaX": right, "deltaY": down, **place})

    def click_on(self, selector: str) -> None:
        """Click an element, once it is shown."""
        self.click(*self._place(f"const element = document.querySelector({json.dumps(selector)});", selector))

    def click_button(self, name: str) -> None:
        """Click the button with this text or title, once it is shown."""
        self.click(*self._place(f"const wanted = {json.dumps(name)}; {FIND}", f"the button {name!r}"))

    def _place(self, find: str, what: str) -> tuple[float, float]:
        """Return where an element is, once it stands still: what is loaded above it moves it."""
        seen: list[Any] = [None]

        def look() -> tuple[float, float] | None:
            seen.append(self.run(find + PLACE))
            return (seen[-1][0], seen[-1][1]) if seen[-1] and seen[-1] == seen[-2] else None

        return eventually(look, f"{what} to stand still", pause=0.1)

    def fill(self, selector: str, text: str) -> None:
        """Type a text into an empty field."""
        self.click_on(selector)
        self.type(text)

    def text(self, selector: str) -> str:
        return str(self.run(f"return document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    def is_shown(self, selector: str) -> bool:
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return bool(self.run(f"return {found}.some({SHOWN})"))

    def focused(self) -> str:
        """Tell the id of the element that has the focus."""
        return str(self.run("return document.activeElement?.id ?? ''"))


class Browser(ABC):
    """One that runs.

    :param folder: its own, where what it saves is found
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def tab(self) -> AbstractContextManager[Tab]:
        """Open an empty page of somebody who was never here."""
