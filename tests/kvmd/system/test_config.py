"""Settings: every mistake is named with its file, key, value and what is accepted; what is shown is what holds."""

import datetime
import enum
import math
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from kvmd.contract import settings as sections
from kvmd.contract.capture import CaptureDriver
from kvmd.contract.device import DeviceOptions, DriverOptions
from kvmd.contract.hid import HidDriver
from kvmd.contract.settings import CaptureSettings, Settings, load, source_of
from kvmd.errors import ConfigError
from kvmd.plugins.registry import Registry
from kvmd.system.config import Option, convert, markdown_table, options_of, toml_value, value_of

BOUNDED = "whole number (at least 1, at most 100)"
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


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a settings file and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "kvmd.toml"
        path.write_text(text)
        return path

    return write


def message(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(ConfigError) as raised:
        call(*args)
    return str(raised.value)


class TestMistakesInTheFile:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("foo = 1", "foo is not known; there are: auth, board, capture, hid, plugins, power, web"),
            ("[web]\nport = 80", "web.port is not known; there are: listen, video_listen"),
            ("[web.listen]\na = 1", "web.listen = { a = 1 } cannot be used; accepted: list of text"),
            ("board = 3", "board = 3 cannot be used; accepted: text"),
            ("capture = 3", "capture = 3 cannot be used; accepted: a table [capture]"),
            ("[capture]\ndriver = true", "capture.driver = true cannot be used; accepted: text"),
            ("[capture]\noptions = 3", "capture.options = 3 cannot be used; accepted: table"),
            ('[capture]\nquality = "high"', f'capture.quality = "high" cannot be used; accepted: {BOUNDED}'),
            ("[capture]\nquality = 0", f"capture.quality = 0 cannot be used; accepted: {BOUNDED}"),
            ("[capture]\nquality = 101", f"capture.quality = 101 cannot be used; accepted: {BOUNDED}"),
            ("[capture]\nquality = 2020-01-01", f"capture.quality = 2020-01-01 cannot be used; accepted: {BOUNDED}"),
            (
                "[hid]\nhold_timeout = nan",
                "hid.hold_timeout = nan cannot be used; accepted: number (above 0, at most 3600)",
            ),
            ("[plugins]\nacme = 1", "plugins = { acme = 1 } cannot be used; accepted: table"),
            ('[web]\nlisten = "[::]:80"', 'web.listen = "[::]:80" cannot be used; accepted: list of text'),
            ("[web]\nlisten = [80]", "web.listen = [80] cannot be used; accepted: list of text"),
            (
                '[auth]\nopen = ["keys"]',
                'auth.open = ["keys"] cannot be used; accepted: list of one of "stream", "snapshot", "keyboard", '
                '"mouse", "status", "devices"',
            ),
        ],
    )
    def test_are_named(self, write: Callable[[str], Path], text: str, expected: str) -> None:
        path = write(text)
        assert message(load, path) == f"{path}: {expected}"

    def test_not_toml(self, write: Callable[[str], Path]) -> None:
        path = write("[capture\n")
        assert message(load, path).startswith(f"{path}: not TOML: ")

    def test_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "kvmd.toml"
        path.write_bytes(b'name = "\xff"')
        assert message(load, path).startswith(f"{path}: not TOML: ")

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        assert message(load, path) == f"{path}: cannot be read: No such file or directory"

    def test_unreadable(self, tmp_path: Path) -> None:
        assert message(load, tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


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


class TestLoad:
    def test_defaults(self, write: Callable[[str], Path]) -> None:
        settings = load(write(""))
        assert settings == Settings()
        assert (settings.capture.driver, settings.hid.driver) == ("auto", "auto")
        assert settings.web.listen == ["[::]:80"]
        assert settings.web.video_listen == ["[::]:8008"]
        assert settings.auth.open == []

    def test_without_a_default_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", tmp_path / "kvmd.toml")
        assert load(None) == Settings()

    def test_with_a_default_file(self, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", write("[capture]\nquality = 50"))
        assert load(None).capture.quality == 50

    def test_the_example_of_the_documentation(self, write: Callable[[str], Path]) -> None:
        settings = load(
            write('[capture]\noptions = { device = "/dev/video0" }\n[auth]\nopen = ["stream", "snapshot"]\n')
        )
        assert settings.capture.options == {"device": "/dev/video0"}
        assert settings.auth.open == ["stream", "snapshot"]

    def test_settings_cannot_change(self) -> None:
        with pytest.raises(AttributeError):
            Settings().capture.quality = 1  # type: ignore[misc]  # mypy sees it, too


class TestOptions:
    def test_settings_are_listed_in_their_order(self) -> None:
        assert [option.key for option in options_of(Settings)] == [
            "board",
            "capture.driver",
            "capture.options",
            "capture.quality",
            "hid.driver",
            "hid.options",
            "hid.hold_timeout",
            "power.driver",
            "power.options",
            "power.short_press",
            "power.long_press",
            "web.listen",
            "web.video_listen",
            "auth.open",
            "auth.file",
            "auth.token_lifetime",
            "plugins",
        ]

    def test_every_setting_has_a_help_text(self) -> None:
        assert [option.key for option in options_of(Settings) if not option.help.endswith(".")] == []

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

    def test_values(self) -> None:
        settings = Settings(capture=CaptureSettings(quality=7))
        values = {option.key: value_of(settings, option) for option in options_of(Settings)}
        assert values["capture.quality"] == 7
        assert values["web.listen"] == ["[::]:80"]

    def test_sources(self, write: Callable[[str], Path]) -> None:
        path = write("[capture]\nquality = 80\noptions = {}\n[auth]\nopen = []")
        sources = {option.key: source_of(path, option) for option in options_of(Settings)}
        given = {key for key, source in sources.items() if source == str(path)}
        assert given == {"capture.quality", "capture.options", "auth.open"}
        assert {source for key, source in sources.items() if key not in given} == {"default"}

    def test_source_without_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sections, "DEFAULT_PATH", tmp_path / "none.toml")
        assert source_of(None, next(options_of(Settings))) == "default"

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


def test_the_file_that_is_installed_shows_the_defaults(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "etc" / "kvmd.toml"
    path = tmp_path / "kvmd.toml"
    path.write_text(re.sub(r"(?m)^# (\w+ = )", r"\1", shipped.read_text()))
    assert load(shipped) == load(path) == Settings()
    given = tomllib.loads(path.read_text())
    sections = {f"{name}.{key}" for name, section in given.items() if isinstance(section, dict) for key in section}
    # The tables of plug-ins are theirs, and have no defaults here.
    assert sections | {name for name, value in given.items() if not isinstance(value, dict)} == {
        option.key for option in options_of(Settings)
    } - {"plugins"}
