"""New packages: complete, under their names, and never over what is there. tests/test_vendors.py installs them."""

import tomllib
from pathlib import Path

import pytest

from kvmd.errors import RequestError
from kvmd.scaffold.making import KINDS, MAX_NAME, ROLES, TEMPLATES, check_name, make


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_every_template_is_of_a_kind_or_role() -> None:
    folders = {path.name for path in TEMPLATES.iterdir() if path.is_dir()}
    assert folders == {"package", *KINDS, *ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_complete(tmp_path: Path, kind: str, role: str) -> None:
    made = contents(make(kind, role, "my_cam", tmp_path / "new"))
    needed = {"pyproject.toml", "README.md", ".github/workflows/test.yml", "kvmd_my_cam/__init__.py"}
    boards = set() if kind == "plugin" else {"kvmd_my_cam/my_cam.toml"}
    assert needed | {"tests/test_my_cam.py"} | boards <= made.keys()
    assert [name for name, text in made.items() if "acme" in (name + text).lower()] == []
    project = tomllib.loads(made["pyproject.toml"])["project"]
    assert (project["name"], project["entry-points"]["kvmd"]) == ("kvmd-my-cam", {"my_cam": "kvmd_my_cam"})
    for name, text in made.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    assert kind != "driver" or "class MyCam" in made["kvmd_my_cam/__init__.py"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "cam").mkdir()
    with pytest.raises(RequestError, match="cam is there already; choose another name"):
        make("board", "", "cam", tmp_path)
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        make("board", "", "cam", Path("/proc/none"))


@pytest.mark.parametrize(
    "name", ["", "Cam", "my-cam", "1cam", "_cam", "cam_", "cäm", "cam/../x", "cam\n", "c" * (MAX_NAME + 1)]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(RequestError, match="it begins with a small letter"):
        check_name(name, ())


@pytest.mark.parametrize("name", ["v4l2", "drivers"])
def test_names_that_are_taken(name: str) -> None:
    with pytest.raises(RequestError, match=r"is taken .*; choose another"):
        check_name(name, {"v4l2"})


def test_names() -> None:
    for name in ("a", "my_cam2", "c" * MAX_NAME):
        check_name(name, {"v4l2"})
