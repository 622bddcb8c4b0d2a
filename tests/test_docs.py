"""Documentation: what is made from code is up to date, every hook and route is described, links lead somewhere."""

import inspect
import re
import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType, ModuleType

import click
import pytest

from docs import generate, hooks
from kvmd.cli.main import cli
from kvmd.contract.capture import CaptureDriver
from kvmd.contract.hid import HidDriver
from kvmd.contract.settings import AuthSettings, CaptureSettings, HidSettings, Settings
from kvmd.kvm import Kvm
from kvmd.plugins import hookspecs
from kvmd.plugins.hookspecs import PROJECT
from kvmd.plugins.registry import Registry
from kvmd.web import create_app

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *DOCS]
HOOKS = hooks.hooks()
MADE = generate.outputs()


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_nothing_is_to_be_made_anew(path: Path) -> None:
    assert path.read_text() == MADE[path], "run `make docs`"


def test_running_the_generator_writes_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {path.relative_to(ROOT): text for path, text in MADE.items()}
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "etc").mkdir()
    (tmp_path / "docs/configuration.md").write_text("stale")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    generate.main()
    assert {path: (tmp_path / path).read_text() for path in expected} == expected


def test_a_fresh_marker_is_filled_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/v4l2.md"
    page.write_text("# v4l2\n\n<!-- options -->\n\n## After\n")
    drivers = [driver for driver in generate.bundled_drivers() if driver.name == "v4l2"]
    text = generate._with_options(page, drivers)
    assert text.startswith("# v4l2\n\n<!-- options -->\n\n| option |")
    assert text.endswith(" |\n\n<!-- /options -->\n\n## After\n")
    page.write_text(text)
    assert generate._with_options(page, drivers) == text


@pytest.mark.parametrize("driver", generate.bundled_drivers(), ids=lambda driver: driver.__name__)
def test_every_driver_has_a_page_with_its_options(driver: type[CaptureDriver] | type[HidDriver]) -> None:
    text = generate.page_of(driver).read_text()
    begin, end = map(text.index, generate.markers("options"))
    table = text[begin:end]
    assert all(f"| `{name}` |" in table for name in driver.Options.__struct_fields__)


@pytest.mark.parametrize("name", generate.PLUGINS)
def test_every_plugin_with_settings_has_a_page_with_them(name: str) -> None:
    text = (ROOT / f"docs/{name}.md").read_text()
    begin, end = generate.markers("options")
    table = text[text.index(begin) : text.index(end)]
    assert all(f"| `{option}` |" in table for option in generate.PLUGINS[name].__struct_fields__)
    assert f"[{name}]({name}.md)" in (ROOT / "docs/configuration.md").read_text()


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_stands_in_the_documentation_with_its_arguments(hook: FunctionType) -> None:
    arguments = ", ".join(inspect.signature(hook).parameters)
    assert f"`{hook.__name__}({arguments})`" in (ROOT / "docs/plugins.md").read_text()


@pytest.mark.parametrize("number", range(5))
def test_the_examples_of_plugins_load(number: int) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL)
    assert len(examples) == 5
    module = ModuleType("example")
    sys.modules[module.__name__] = module
    exec(compile(examples[number], "docs/plugins.md", "exec"), vars(module))
    registry = Registry([EntryPoint("example", module.__name__, PROJECT)])
    del sys.modules[module.__name__]
    pages_and_services = [*registry.blueprints(virtual_kvm()), *registry.services(virtual_kvm())]
    assert len([*registry.drivers, *registry.boards(), *pages_and_services, *registry.commands()]) == 1
    assert registry.broken == []


def test_there_are_hooks() -> None:
    assert {hook.__name__ for hook in HOOKS} == {name for name in vars(hookspecs) if name.startswith("kvmd_")}


def test_the_documentation_names_no_hook_that_is_none() -> None:
    named = set(re.findall(r"\bkvmd_[a-z_]+(?=\()", (ROOT / "docs/plugins.md").read_text()))
    assert named == {hook.__name__ for hook in HOOKS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match("[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_there_with_their_options(page: Path) -> None:
    blocks = re.findall(r"(?ms)^```sh$.*?^```$|^ {4}kvmd .*?$", page.read_text())
    lines = re.findall(r"(?m)^ *(?:sudo )?kvmd ([^|<>#\n…]+)", "\n".join(blocks))
    assert [(line, unknown) for line in lines if (unknown := _unknown(line.split()))] == []


def _unknown(words: list[str]) -> str | None:
    """Return the first word of a command line of ours that is neither a command nor an option there."""
    command: click.Command = cli
    for word in words:
        context = click.Context(command)
        if word.startswith("--"):
            options = [name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)]
            if word.partition("=")[0] not in options:
                return word
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
    return None


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_is_in_an_index(page: Path) -> None:
    listed = {ROOT / "docs/index.md"}
    for index in (each for each in DOCS if each.name == "index.md"):
        listed |= {index.parent / name for name in re.findall(r"(?m)^- \[.*?\]\((.*?)\)", index.read_text())}
    assert page in listed, "give it a line in docs/index.md, under the heading where somebody who needs it looks"


def _anchors(path: Path) -> set[str]:
    """Return the anchors that a forge gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def virtual_kvm() -> Kvm:
    settings = Settings(
        capture=CaptureSettings(driver="virtual"), hid=HidSettings(driver="virtual"), auth=AuthSettings(file="none")
    )
    return Kvm(settings, Registry())


def routes() -> list[tuple[str, str]]:
    app = create_app(virtual_kvm())
    return sorted(
        {
            (method, rule.rule)
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) & {"GET", "POST", "PUT", "DELETE"}
        }
    )


@pytest.mark.parametrize(("method", "rule"), routes())
def test_every_route_stands_in_the_api_reference(method: str, rule: str) -> None:
    path = re.sub("<.*?>", "NAME", rule)
    lines = [line for line in (ROOT / "docs/api.md").read_text().split("\n") if f"`{path}`" in line]
    assert any(re.search(rf"\b{method}\b", line) for line in lines), f"{method} {path} in no line of docs/api.md"


def test_the_api_reference_names_no_route_that_is_none() -> None:
    known = {re.sub("<.*?>", "NAME", rule) for _, rule in routes()}
    table = re.findall(r"^\| [A-Z, ]+ \| `(/[^`]*)` \|", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert set(table) == known
