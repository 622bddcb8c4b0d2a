"""Text through the gadget: each character of a layout is typed, and read at the host as its desktop would read it."""

from collections.abc import Callable, Iterator

import pytest

from kvmd.input.keymap import KEYS
from kvmd.input.layout import CONTROLS, LEVELS, load
from tests import layouts, xkb

from .daemon import Daemon
from .host_input import HostKeyboard
from .typist import NAME
from .waiting import eventually

LAYOUTS = ["us", "us(intl)", "gb", "de", "fr", "ch(fr)", "es", "it", "jp", "br", "tr", "de(mac)"]
BATCH = 100
"""Characters of one request."""
MODIFIERS = {KEYS[name].evdev for held in LEVELS for name in held}

Host = Callable[..., HostKeyboard]


@pytest.fixture
def desktop(request: pytest.FixtureRequest) -> Iterator[xkb.Keyboard]:
    keyboard = xkb.Keyboard(*request.param.removesuffix(")").split("("))
    yield keyboard
    keyboard.close()


def test_the_tables_are_those_that_are_made() -> None:
    assert layouts.version() == layouts.kept_version()
    assert layouts.differing() == [], "run: make layouts, where xkb-data and libx11-data are Debian 13's"


@pytest.mark.parametrize(("layout", "desktop"), [(name, name) for name in LAYOUTS], indirect=["desktop"])
def test_each_character_of_a_layout_arrives_as_itself(
    typist: Daemon, host_keyboard: Host, layout: str, desktop: xkb.Keyboard
) -> None:
    host = host_keyboard(NAME, grab=True)
    every = [text for text in load(layout).chords if text not in CONTROLS]
    for begin in range(0, len(every), BATCH):
        text = "".join(every[begin : begin + BATCH])
        host.clear()
        answer = typist.request("POST", "/api/text", {"text": text, "layout": layout, "delay": 0})
        assert answer.code == 200, answer
        wait_for_strokes(host, sum(len(load(layout).chords[each]) for each in text))
        assert desktop.text(host.presses()) == text


def wait_for_strokes(host: HostKeyboard, strokes: int) -> None:
    """Wait until so many keys went down beside modifiers, and all are up again."""

    def has_come() -> bool:
        presses = host.presses()
        downs = [code for code, value in presses if value == xkb.DOWN]
        return len(presses) == 2 * len(downs) and sum(code not in MODIFIERS for code in downs) >= strokes

    eventually(has_come, f"{strokes} keys, and all of them up")
