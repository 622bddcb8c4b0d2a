"""The contract's reference, docs/contract/: everything that ``kvmd`` promises, from its docstrings and signatures."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import NamedTuple

import kvmd
from docs.docstrings import attribute_words, parse
from docs.shapes import class_section, function_section, table

FACE = "kvmd"
"""What authors of drivers and plug-ins import: its own imports say which names of which modules are promised."""

INDEX = """\
# The contract

What a driver or a plug-in imports from `kvmd`, and what it may count on: `from kvmd import CaptureDriver, hookimpl`.
Nothing else is promised to stay. These pages are made from the code. [Plug-ins](../plugins.md) shows how it is used,
[hooks](../hooks.md) when kvmd calls what, and the [conformance suite](../testing.md) checks drivers against it.
"""


class Page(NamedTuple):
    """A page of the reference.

    :param modules: whose names it has
    :param intro: what it begins with; empty: what the first module's docstring says
    :param face: the package that promises the names; empty: they are shown for those who meet them
    """

    name: str
    title: str
    modules: tuple[str, ...]
    intro: str = ""
    face: str = FACE


PAGES = (
    Page("driver", "Every driver", ("kvmd.contract.driver", "kvmd.system.memory")),
    Page(
        "device",
        "Devices and options",
        ("kvmd.contract.device",),
        "What is plugged in, as udev knows it, and how a driver says what it is for.",
    ),
    Page("capture", "Capture drivers", ("kvmd.contract.capture",)),
    Page("hid", "HID drivers", ("kvmd.contract.hid", "kvmd.input.keymap")),
    Page("power", "Power drivers", ("kvmd.contract.power", "kvmd.contract.relays")),
    Page("board", "Boards", ("kvmd.contract.board", "kvmd.contract.settings")),
    Page(
        "kvm",
        "The KVM, for plug-ins",
        ("kvmd.plugins.hookspecs", "kvmd.contract.number"),
        "What a [hook](../hooks.md) is given of the KVM, and what it gives.",
    ),
    Page(
        "endpoint",
        "Endpoints",
        ("kvmd.contract.endpoint", "kvmd.access.needs", "kvmd.access.grant", "kvmd.system.decoding"),
    ),
    Page("errors", "Errors", ("kvmd.errors",)),
    Page(
        "edid",
        "EDIDs",
        tuple(f"kvmd.edid.{room}" for room in ("blocks", "decoding", "editing", "reporting", "shipped")),
        "`from kvmd import edid`: what an EDID needs, for drivers with `EdidControl`. An EDID is whole here: all of "
        "its blocks in one piece of bytes. [EDIDs](../edid.md) says how people use it.",
        face="kvmd.edid",
    ),
    Page("status", "The status", ("kvmd.contract.reports",), face=""),
)


def pages() -> dict[str, str]:
    """Return every page by its file's name."""
    homeless = sorted(name for name in _promised(FACE) if name not in _homes(PAGES))
    if homeless:
        raise SystemExit(f"docs/reference.py: PAGES has no page with the module that has {', '.join(homeless)}")
    return {"index.md": _index()} | {f"{page.name}.md": _page(page) for page in PAGES}


def linked(text: str, folder: str = "", here: str = "") -> str:
    """Make a link of each promised name that stands as code in prose or a table.

    :param folder: the way to docs/contract/ from the page
    :param here: the page itself, if it is one of the contract
    """
    homes = {name: page for name, page in _homes(PAGES).items() if _has_section(getattr(kvmd, name))}

    def link(found: re.Match[str]) -> str:
        name = found[1]
        if name not in homes:
            return found[0]
        page = "" if homes[name] == here else f"{folder}{homes[name]}.md"
        return f"[`{name}`]({page}#{name.lower()})"

    fences = re.split(r"(?ms)(^```.*?^```$|^#.*?$)", text)
    return "".join(part if index % 2 else re.sub(r"(?<!\[)`(\w+)`", link, part) for index, part in enumerate(fences))


def _index() -> str:
    names = {page: ", ".join(_entry(page, name, module) for name, module in _names(page)) for page in PAGES}
    return "\n".join([INDEX, *(f"- [{page.title}]({page.name}.md): {names[page]}" for page in PAGES), ""])


def _entry(page: Page, name: str, module: ModuleType) -> str:
    shown = f"{_prefix(page)}{name}"
    target = f"{page.name}.md#{shown.lower().replace('.', '')}"
    return f"[`{shown}`]({target})" if _has_section(getattr(module, name)) else f"`{shown}`"


def _page(page: Page) -> str:
    intro = page.intro or parse(inspect.getdoc(importlib.import_module(page.modules[0])) or "").text
    prefix = _prefix(page)
    sections, constants = [], []
    for name, module in _names(page):
        thing = getattr(module, name)
        if not _has_section(thing):
            constants.append((f"`{prefix}{name}`", f"`{_value(module, name)}`", attribute_words(module).get(name, "")))
        elif inspect.isclass(thing):
            sections.append(class_section(prefix + name, thing))
        else:
            sections.append(function_section(prefix + name, thing))
    text = "\n\n".join([intro, table(["constant", "value", "meaning"], constants), *sections])
    return re.sub(r"\n{3,}", "\n\n", f"# {page.title}\n\n{linked(text, here=page.name).strip()}\n")


def _has_section(thing: object) -> bool:
    return inspect.isfunction(thing) or (inspect.isclass(thing) and thing.__module__.startswith("kvmd."))


def _prefix(page: Page) -> str:
    """Return what a name is called by, where its package is not ``kvmd`` itself."""
    return "".join(f"{name}." for name in page.face.split(".")[1:])


def _names(page: Page) -> Iterator[tuple[str, ModuleType]]:
    """List what a page shows, in the order in which the modules define it."""
    for path in page.modules:
        module = importlib.import_module(path)
        promised = _promised(page.face)
        for name in _defined(module):
            if promised.get(name) == path if page.face else not name.startswith("_"):
                yield name, module


@cache
def _homes(pages: tuple[Page, ...]) -> dict[str, str]:
    """Return on which page each name of the face stands."""
    return {name: page.name for page in pages if page.face == FACE for name, _ in _names(page)}


def _promised(face: str) -> dict[str, str]:
    """Return from which module a package takes each of its public names; the package itself where it defines it."""
    if not face:
        return {}
    package = importlib.import_module(face)
    imports = [node for node in _tree(package).body if isinstance(node, ast.ImportFrom)]
    sources = {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}
    return {name: sources.get(name, face) for name in package.__all__}


def _defined(module: ModuleType) -> Iterator[str]:
    for node in _tree(module).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name), *_]):
                yield name


def _value(module: ModuleType, name: str) -> str:
    """Write what a constant is, as its module does."""
    for node in _tree(module).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found), *_], value=value) if found == name:
                return ast.unparse(value).replace("|", r"\|")
    return ""


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))
