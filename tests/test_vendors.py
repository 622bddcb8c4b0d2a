"""The vendor's way: what `kvmd new` makes, and the examples, where kvmd is installed from its wheel.

All share one environment, which has nothing of the checkout: kvmd comes from the wheel, what it needs from here.
"""

import http.client
import importlib
import json
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kvmd.scaffold.making import make
from tests import wheels
from tests.process import Served, served
from tests.waiting import eventually

ROOT = Path(__file__).parents[1]
EXAMPLES = ("netcam", "picotype")
OFFLINE = ("--no-index", "--no-build-isolation")
"""What tests add to pip's command line: nothing comes from anywhere but this machine."""


class Clean:
    """An environment.

    :param folder: where it is made, and where its commands run
    :param wheel: kvmd's
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", symlinks=True)
        self.python = str(folder / "venv/bin/python")
        site = Path(self.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (site / "others.pth").write_text("".join(f"{sysconfig.get_path(name)}\n" for name in ("purelib", "platlib")))
        self.pip("install", "--no-deps", "--ignore-installed", str(wheel))

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Run a program of the environment; return what it says."""
        ran = subprocess.run(
            [self.folder / "venv/bin" / program, *arguments],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == code, ran.stdout
        return ran.stdout

    def pip(self, command: str, *arguments: str) -> None:
        self.run("python", "-m", "pip", command, *OFFLINE, "--quiet", "--no-compile", *arguments)

    def pytest(self, *arguments: str) -> str:
        return self.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)


def _environment() -> Mapping[str, str]:
    """Return the environment without what points at the checkout, and with none of pytest's plug-ins but its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PYTEST_"))}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Clean:
    return Clean(tmp_path_factory.mktemp("clean"), wheel)


@pytest.fixture(scope="module")
def examples(clean: Clean, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The environment with the wheels of the examples, which are built from copies."""
    folder = tmp_path_factory.mktemp("examples")
    sources = [Path(shutil.copytree(ROOT / "plugins/examples" / name, folder / name)) for name in EXAMPLES]
    clean.pip("install", *map(str, wheels.build(folder, *sources)))
    return clean


def test_three_commands(clean: Clean) -> None:
    """From nothing to a driver that passes the suite; pip's alone has more words here, to stay on this machine."""
    said = clean.run("kvmd", "new", "driver", "acme")
    assert "pip install -e ./acme'[test]'\n  pytest acme\n" in said
    assert (clean.folder / "acme/.github/workflows/test.yml").exists()
    clean.pip("install", "-e", "./acme[test]")
    said = clean.pytest("acme")
    assert " passed" in said
    assert "failed" not in said
    assert clean.run("kvmd", "drivers", "acme").startswith("acme  [capture]  Acme's capture device.\n")
    assert "acme/kvmd_acme/acme.toml: acme is in order" in clean.run(
        "kvmd", "boards", "check", "acme/kvmd_acme/acme.toml"
    )
    assert "is taken by kvmd" in clean.run("kvmd", "new", "driver", "acme", code=1)


def test_all_kinds(clean: Clean) -> None:
    kinds = {
        "my_pad": ("driver", "hid"),
        "my_panel": ("driver", "power"),
        "my_box": ("board", ""),
        "my_log": ("plugin", ""),
    }
    for name, (kind, role) in kinds.items():
        make(kind, role, name, clean.folder)
    clean.pip("install", *(word for name in kinds for word in ("-e", f"./{name}[test]")))
    assert " passed" in clean.pytest(*kinds)
    assert "cannot be loaded" not in clean.run("kvmd", "drivers")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_pass_the_suite(examples: Clean, tmp_path: Path, name: str) -> None:
    shutil.copy(ROOT / f"plugins/examples/{name}/test_{name}.py", tmp_path)
    said = examples.pytest(str(tmp_path))
    assert " passed" in said


def test_a_board_of_both(examples: Clean) -> None:
    board = ROOT / "plugins/examples/netcam/kvmd_netcam/camera-and-pico.toml"
    said = examples.run("kvmd", "boards", "check", str(board))
    assert 'it is taken where it is named: board = "camera-and-pico"' in said
    assert "\n  capture: netcam\n  hid: no hid device for picotype is plugged in\n" in said
    assert "\ncamera-and-pico  A network camera, and a Pico that types\n" in examples.run("kvmd", "boards")


class TestDaemon:
    """The examples in a daemon, each with its simulator at the other end."""

    @pytest.fixture
    def camera(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        with _simulator(monkeypatch, "netcam").Simulator("kvm:secret") as camera:
            yield camera

    @pytest.fixture
    def chip(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        with _simulator(monkeypatch, "picotype").Simulator() as chip:
            yield chip

    @pytest.fixture
    def daemon(self, examples: Clean, tmp_path: Path, camera: Any, chip: Any) -> Iterator[Served]:
        options = {
            "capture": f'options = {{ url = "{camera.url}", user = "kvm", password = "secret" }}\n',
            "hid": f'options = {{ device = "{chip.path}" }}\n',
        }
        roles = {"capture": "netcam", "hid": "picotype"}
        with served(tmp_path, roles=roles, more=options, python=examples.python, environment=_environment()) as daemon:
            daemon.wait("READY=1")
            yield daemon

    def test_the_picture_is_seen_and_the_keys_arrive(self, daemon: Served, camera: Any, chip: Any) -> None:
        def state(role: str) -> str:
            return str(daemon.status()[role]["state"])

        eventually(lambda: state("capture") == state("hid") == "online", "both to be online")
        assert daemon.status()["capture"]["device"] == "network camera 127.0.0.1"
        assert daemon.ask("GET", "/snapshot", port=1) == (http.client.OK, camera.picture)
        code, body = daemon.ask("POST", "/keyboard", {"keycodes": ["ControlLeft", "KeyA"]})
        assert (code, json.loads(body)["status"]) == (http.client.OK, 1)
        eventually(lambda: chip.keys and chip.keys[-1] == (), "the keys to be up")
        assert (4,) in chip.keys
        chip.host = False
        eventually(lambda: state("hid") == "no signal", "the host to be gone")


def _simulator(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    monkeypatch.syspath_prepend(ROOT / "plugins/examples" / name)
    return importlib.import_module(f"kvmd_{name}.simulator")
