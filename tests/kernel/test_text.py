"""Text through the gadget: each character of a layout is typed, and read at the host as its desktop would read it.

Text, keyboard and driver are the daemon's own, in this process: the rest of the way, which is the same for each
character, takes most of the time where all is emulated. test_typing.py has a text that goes all the way.
"""

from collections.abc import Callable, Iterator

import pytest

from kvmd.input.holders import Holders
from kvmd.input.keyboard import Keyboard
from kvmd.input.layout import CONTROLS, load
from kvmd.input.text import Text, TextWish
from kvmd.input.turn import Turn
from kvmd_drivers.usb_gadget import UsbGadget, UsbGadgetOptions, gadget
from tests import xkb

from .dummy_hcd import DummyHcd
from .host_input import HostKeyboard
from .waiting import eventually, patience

NAME = "Keyboard and mouse"
"""The gadget's own string, by which the host calls its inputs."""
LAYOUTS = ["us", "us(intl)", "gb", "de", "fr", "ch(fr)", "es", "it", "jp", "br", "tr", "de(mac)"]

Host = Callable[..., HostKeyboard]


@pytest.fixture(scope="module")
def text(units_masked: None) -> Iterator[Text]:  # noqa: ARG001  # it comes first
    """Types through a gadget on the cable."""
    controller = DummyHcd()
    controller.load()
    gadget.load_modules()
    gadget.up(gadget.Plan())
    driver = UsbGadget(UsbGadgetOptions(timeout=4), None)
    driver.open()
    eventually(lambda: driver.status().host_connected, "the host to accept the gadget")
    keyboard = Keyboard(driver.send, lambda: driver.capabilities, Holders(lambda _: True, patience(), Turn()))
    yield Text(keyboard, lambda: driver.status().leds, "us")
    driver.close()
    gadget.down(gadget.Plan().name)
    controller.unload()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_character_of_a_layout_arrives_as_itself(text: Text, host_keyboard: Host, layout: str) -> None:
    host = host_keyboard(NAME, grab=True)
    desktop = xkb.Keyboard(*layout.removesuffix(")").split("("))
    every = [each for each in load(layout).chords if each not in CONTROLS]
    report = text.type(text.prepare(TextWish("".join(every), layout, delay=0)), "the test")
    assert report.typed == report.length == len(every)
    host.wait_for_strokes(sum(len(load(layout).chords[each]) for each in every))
    assert [*desktop.text(host.presses())] == every
    desktop.close()
