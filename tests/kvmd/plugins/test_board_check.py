"""What is wrong in a board's file is told, with its line."""

from pathlib import Path

import pytest

from kvmd.errors import ConfigError
from kvmd.plugins.board_check import check_board
from kvmd.plugins.registry import Registry

RIGHT = """\
# a board
name = "acme"
title = "Acme KVM"

[known_by]
model = "Acme*"

[capture]
driver = "v4l2"
options = { usb_id = "534d:2109" }

[hid]
driver = "usb_gadget"

[power.options]
power_button = "GPIO23"
"""


def told(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "acme.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        check_board(path, Registry())
    return [line.removeprefix(str(path)) for line in str(raised.value).split("\n")]


def test_a_board_that_is_right(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(RIGHT.replace("[power.options]", '[power]\ndriver = "gpio"\n[power.options]'))
    assert check_board(path, Registry()).name == "acme"


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("title", "titel", ":3: titel is not known; there are: by_name, capture, hid, known_by, name, power, title"),
        ('title = "Acme KVM"\n', "", ": title is missing; accepted: text"),
        ('"acme"', "7", ":2: name = 7 cannot be used; accepted: text"),
        ('"Acme*"', "true", ":6: known_by.model = true cannot be used; accepted: text or not set"),
        ("model", "modell", ":6: known_by.modell is not known; there are: chip, compatible, model, product, usb"),
        ('[known_by]\nmodel = "Acme*"\n', "", ": known_by is missing; say how the board is recognised, or"),
        ('"534d', '"534D', ':10: capture.options.usb_id = "534D:2109" cannot be used; accepted: text (as'),
        ("usb_id", "usbid", ":10: capture.options.usbid is not known; there are: "),
        ('driver = "usb_gadget"', 'driver = "gadget"', ':13: hid.driver = "gadget" cannot be used; accepted: "auto"'),
        ("[hid]", "[hid", ": not TOML: Expected ']' at the end of a table declaration (at line 12, column 5)"),
    ],
)
def test_what_is_wrong(tmp_path: Path, right: str, wrong: str, expected: str) -> None:
    assert right in RIGHT
    assert told(tmp_path, RIGHT.replace(right, wrong, 1))[0].startswith(expected)


def test_all_that_is_wrong_with_drivers_is_told_at_once(tmp_path: Path) -> None:
    wrong = RIGHT.replace("usb_gadget", "gadget").replace("power_button", "button").replace("v4l2", "v")
    lines = told(tmp_path, wrong.replace("[power.options]", '[power]\ndriver = "gpio"\n\n[power.options]'))
    assert [line.split(" ")[0] for line in lines] == [":9:", ":13:", ":19:"]


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        check_board(path, Registry())
