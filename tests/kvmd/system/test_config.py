"""Structs out of TOML: every mistake in options is named; structs and values in words."""

import datetime
import enum
import math
import tomllib
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from kvmd.contract.capture import CaptureDriver
from kvmd.contract.device import DeviceOptions, DriverOptions
from kvmd.contract.hid import HidDriver
from kvmd.errors import ConfigError
from kvmd.plugins.registry import Registry
from kvmd.system.config import (
    HIDDEN,
    Option,
    convert,
    markdown_table,
    options_of,
    secrets_in,
    toml_value,
    without_secrets,
)

PART = Annotated[int, Meta(ge=1)]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    depth: int = 0


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One option of each kind that a driver may have."""

    size: int
    flag: bool = False
    limit: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    part: Annotated[PART | None, Meta(description="A part.")] = None
    colour: Colour | None = None
    mode: Literal["slow", "fast"] = "slow"
    code: Annotated[str, Meta(pattern="^[0-9]+$", max_length=4)] = "0"
    names: Annotated[list[str], Meta(description="Some.")] = msgspec.field(default_factory=list)
    places: tuple[int, ...] = ()
    table: dict[str, int] = msgspec.field(default_factory=dict)
    inner: Inner = msgspec.field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.flag and self.part:
            raise ValueError("flag and part exclude each other: set one")


def message(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*args)
    return str(raised.value)


class TestMistakesInOptions:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, "hid.options.size is missing; accepted: whole number"),
            ({"size": 1.5}, "hid.options.size = 1.5 cannot be used; accepted: whole number"),
            ({"size": 1, "flag": 1}, "hid.options.flag = 1 cannot be used; accepted: true or false"),
            ({"size": 1, "limit": 1}, "hid.options.limit = 1 cannot be used; accepted: number (above 0, below 1)"),
            (
                {"size": 1, "part": 0},
                "hid.options.part = 0 cannot be used; accepted: whole number (at least 1) or not set",
            ),
            (
                {"size": 1, "colour": "green"},
                'hid.options.colour = "green" cannot be used; accepted: one of "red", "blue" or not set',
            ),
            ({"size": 1, "mode": 7}, 'hid.options.mode = 7 cannot be used; accepted: one of "slow", "fast"'),
            (
                {"size": 1, "code": "x"},
                'hid.options.code = "x" cannot be used; accepted: text (at most 4 long, as `^[0-9]+$`)',
            ),
            ({"size": 1, "places": ["a"]}, 'hid.options.places = ["a"] cannot be used; accepted: list of whole number'),
            ({"size": 1, "table": {"a": "b"}}, 'hid.options.table = { a = "b" } cannot be used; accepted: table'),
            (
                {"size": 1, "inner": {"depth": "deep"}},
                'hid.options.inner.depth = "deep" cannot be used; accepted: whole number',
            ),
            ({"size": 1, "inner": {"width": 1}}, "hid.options.inner.width is not known; there are: depth"),
            ({"size": 1, "inner": 2}, "hid.options.inner = 2 cannot be used; accepted: a table [hid.options.inner]"),
            ({"size": 1, "flag": True, "part": 1}, "hid.options: flag and part exclude each other: set one"),
        ],
    )
    def test_are_named(self, given: dict[str, object], expected: str) -> None:
        assert message(convert, given, Shape, "kvmd.toml", "hid.options.") == f"kvmd.toml: {expected}"

    def test_of_a_driver_without_options(self) -> None:
        said = message(convert, {"speed": 1}, DriverOptions, "kvmd.toml", "hid.options.")
        assert said == "kvmd.toml: hid.options.speed is not known; there are: no options"

    def test_device_options_can_be_given(self) -> None:
        options = convert({"usb_id": "534d:2109"}, DeviceOptions, "kvmd.toml")
        assert options == DeviceOptions(usb_id="534d:2109")

    def test_wrong_usb_id(self) -> None:
        said = message(convert, {"usb_id": "534D"}, DeviceOptions, "kvmd.toml", "capture.options.")
        assert said.startswith('kvmd.toml: capture.options.usb_id = "534D" cannot be used; accepted: text (as ')


class TestOptions:
    @pytest.mark.parametrize("driver", Registry().drivers, ids=lambda driver: f"{driver.__name__}")
    def test_every_option_of_every_driver_has_a_help_text(self, driver: type[CaptureDriver] | type[HidDriver]) -> None:
        assert [option.key for option in options_of(driver.Options) if not option.help.endswith(".")] == []

    def test_types_in_words(self) -> None:
        assert {option.key: option.type for option in options_of(Shape)} == {
            "size": "whole number",
            "flag": "true or false",
            "limit": "number (above 0, below 1)",
            "part": "whole number (at least 1) or not set",
            "colour": 'one of "red", "blue" or not set',
            "mode": 'one of "slow", "fast"',
            "code": "text (at most 4 long, as `^[0-9]+$`)",
            "names": "list of text",
            "places": "list of whole number",
            "table": "table",
            "inner.depth": "whole number",
        }

    def test_defaults_and_help(self) -> None:
        options = {option.key: option for option in options_of(Shape, "x.")}
        assert options["x.part"] == Option("x.part", "whole number (at least 1) or not set", None, "A part.")
        assert options["x.names"].default == []
        assert options["x.size"].default is msgspec.NODEFAULT

    def test_table(self) -> None:
        rows = markdown_table([Option("a", "text", "b", "C."), Option("d", "text or not set", None, "E.")])
        assert rows.splitlines() == [
            "| option | type | default | meaning |",
            "|---|---|---|---|",
            '| `a` | text | `"b"` | C. |',
            "| `d` | text or not set | `not set` | E. |",
        ]


class TestTomlValue:
    @pytest.mark.parametrize(
        "value",
        [
            True,
            0,
            -7,
            1.0,
            1e300,
            5e-324,
            math.inf,
            "",
            'quotes " and \\ and \n and \t and \x00 and \x7f and \u2028 and ü and 🖥',
            [],
            [1, 2],
            ["a", ["b"]],
            {},
            {"a": 1},
            {"a b": {"c.d": [{"é": "f"}], "": False}},
            datetime.date(2020, 1, 2),
            datetime.time(3, 4, 5),
            datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        ],
    )
    def test_is_read_back(self, value: object) -> None:
        assert tomllib.loads(f"value = {toml_value(value)}")["value"] == value

    def test_not_a_number_is_read_back(self) -> None:
        assert math.isnan(tomllib.loads(f"value = {toml_value(math.nan)}")["value"])

    def test_tuples_and_enums(self) -> None:
        assert toml_value((1, 2)) == "[1, 2]"
        assert toml_value(Colour.RED) == '"red"'

    def test_none(self) -> None:
        assert toml_value(None) == "not set"


def test_the_secrets_of_a_table_are_those_that_are_hidden() -> None:
    given = {
        "broker": {"auth_token": "a", "url": "b"},
        "targets": [{"api-key": "c"}, {"name": "d"}],
        "credentials": {"user": "e", "more": ["f", 7]},
        "secure_on": "g",
    }
    shown = {
        "broker": {"auth_token": HIDDEN, "url": "b"},
        "targets": [{"api-key": HIDDEN}, {"name": "d"}],
        "credentials": HIDDEN,
        "secure_on": HIDDEN,
    }
    assert without_secrets(given, {"secure_on"}) == shown
    assert sorted(secrets_in(given, {"secure_on"})) == ["7", "a", "c", "e", "f", "g"]
