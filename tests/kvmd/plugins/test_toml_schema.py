"""The schemas for editors: what kvmd takes they take, and what it refuses they refuse.

They are read by the library by which taplo, and with it Even Better TOML, reads them.
"""

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema_rs import Draft7Validator, meta

from kvmd.contract.board import Board
from kvmd.contract.settings import Settings
from kvmd.plugins.registry import Registry
from kvmd.plugins.toml_schema import toml_schema

ROOT = Path(__file__).parents[3]
BOARDS = sorted(ROOT.glob("plugins/boards/*.toml"))
DRIVERS = Registry().drivers


SCHEMAS = {shape: toml_schema(shape, DRIVERS) for shape in (Board, Settings)}


@pytest.fixture(scope="module")
def board() -> Draft7Validator:
    return Draft7Validator(SCHEMAS[Board])


@pytest.fixture(scope="module")
def settings() -> Draft7Validator:
    return Draft7Validator(SCHEMAS[Settings])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema["title"])
def test_they_are_schemas(schema: dict[str, object]) -> None:
    meta.validate(schema)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_bundled_boards_fit(board: Draft7Validator, path: Path) -> None:
    board.validate(tomllib.loads(path.read_text()))


def test_the_settings_that_are_installed_fit(settings: Draft7Validator) -> None:
    every = re.sub(r"(?m)^# (\w+ = )", r"\1", (ROOT / "etc/kvmd.toml").read_text())
    assert tomllib.loads(every)["web"]["listen"] == ["[::]:80"]
    settings.validate(tomllib.loads(every))


@pytest.mark.parametrize(
    "wrong",
    [
        'titel = "Acme"',
        "by_name = 1",
        'known_by = { usb = ["534D:2109"] }',
        'capture = { driver = "none" }',
        'capture = { driver = "ch9329" }',
        'capture = { driver = "v4l2", options = { lanes = 2 } }',
        "capture = { options = { no_such = 2 } }",
        'capture = { driver = "v4l2", quality = 80 }',
    ],
)
def test_wrong_boards(board: Draft7Validator, wrong: str) -> None:
    assert not board.is_valid(tomllib.loads(f'name = "acme"\ntitle = "Acme"\n{wrong}'))


@pytest.mark.parametrize(
    "right", ["", 'capture = { driver = "v4l2", options = { usb_id = "534d:2109" } }', "capture.options.lanes = 2"]
)
def test_right_boards(board: Draft7Validator, right: str) -> None:
    assert board.is_valid(tomllib.loads(f'name = "acme"\ntitle = "Acme"\n{right}'))


@pytest.mark.parametrize("wrong", ["capture.quality = 0", "web.port = 80", 'hid = { driver = "v4l2" }', "x = 1"])
def test_wrong_settings(settings: Draft7Validator, wrong: str) -> None:
    assert not settings.is_valid(tomllib.loads(wrong))


@pytest.mark.parametrize("right", ["capture.quality = 50", "plugins.acme.x = 1", 'hid.driver = "ch9329"'])
def test_right_settings(settings: Draft7Validator, right: str) -> None:
    assert settings.is_valid(tomllib.loads(right))


def test_all_is_described() -> None:
    board = SCHEMAS[Board]
    for table in (board, board["definitions"]["KnownBy"]):
        bare = [name for name, field in table["properties"].items() if not field.get("description", "$ref" in field)]
        assert bare == []
    v4l2 = board["definitions"]["V4l2Options"]["properties"]
    assert v4l2["usb_id"]["description"] == "USB vendor and product, as `lsusb` shows."


def test_drivers_are_completed() -> None:
    names = SCHEMAS[Settings]["properties"]["hid"]["properties"]["driver"]["enum"]
    assert names[0] == "auto"
    assert {"ch9329", "usb_gadget"} <= set(names)


def test_no_all_of() -> None:
    """Some versions of Even Better TOML end on it."""
    assert "allOf" not in str(SCHEMAS)
