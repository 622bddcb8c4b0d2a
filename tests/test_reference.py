"""The reference of the contract and the page of hooks: what a docstring becomes, and that nothing is left out."""

import enum
import re
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

import kvmd
from docs import docstrings, hooks, reference, shapes

CONTRACT = Path(__file__).parents[1] / "docs/contract"
PAGES = reference.pages()


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    """Like blood."""


class Lamp(msgspec.Struct, frozen=True):
    """A lamp.

    It has a life::

        on = true

    of its own.

    :param watts: what it takes, in
        watts
    """

    watts: int
    colour: Annotated[Colour, Meta(description="In which it shines.")] = Colour.RED
    dim: Annotated[float, Meta(ge=0, le=1, description="0: dark.")] | None = None
    parts: list[str] = msgspec.field(default_factory=list)

    def light(self, seconds: float) -> bool:
        """Shine; see ``Colour`` and docs/power.md.

        :param seconds: for so long
        :return: whether it does
        :raises ValueError: it is broken
        """
        return bool(seconds)


LAMP = """\
## Lamp

```python
class Lamp(msgspec.Struct, frozen=True)
```

A lamp.

It has a life:

```toml
on = true
```

of its own.

| field | type | default | meaning |
|---|---|---|---|
| `watts` | `int` |  | what it takes, in watts |
| `colour` | `Colour` | `Colour.RED` | In which it shines. |
| `dim` | `float \\| None`, ≥ 0, ≤ 1 | `None` | 0: dark. |
| `parts` | `list[str]` | `[]` |  |

### Lamp.light

```python
def light(self, seconds: float) -> bool
```

Shine; see `Colour` and [power](../power.md).

| parameter | meaning |
|---|---|
| `seconds` | for so long |

Returns whether it does.

| raises | when |
|---|---|
| `ValueError` | it is broken |
"""


def test_a_class_becomes_its_section() -> None:
    assert shapes.class_section("Lamp", Lamp) == LAMP


def test_members_say_what_stands_below_them() -> None:
    table = "| member | value | meaning |\n|---|---|---|\n| `RED` | `'red'` | Like blood. |\n"
    assert table in shapes.class_section("Colour", Colour)


def test_what_stands_behind_the_fields_is_not_dropped_in_silence() -> None:
    with pytest.raises(SystemExit, match="where nobody reads it"):
        docstrings.parse("Do.\n\n:param it: this\n\nMore.")


def test_names_are_links_outside_of_code_and_headings() -> None:
    text = "## `Frame`\n\n`Frame`, `MAX_KEYS`, `NoSignal`\n\n```python\n`Frame`\n```\n"
    linked = (
        "## `Frame`\n\n[`Frame`](#frame), `MAX_KEYS`, [`NoSignal`](errors.md#nosignal)\n\n```python\n`Frame`\n```\n"
    )
    assert reference.linked(text, here="capture") == linked


def test_the_folder_holds_these_pages_and_no_other() -> None:
    assert {path.name for path in CONTRACT.iterdir()} == PAGES.keys()


@pytest.mark.parametrize("name", kvmd.__all__)
def test_every_promised_name_stands_on_one_page(name: str) -> None:
    own = [text for page, text in PAGES.items() if page not in ("index.md", "status.md")]
    places = [text for text in own if re.search(rf"(?m)^(## {name}$|\| `{name}` \| `)", text)]
    assert len(places) == 1
    assert f"`{name}`" in PAGES["index.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_field_says_what_it_is(page: str) -> None:
    silent, owner, table = [], "", ""
    for line in PAGES[page].splitlines():
        owner = line if line.startswith("## ") else owner
        table = line if line.startswith("| ") and not table else table if line.startswith("|") else ""
        if table.startswith("| field ") and ("meaning" not in table or line.endswith("|  |")):
            silent.append(f"{owner}: {line}")
    assert silent == [], "say it by `:param NAME:` in the docstring of the class"


def test_a_promised_name_without_a_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PAGES", tuple(page for page in reference.PAGES if page.name != "driver"))
    with pytest.raises(SystemExit, match="BaseDriver, forget, recall, remember"):
        reference.pages()


@pytest.mark.parametrize("hook", hooks.hooks(), ids=lambda hook: hook.__name__)
def test_every_hook_says_how_it_is_called(hook: object) -> None:
    name = getattr(hook, "__name__", "")
    section = hooks.page().partition(f"## {name}\n")[2].partition("\n## ")[0]
    assert f"def {name}(" in section
    for row in ("is called", "in the thread", "is waited for", "returns", "when it raises, or hangs"):
        assert re.search(rf"(?m)^\| {row} \| \S.* \|$", section), row


def test_a_hook_of_which_nothing_is_said_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(hooks.CALLS, "kvmd_event")
    with pytest.raises(SystemExit, match="kvmd_event"):
        hooks.page()
