"""What drivers with buttons share: a press is held, and released whatever happens."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from kvmd import DeviceLost, DriverError, Press


class Button:
    """A button that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_down = Event()

    def down(self) -> None:
        self.done.append("down")
        self.is_down.set()

    def up(self) -> None:
        self.done.append("up")


@pytest.fixture
def press() -> Press:
    press = Press()
    press.allow()
    return press


def test_a_button_goes_down_and_up_again(press: Press) -> None:
    button = Button()
    press.hold(0.01, button.down, button.up)
    press.hold(0.01, button.down, button.up)
    assert button.done == ["down", "up"] * 2


def test_the_end_releases_the_button_before_it_returns(press: Press) -> None:
    button = Button()
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(press.hold, 60, button.down, button.up)
        assert button.is_down.wait(60)
        press.end()
        assert button.done == ["down", "up"]
        with pytest.raises(DriverError, match="the press was cut short"):
            pressing.result()


def test_a_second_press_waits_for_the_first(press: Press) -> None:
    first, second = Button(), Button()
    with ThreadPoolExecutor() as pool:
        pressing = pool.submit(press.hold, 60, first.down, first.up)
        assert first.is_down.wait(60)
        waiting = pool.submit(press.hold, 60, second.down, second.up)
        press.end()
        for each in (pressing, waiting):
            with pytest.raises(DriverError):
                each.result()
    assert second.done == []


def test_a_button_that_fails_to_go_down_is_released(press: Press) -> None:
    button = Button()

    def fail() -> None:
        raise DeviceLost("pulled")

    with pytest.raises(DeviceLost, match="pulled"):
        press.hold(60, fail, button.up)
    assert button.done == ["up"]


def test_nothing_is_pressed_before_the_first_or_after_the_last() -> None:
    button, press = Button(), Press()

    def allow_and_end() -> None:
        press.allow()
        press.end()

    for end in (press.end, allow_and_end):
        end()
        with pytest.raises(DriverError, match="the driver is closed"):
            press.hold(0, button.down, button.up)
    assert button.done == []
    press.allow()
    press.hold(0, button.down, button.up)
    assert button.done == ["down", "up"]
